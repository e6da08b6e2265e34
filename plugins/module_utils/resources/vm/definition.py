# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar fields of a domain: a table from option to place in libvirt's XML, read and written both ways."""

from __future__ import annotations

import hashlib
import re
import uuid
from xml.etree import ElementTree as ET

from ... import lens
from ...lens import INTEGER, YES_NO, Field, Size

NAMESPACE = "urn:intake:vms:1"
METADATA = f"metadata/{{{NAMESPACE}}}vm"
IDENTITY = uuid.UUID("7d0f6f0e-8d1b-5c43-9a57-5f0c3f1f2b6a")  # the name space of UUIDs made from VM names
MACHINES = {"q35": r"pc-q35-", "pc": r"pc-i440fx-", "virt": r"virt-"}

ET.register_namespace("intake", NAMESPACE)

FIELDS = (
    Field("description", "description"),
    Size("memory", "currentMemory"),
    Size("maximum_memory", "memory"),
    Field("cpus", "vcpu", "current", INTEGER),
    Field("maximum_cpus", "vcpu", None, INTEGER),
    Field("cpu_mode", "cpu", "mode"),
    Field("cpu_model", "cpu/model"),
    Field("machine", "os/type", "machine"),
    Field("virt_type", "", "type"),
    Field("kernel", "os/kernel"),
    Field("initrd", "os/initrd"),
    Field("cmdline", "os/cmdline"),
)
TOPOLOGY = tuple(Field(key, "cpu/topology", key, INTEGER) for key in ("sockets", "cores", "threads"))
SECURE = Field("secure_boot", "os/loader", "secure", YES_NO)
BY_KEY = {field.key: field for field in FIELDS}


def read(root):
    """The scalar options of a domain as its XML says them."""
    found = lens.read(root, FIELDS)
    found["cpus"] = found["cpus"] or found["maximum_cpus"]
    found["memory"] = found["memory"] or found["maximum_memory"]
    if found["cpu_mode"] != "custom":
        found["cpu_model"] = None
    found["topology"] = lens.read(root, TOPOLOGY) if root.find("cpu/topology") is not None else None
    found["firmware"] = firmware(root)
    found["secure_boot"] = secure_boot(root)
    found["labels"] = labels(root)
    return found


def write(root, want):
    """Bring the said options into the XML; what is not said stays."""
    lens.write(root, FIELDS, {"description": want.get("description"), **boot_files(want)})
    write_virt_type(root, want.get("virt_type"))
    write_memory(root, want)
    write_cpus(root, want)
    write_cpu_model(root, want)
    if want.get("machine") is not None and not same_machine(want["machine"], BY_KEY["machine"].read(root)):
        BY_KEY["machine"].write(root, want["machine"])
        forget_addresses(root)
    write_firmware(root, want)
    if want.get("labels") is not None:
        write_labels(root, want["labels"])


def boot_files(want):
    """Kernel, initrd and command line; the last two are nothing without the first, and QEMU would not start with them."""
    said = {key: want.get(key) for key in ("kernel", "initrd", "cmdline")}
    return dict.fromkeys(said, "") if said["kernel"] == "" else said


def write_virt_type(root, kind):
    """`auto` was decided when the machine was made; a CPU that only KVM can pass through becomes the best of emulation."""
    if kind in (None, "auto"):
        return
    BY_KEY["virt_type"].write(root, kind)
    if kind == "qemu" and BY_KEY["cpu_mode"].read(root) == "host-passthrough":
        write_cpu_model(root, {"cpu_mode": "maximum"})


def write_memory(root, want):
    """`memory` is what the guest has now, `maximum_memory` what it may get; the second follows when it was equal or too small."""
    have = lens.read(root, FIELDS[1:3])
    memory = want.get("memory") or have["memory"] or have["maximum_memory"]
    maximum = want.get("maximum_memory")
    if maximum is None and have["maximum_memory"] is not None:
        followed = have["maximum_memory"] == (have["memory"] or have["maximum_memory"])
        maximum = memory if followed and want.get("memory") else max(have["maximum_memory"], memory)
    lens.write(root, FIELDS[1:3], {"memory": memory, "maximum_memory": maximum or memory})


def write_cpus(root, want):
    """The same for cpus: the number at boot, and the most that can be plugged while it runs."""
    have = lens.read(root, FIELDS[3:5])
    cpus = want.get("cpus") or have["cpus"] or have["maximum_cpus"] or 1
    topology = want.get("topology")
    maximum = want.get("maximum_cpus") or (topology and topology["sockets"] * topology["cores"] * topology["threads"])
    if not maximum and have["maximum_cpus"]:
        followed = have["maximum_cpus"] == (have["cpus"] or have["maximum_cpus"])
        maximum = cpus if followed and want.get("cpus") else max(have["maximum_cpus"], cpus)
    if (cpus, maximum or cpus) != (have["cpus"] or have["maximum_cpus"], have["maximum_cpus"]):
        for single in root.findall("vcpus"):  # the state of each CPU, as plugging left it; it would outvote the counts
            root.remove(single)
    lens.write(root, FIELDS[3:5], {"maximum_cpus": maximum or cpus})
    if cpus == (maximum or cpus):
        BY_KEY["cpus"].clear(root)
    else:
        BY_KEY["cpus"].write(root, cpus)
    if topology:
        lens.write(root, TOPOLOGY, topology)
    elif root.find("cpu/topology") is not None and product(root) != (maximum or cpus):
        root.find("cpu").remove(root.find("cpu/topology"))


