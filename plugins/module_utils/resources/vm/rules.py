# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task about a virtual machine may not say, found before anything has moved."""

from __future__ import annotations

import re

from ...errors import Refused
from ...names import check_name
from ...units import format_size, parse_size
from . import disks, extras, interfaces
from .spec import SIZES

SMALLEST = 2**20  # bytes of memory; less is a forgotten unit
CDROM_ONLY = "a cdrom is read-only and is never made or resized"
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DEVICE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")  # what libvirt keeps in an alias; others it drops without a word
NO_IDE = re.compile(r"(pc-)?q35|virt")


def normalized(want):
    """The same want with sizes in bytes and labels as text. Raises Refused for what is no size."""
    where = f"vm {want['name']}"
    found = {key: value if key == "cloud_init" else tidied(f"{where}: {key}", value) for key, value in want.items()}
    for key in SIZES:
        if want.get(key) is not None:
            found[key] = parse_size(want[key], f"{where}: {key}")
            if found[key] < SMALLEST:
                raise Refused(f"{where}: {key} {want[key]} is {format_size(found[key])}; write the unit, as in 2GiB", "invalid_size")
    if want.get("labels") is not None:
        found["labels"] = {str(key): str(value) for key, value in found["labels"].items()}
    return found


def tidied(where, value):
    """Text as XML can hold it: lines end as XML reads them; control characters are refused."""
    if isinstance(value, dict):
        return {tidied(where, key): tidied(where, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [tidied(where, inner) for inner in value]
    if not isinstance(value, str):
        return value
    if NOT_IN_XML.search(value):
        raise Refused(f"{where}: holds a control character, which libvirt's XML cannot keep", "invalid_text")
    return value.replace("\r\n", "\n").replace("\r", "\n")


def check(have, want):
    """Refuse contradictions, also with what the machine has now. `want` is normalized."""
    now = have.description if have else {}
    check_numbers(now, want)
    check_topology(now, want)
    check_cpu(now, want)
    check_firmware(now, want)
    check_boot_files(now, want)
    extras.check(want["name"], now, want)
    for kind in ("disk", "interface"):
        check_twins(want["name"], kind, want.get(f"{kind}s") or ())
    for disk in want.get("disks") or ():
        check_device_name(want["name"], "disk", disk["name"], now.get("disks"))
        check_disk(want["name"], disk)
    for interface in want.get("interfaces") or ():
        check_device_name(want["name"], "interface", interface["name"], now.get("interfaces"))
        is_new = have is None or interfaces.find(have.root, interface) is None
        interfaces.check(want["name"], interface, is_new)
        check_boot_order(f"vm {want['name']}: interface {interface['name']}", interface)


def check_device_name(vm, kind, name, known):
    """The name becomes libvirt's alias; a device of an adopted domain may also be called by its target or MAC address."""
    if not DEVICE_NAME.match(name) and name.lower() not in (known or ()):
        raise Refused(
            f"vm {vm}: {kind} {name!r}: the name of a device is made of at most 64 letters, digits, hyphens and underscores", "invalid_name"
        )


def check_numbers(now, want):
    """Counts above zero, and no more than their maximum."""
    where = f"vm {want['name']}"
    for key in ("cpus", "maximum_cpus", "stop_timeout", "wait_timeout"):
        if want.get(key) is not None and want[key] < 1:
            raise Refused(f"{where}: {key} is {want[key]}; it must be at least 1", "invalid_number")
    for key, show in (("cpus", str), ("memory", format_size)):
        value, maximum = want.get(key) or now.get(key), want.get(f"maximum_{key}")
        if value and maximum and value > maximum:
            raise Refused(f"{where}: {key} {show(value)} is more than maximum_{key} {show(maximum)}", "above_maximum")


def check_topology(now, want):
    """Sockets, cores and threads make up the maximum number of cpus."""
    topology = want.get("topology")
    if not topology:
        return
    product = topology["sockets"] * topology["cores"] * topology["threads"]
    most = want.get("maximum_cpus") or max(product, want.get("cpus") or now.get("cpus") or 0)
    if min(topology.values()) < 1 or product != most:
        raise Refused(f"vm {want['name']}: the topology has {product} cpus, but the machine has up to {most}", "invalid_topology")


def check_cpu(now, want):
    """A model belongs to the mode custom, and that mode to a model."""
    where = f"vm {want['name']}"
    if want.get("cpu_model") and want.get("cpu_mode") not in (None, "custom"):
        raise Refused(f"{where}: cpu_model is for cpu_mode custom, not for {want['cpu_mode']}", "invalid_cpu")
    if want.get("cpu_mode") == "custom" and not want.get("cpu_model") and not now.get("cpu_model"):
        raise Refused(f"{where}: cpu_mode custom needs a cpu_model", "invalid_cpu")


def check_firmware(now, want):
    """Signed boot loaders are a matter of UEFI, and their protection one of the q35 machine."""
    where = f"vm {want['name']}"
    if not want.get("secure_boot"):
        return
    if (want.get("firmware") or now.get("firmware")) != "uefi":
        raise Refused(f"{where}: secure_boot needs firmware uefi", "invalid_firmware")
    machine = want.get("machine") or now.get("machine") or "q35"
    if re.match(r"pc\Z|pc-i440fx", machine):
        raise Refused(f"{where}: secure_boot needs machine q35, not {machine}", "invalid_firmware")


def check_boot_files(now, want):
    """A kernel and its initrd are files of the hypervisor."""
    for key in ("kernel", "initrd"):
        if want.get(key) and not want[key].startswith("/"):
            raise Refused(f"vm {want['name']}: {key} {want[key]} is not an absolute path", "invalid_path")
    kernel = now.get("kernel") if want.get("kernel") is None else want["kernel"]
    if (want.get("cmdline") or want.get("initrd")) and not kernel:
        raise Refused(f"vm {want['name']}: initrd and cmdline need a kernel", "invalid_kernel")


def check_twins(vm, kind, wanted):
    """Each device is listed once."""
    names = [one["name"] for one in wanted]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise Refused(f"vm {vm}: {kind} {', '.join(twins)}: is listed twice", "duplicate_name")


def check_disk(vm, disk):
    """One wanted disk."""
    where = f"vm {vm}: disk {disk['name']}"
    if disk["name"] == "cloud-init":
        raise Refused(f"{where}: this name belongs to the seed of cloud_init", "reserved_name")
    if disk.get("device") == "cdrom" and (disk.get("size") or disk.get("read_only") is False):
        raise Refused(f"{where}: {CDROM_ONLY}", "invalid_cdrom")
    if disk["remove"] and disk["state"] != "absent":
        raise Refused(f"{where}: remove: true deletes the volume, so it needs state: absent", "invalid_remove")
    check_boot_order(where, disk)
    for key in ("volume", "image"):
        if disk.get(key):
            check_name(f"{where}: {key}", disk[key])
    disks.check(vm, disk)


def check_draft(want, after):
    """Refuse what libvirt would refuse, seen in the description of what the definition will be."""
    where, named = f"vm {want['name']}", {disk["name"] for disk in want.get("disks") or ()}
    devices = {**prefixed("interface", after["interfaces"]), **prefixed("disk", after["disks"])}
    ordered = [(one["boot_order"], name) for name, one in devices.items() if one["boot_order"] is not None]
    refuse_twins(where, ordered, "are both the boot device {0}", "duplicate_boot_order")
    writers = [(disk["path"], f"disk {name}") for name, disk in after["disks"].items() if disks.is_writer(disk)]
    writers = [(path, name) for path, name in writers if path in {after["disks"][one]["path"] for one in named & set(after["disks"])}]
    refuse_twins(where, writers, "would both write {0}", "volume_in_use")
    for name, interface in after["interfaces"].items():
        if interface["type"] == "user" and interface["vlan"]:
            raise Refused(f"{where}: interface {name}: user-mode networking has no VLANs (vlan: 0 takes the tag away)", "invalid_vlan")
    for name, disk in after["disks"].items():
        disks.check_limits(f"{where}: disk {name}", disk)
        if disk["read_only"] and disk["device"] == "disk" and disk["bus"] in ("ide", "sata"):
            raise Refused(f"{where}: disk {name}: the {disk['bus']} bus has no read-only disks; use virtio or scsi", "invalid_bus")
        if disk["bus"] == "ide" and NO_IDE.match(after["machine"] or ""):
            raise Refused(f"{where}: disk {name}: machine {after['machine']} has no ide bus; use sata", "invalid_bus")


def check_boot_order(where, device):
    """Places begin with 1; 0 takes a device out of the order."""
    if (device.get("boot_order") or 0) < 0:
        raise Refused(f"{where}: boot_order {device['boot_order']} is not at least 1 (0 takes it away)", "invalid_boot_order")


def prefixed(kind, devices):
    """The same devices by names that tell their kind."""
    return {f"{kind} {name}": one for name, one in devices.items()}


def refuse_twins(where, pairs, sentence, reason):
    """Refuse when two names share a key."""
    seen = {}
    for key, name in pairs:
        if key in seen:
            raise Refused(f"{where}: {seen[key]} and {name} {sentence.format(key)}", reason)
        seen[key] = name
