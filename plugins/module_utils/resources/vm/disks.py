# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and cdroms in a domain's XML, found by their name and never by their position."""

from __future__ import annotations

import itertools
import re
import string
from xml.etree import ElementTree as ET

from ... import lens
from ...errors import Refused
from ...host import silence
from ...lens import INTEGER, Field, Presence
from ...units import parse_size
from . import device
from .definition import digest

SERIAL = re.compile(r"[A-Za-z0-9 _.+-]{1,36}\Z")  # QEMU's driver in libvirt refuses others, some only at the start
PREFIXES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
LIMITS = (
    Field("iops", "iotune/total_iops_sec", None, INTEGER),
    Field("read_iops", "iotune/read_iops_sec", None, INTEGER),
    Field("write_iops", "iotune/write_iops_sec", None, INTEGER),
    Field("bandwidth", "iotune/total_bytes_sec", None, INTEGER),
    Field("read_bandwidth", "iotune/read_bytes_sec", None, INTEGER),
    Field("write_bandwidth", "iotune/write_bytes_sec", None, INTEGER),
)
LIMIT_KEYS = tuple(field.key for field in LIMITS)
FIELDS = (
    Field("device", "", "device"),
    Field("path", "source", "file"),
    Field("format", "driver", "type"),
    Field("bus", "target", "bus"),
    Field("target", "target", "dev"),
    Field("cache", "driver", "cache"),
    Field("discard", "driver", "discard"),
    Field("serial", "serial"),
    Presence("read_only", "readonly"),
    Presence("shareable", "shareable"),
    device.BOOT_ORDER,
) + LIMITS
WRITTEN = tuple(field for field in FIELDS if field.key in ("cache", "discard", "serial", "read_only", "shareable"))


def elements(root):
    """All disk elements by name: the alias a task gave, else the target such as vda."""
    found = {}
    for element in root.iterfind("devices/disk"):
        found[device.name_of(element, element.find("target").get("dev"))] = element
    return found


def read(root):
    """{name: options} of all disks."""
    return {name: read_one(element) for name, element in elements(root).items()}


def read_one(element):
    """The options of one disk; limits that are not set are None."""
    found = lens.read(element, FIELDS)
    source = element.find("source")
    if found["path"] is None and source is not None:
        found["path"] = source.get("dev") or source.get("name") or source.get("volume")
    found["device"] = found["device"] or "disk"
    if found["path"] is None:
        found["format"] = None  # of an empty drive; libvirt drops it from the XML of a running domain
    return {**found, **{key: found[key] or None for key in LIMIT_KEYS}}


def identity(element):
    """What tells a disk from others without a name: its file; the target of a drive, whose media change."""
    source = element.find("source")
    file = source.get("file") if source is not None and element.get("device") != "cdrom" else None
    return file or element.find("target").get("dev")


def find(root, name, path):
    """The disk a want speaks of: by alias or target, or else one without a name of ours that uses the same file."""
    known = elements(root)
    if name in known:
        return known[name]
    for element in known.values():
        source = element.find("source")
        if path and source is not None and source.get("file") == path and device.name_of(element) is None:
            return element
    return None


def write(root, want, vm):
    """Bring one wanted disk into the XML. `want` has `path` and `format` of its file resolved (path "" is an empty drive)."""
    element = find(root, want["name"], want.get("path"))
    if want["state"] == "absent":
        if element is not None:
            root.find("devices").remove(element)
        return
    if element is None:
        element = make(root, want, vm)
    if device.name_of(element) != want["name"]:
        device.set_name(element, want["name"])
    write_bus(root, element, want)
    write_source(element, want)
    write_options(element, want)
    device.write_boot_order(root, element, want.get("boot_order"))


def make(root, want, vm):
    """A new disk element with the defaults of a new disk."""
    kind = want.get("device") or "disk"
    bus = want.get("bus") or ("virtio" if kind == "disk" else "sata")
    element = ET.Element("disk", type="file", device=kind)
    driver = {"name": "qemu", "type": want.get("format") or "raw"}
    if kind == "disk":
        driver["discard"] = want.get("discard") or "unmap"
    ET.SubElement(element, "driver", driver)
    ET.SubElement(element, "target", dev=free_target(root, bus), bus=bus)
    if kind == "disk":
        ET.SubElement(element, "serial").text = digest(vm, want["name"]).hex()[:16]
    else:
        ET.SubElement(element, "readonly")
    device.set_name(element, want["name"])
    device.insert(root, element)
    ensure_controller(root, bus)
    return element


