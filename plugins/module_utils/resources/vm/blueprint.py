# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML a new domain begins with, before its options are written into it."""

from __future__ import annotations

import os
from xml.etree import ElementTree as ET

from ...units import parse_size
from .definition import uuid_of

MEMORY = parse_size("1GiB")
MACHINES = {"x86_64": "q35", "aarch64": "virt", "riscv64": "virt"}
SPARE_PORTS = 4  # PCI Express has no slots but those made before the start; libvirt leaves one for plugging


class Host:
    """What a new domain must know of its hypervisor."""

    def __init__(self, hypervisor):
        self.driver = hypervisor.connection.getType()
        self.arch = hypervisor.connection.getInfo()[0]
        self.virt_type = self.choose(hypervisor)

    def choose(self, hypervisor):
        """kvm where it works, else emulation; libvirt's test driver knows only itself."""
        if self.driver == "TEST":
            return "test"
        if hypervisor.is_local:
            return "kvm" if kvm_works(self.arch) else "qemu"
        return "kvm" if "type='kvm'" in hypervisor.connection.getCapabilities() else "qemu"


def kvm_works(arch, device="/dev/kvm", cpuinfo="/proc/cpuinfo"):
    """True where the device opens and, on x86, the processor has the flag: nested hosts may have one without the other."""
    if not os.access(device, os.R_OK | os.W_OK):
        return False
    if arch not in ("x86_64", "i686"):
        return True
    with open(cpuinfo, encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return "vmx" in flags or "svm" in flags


def defaults(host, want):
    """What a new VM has where nothing is said."""
    virt_type = want.get("virt_type") or "auto"
    virt_type = host.virt_type if virt_type == "auto" or host.driver == "TEST" else virt_type
    plain = {
        "memory": want.get("maximum_memory") or MEMORY,
        "cpus": 1,
        "virt_type": virt_type,
        "cpu_mode": None if want.get("cpu_model") else {"kvm": "host-passthrough", "qemu": "maximum"}.get(virt_type),
        "machine": MACHINES.get(host.arch),
        "console": True,
        "agent": True,
        "rng": True,
    }
    said = {key: value for key, value in want.items() if value is not None}
    return {**plain, **said, "virt_type": virt_type}


def root(host, want):
    """A domain element without options: name, UUID, boot order, clock, the ports that devices will be plugged into."""
    domain = ET.Element("domain", type=want["virt_type"])
    ET.SubElement(domain, "name").text = want["name"]
    ET.SubElement(domain, "uuid").text = uuid_of(want["name"])
    os_element = ET.SubElement(domain, "os")
    kind = ET.SubElement(os_element, "type", arch=host.arch)
    kind.text = "hvm"
    if want["machine"]:
        kind.set("machine", want["machine"])
    for device in boot_devices(want):
        ET.SubElement(os_element, "boot", dev=device)
    features = ET.SubElement(domain, "features")
    for feature in ("acpi", "apic"):
        ET.SubElement(features, feature)
    ET.SubElement(domain, "clock", offset="utc")
    devices = ET.SubElement(domain, "devices")
    if want["machine"] and ("q35" in want["machine"] or want["machine"].startswith("virt")):
        for index in range(1, ports(want) + 1):
            ET.SubElement(devices, "controller", type="pci", index=str(index), model="pcie-root-port")
    return domain


def boot_devices(want):
    """From disk, then from cdrom where there is one; devices with an order of their own replace this."""
    cdrom = any(disk.get("device") == "cdrom" for disk in want.get("disks") or ())
    return ["hd", "cdrom"] if cdrom else ["hd"]


def ports(want):
    """One port for each device of the definition that takes one, and some to plug into while it runs."""
    disks = sum((disk.get("bus") or "virtio") == "virtio" for disk in want.get("disks") or ())
    small = sum(bool(want[name]) for name in ("agent", "rng")) + 2  # and the balloon, and a USB or SCSI controller
    return disks + len(want.get("interfaces") or ()) + small + SPARE_PORTS