def product(root):
    """How many cpus the topology in the XML makes."""
    topology = root.find("cpu/topology")
    return int(topology.get("sockets")) * int(topology.get("dies", 1)) * int(topology.get("cores")) * int(topology.get("threads"))


def write_cpu_model(root, want):
    """Another mode makes what the old one said of model and features wrong."""
    mode = want.get("cpu_mode") or ("custom" if want.get("cpu_model") else None)
    if mode is not None and mode != BY_KEY["cpu_mode"].read(root):
        cpu = lens.ensure(root, "cpu")
        topology = cpu.find("topology")
        for child in list(cpu):
            if child is not topology:
                cpu.remove(child)
        cpu.attrib.clear()
        cpu.set("mode", mode)
    if want.get("cpu_model") and want["cpu_model"] != BY_KEY["cpu_model"].read(root):
        BY_KEY["cpu_model"].write(root, want["cpu_model"])


def same_machine(want, have):
    """True where an alias such as q35 is what libvirt wrote out as pc-q35-7.2."""
    return want == have or (want in MACHINES and re.match(MACHINES[want], have or "") is not None)


def forget_addresses(root):
    """Device addresses belong to one machine type; libvirt gives new ones, and new controllers for them."""
    devices = root.find("devices")
    for device in list(devices):
        address = device.find("address")
        if address is not None and address.get("type") in ("pci", "drive", "ccw", "virtio-mmio"):
            device.remove(address)
        if device.tag == "controller" and device.get("type") in ("pci", "sata", "ide", "usb"):
            devices.remove(device)


def firmware(root):
    """bios or uefi, whether libvirt chose the firmware file or a person did."""
    loader = root.find("os/loader")
    return "uefi" if root.find("os").get("firmware") == "efi" or (loader is not None and loader.get("type") == "pflash") else "bios"


def secure_boot(root):
    """True where the loader enforces it or the firmware was asked to."""
    asked = root.find("os/firmware/feature[@name='secure-boot']")
    return bool(SECURE.read(root)) if asked is None else asked.get("enabled") == "yes"


def write_firmware(root, want):
    """Let libvirt choose the firmware files; those of another kind of firmware are dropped from the XML, never deleted."""
    kind = want.get("firmware") or firmware(root)
    secure = want.get("secure_boot")
    if kind == firmware(root) and (secure is None or secure == secure_boot(root)):
        return
    os_element = root.find("os")
    for tag in ("loader", "nvram", "firmware"):
        for element in os_element.findall(tag):
            os_element.remove(element)
    os_element.attrib.pop("firmware", None)
    if kind == "uefi":
        os_element.set("firmware", "efi")
        wrapper = ET.SubElement(os_element, "firmware")
        for feature in ("secure-boot", "enrolled-keys"):
            ET.SubElement(wrapper, "feature", enabled=YES_NO.dump(bool(secure)), name=feature)
        if secure:
            lens.ensure(root, "features/smm").set("state", "on")


def labels(root):
    """The labels in our metadata element, as a dict of text.

    libvirt puts the children into our name space when metadata is set on a running domain, and not in a definition.
    """
    return {label.get("key"): label.text or "" for label in root.findall(f"{METADATA}/*") if label.tag.endswith("label")}


def write_labels(root, want):
    """All labels at once: what is not listed is gone."""
    if labels(root) == {str(key): str(value) for key, value in want.items()}:
        return
    wrapper = lens.ensure(root, "metadata")
    for element in wrapper.findall(f"{{{NAMESPACE}}}vm"):
        wrapper.remove(element)
    if want:
        wrapper.append(metadata_element(want, f"{{{NAMESPACE}}}vm"))


def metadata_element(want, tag="vm"):
    """Our metadata element with these labels; on a running domain libvirt puts it into our name space itself."""
    element = ET.Element(tag)
    for key in sorted(want, key=str):
        ET.SubElement(element, "label", key=str(key)).text = str(want[key])
    return element


def uuid_of(name):
    """The UUID of a new VM, made from its name so that a rebuilt VM is the same to its guests."""
    return str(uuid.uuid5(IDENTITY, name))


def digest(*words):
    """Bytes made from names, for MAC addresses and serials that a rebuilt VM keeps."""
    return hashlib.sha256("/".join(words).encode("utf-8")).digest()