def write_bus(root, element, want):
    """A disk that changes its bus gets a new target and loses the address it had on the old one."""
    target, bus = element.find("target"), want.get("bus")
    if bus is None or target.get("bus") == bus:
        return
    address = element.find("address")
    if address is not None:
        element.remove(address)
    target.set("bus", bus)
    target.set("dev", free_target(root, bus))
    ensure_controller(root, bus)


def write_source(element, want):
    """The file behind the disk; None leaves it, "" takes the medium out."""
    path, source = want.get("path"), element.find("source")
    if path is None or (source is not None and source.get("file") == path):
        return
    for tag in ("source", "backingStore"):
        for child in element.findall(tag):
            element.remove(child)
    if path:
        element.set("type", "file")
        element.insert(1, ET.Element("source", file=path))
        lens.ensure(element, "driver").set("type", want.get("format") or "raw")


def write_options(element, want):
    """Cache, discard, serial, flags and limits, those that are said."""
    said = {key: want.get(key) for key in ("cache", "discard", "serial", "read_only", "shareable")}
    if (element.get("device") or "disk") == "cdrom":
        said["read_only"] = True
    if said["cache"] == "default":
        said["cache"] = ""
    lens.write(element, WRITTEN, said)
    for field in LIMITS:
        value = limit(want, field.key)
        if value is not None and value != field.read(element):
            write_limit(element, field, value)


def write_limit(element, field, value):
    """Set one limit, 0 takes it away; a burst others allowed goes where the limit does, or where it is not above it any more."""
    burst = int(element.findtext(f"{field.path}_max") or 0)
    for suffix in ("_max", "_max_length") if not value or burst <= value else ():
        Field("", field.path + suffix).clear(element)
    if value:
        field.write(element, value)
        return
    field.clear(element)
    tune = element.find("iotune")
    if tune is not None and not len(tune):
        element.remove(tune)


def limit(want, key, where="disk"):
    """Requests or bytes a second; 0 takes a limit away, None is not said."""
    value = want.get(key)
    if value is None or isinstance(value, int):
        return value
    return 0 if str(value).strip() == "0" else parse_size(value, f"{where}: {key}")


def free_target(root, bus):
    """The first unused target name of a bus: vda, vdb, ..., vdz, vdaa."""
    used = {target.get("dev") for target in root.iterfind("devices/disk/target")}
    letters = itertools.chain(string.ascii_lowercase, map("".join, itertools.product(string.ascii_lowercase, repeat=2)))
    return next(name for name in (PREFIXES[bus] + letter for letter in letters) if name not in used)


def ensure_controller(root, bus):
    """SCSI disks need virtio-scsi: libvirt's own choice, an emulated LSI card, has no driver in most guests."""
    if bus == "scsi" and root.find("devices/controller[@type='scsi']") is None:
        device.insert(root, ET.Element("controller", type="scsi", index="0", model="virtio-scsi"))


def purge(root, wanted):
    """Take away every disk that no want speaks of, be it by the file of a disk that has no name yet."""
    kept = [find(root, want["name"], want.get("path")) for want in wanted] + [find(root, "cloud-init", None)]
    for element in elements(root).values():
        if not any(element is one for one in kept):
            root.find("devices").remove(element)


def check(vm, want):
    """Refuse what cannot be meant, before anything has moved."""
    where = f"vm {vm}: disk {want['name']}"
    if want.get("serial") and not SERIAL.match(want["serial"]):
        raise Refused(f"{where}: a serial is made of at most 36 letters, digits, blanks and any of _-.+", "invalid_serial")
    check_limits(where, want)
    if want.get("device") == "cdrom" and want.get("bus") == "virtio":
        raise Refused(f"{where}: a cdrom cannot be on the virtio bus; use sata or scsi", "invalid_bus")


def check_limits(where, disk):
    """No negative limits, and none of both directions beside one of a single direction; `disk` is a want or a description."""
    for key in LIMIT_KEYS:
        if (limit(disk, key, where) or 0) < 0:
            raise Refused(f"{where}: {key} is {disk[key]}; it must be at least 0, which takes the limit away", "invalid_limit")
    for both, parts in (("iops", ("read_iops", "write_iops")), ("bandwidth", ("read_bandwidth", "write_bandwidth"))):
        if limit(disk, both) and any(limit(disk, part) for part in parts):
            raise Refused(f"{where}: {both} limits reading and writing together, so it excludes {' and '.join(parts)}", "invalid_limit")


def is_writer(disk):
    """True where a described disk writes its file and does not share it."""
    return bool(disk["path"]) and not disk["shareable"] and not disk["read_only"] and disk["device"] == "disk"


def same_file(one, other):
    """True where two paths are one file."""
    return silence.real(one) == silence.real(other)
