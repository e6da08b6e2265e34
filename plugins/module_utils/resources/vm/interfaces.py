# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces in a domain's XML, found by name or MAC address and never by position."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from ... import lens
from ...errors import Refused
from ...lens import INTEGER, Field
from . import device
from .definition import digest

KINDS = ("network", "bridge", "user")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
MODEL = re.compile(r"[A-Za-z0-9_-]+\Z")
FIELDS = (
    Field("mac", "mac", "address"),
    Field("model", "model", "type"),
    Field("vlan", "vlan/tag", "id", INTEGER),
    Field("link", "link", "state"),
    Field("target", "target", "dev"),
    device.BOOT_ORDER,
)


def elements(root):
    """All interface elements by name: the alias a task gave, else the MAC address."""
    found = {}
    for index, element in enumerate(root.iterfind("devices/interface")):
        mac = element.find("mac")
        found[device.name_of(element, mac.get("address") if mac is not None else str(index))] = element
    return found


def read(root):
    """{name: options} of all interfaces."""
    return {name: read_one(element) for name, element in elements(root).items()}


def read_one(element):
    """The options of one interface; `source` is the network or bridge it is on."""
    source = element.find("source")
    kind = element.get("type")
    found = {"type": kind, "source": source.get(kind) if source is not None else None, **lens.read(element, FIELDS)}
    return {**found, "link": found["link"] or "up"}


def kind_of(want):
    """(type, source) of a wanted interface, or (None, None) where it says neither."""
    if want.get("user"):
        return "user", None
    return next(((kind, want[kind]) for kind in ("network", "bridge") if want.get(kind)), (None, None))


def identity(element):
    """What tells an interface from others without a name."""
    return element.find("mac").get("address")


def find(root, want):
    """The interface a want speaks of: by name, by MAC, or the only nameless one on the same network."""
    known = elements(root)
    mac = (want.get("mac") or "").lower()
    if want["name"] in known:
        return known[want["name"]]
    nameless = [element for element in known.values() if device.name_of(element) is None]
    if mac:
        return next((element for element in nameless if element.find("mac").get("address") == mac), None)
    same = [element for element in nameless if (read_one(element)["type"], read_one(element)["source"]) == kind_of(want)]
    return same[0] if len(same) == 1 else None


def write(root, want, vm):
    """Bring one wanted interface into the XML."""
    element = find(root, want)
    if want["state"] == "absent":
        if element is not None:
            root.find("devices").remove(element)
        return
    if element is None:
        element = make(root, want, vm)
    if device.name_of(element) != want["name"]:
        device.set_name(element, want["name"])
    write_source(element, want)
    said = {key: want.get(key) for key in ("model", "vlan", "link")}
    if want.get("mac"):
        said["mac"] = want["mac"].lower()
    if said["vlan"] == 0:
        said["vlan"] = None
        for vlan in element.findall("vlan"):
            element.remove(vlan)
    if said["link"] == read_one(element)["link"]:
        said["link"] = None
    lens.write(element, FIELDS, said)
    device.write_boot_order(root, element, want.get("boot_order"))


def make(root, want, vm):
    """A new interface with a MAC address made from the names, so that a rebuilt VM keeps its lease."""
    element = ET.Element("interface", type=kind_of(want)[0] or "network")
    ET.SubElement(element, "mac", address=mac_of(vm, want["name"]))
    ET.SubElement(element, "model", type="virtio")
    device.set_name(element, want["name"])
    device.insert(root, element)
    return element


def write_source(element, want):
    """The network, bridge or user-mode stack; a change of type drops what belonged to the old one."""
    kind, source = kind_of(want)
    have = read_one(element)
    if kind is None or (kind, source) == (have["type"], have["source"]):
        return
    element.set("type", kind)
    for tag in ("source", "target", "virtualport", "portForward", "backend"):
        for child in element.findall(tag):
            element.remove(child)
    if source is not None:
        element.append(ET.Element("source", {kind: source}))


def mac_of(vm, name):
    """52:54 is QEMU's locally administered prefix; four bytes of a hash follow."""
    return ":".join(f"{byte:02x}" for byte in b"\x52\x54" + digest(vm, name)[:4])


def purge(root, wanted):
    """Take away every interface that no want speaks of, be it by the MAC address or network of one that has no name yet."""
    kept = [find(root, want) for want in wanted]
    for element in elements(root).values():
        if not any(element is one for one in kept):
            root.find("devices").remove(element)


def check(vm, want, is_new):
    """Refuse what cannot be meant, before anything has moved."""
    where = f"vm {vm}: interface {want['name']}"
    said = [kind for kind in KINDS if want.get(kind)]
    if len(said) > 1:
        raise Refused(f"{where}: is asked to be on {' and on '.join(said)}; say one of them", "invalid_interface")
    if is_new and not said and want["state"] == "present":
        raise Refused(f"{where}: say where it is connected: network, bridge or user: true", "invalid_interface")
    if want.get("model") and not MODEL.match(want["model"]):
        raise Refused(f"{where}: {want['model']!r} is no model of a network card; write for example virtio or e1000e", "invalid_model")
    if want.get("mac") and not (MAC.match(want["mac"].lower()) and not int(want["mac"][:2], 16) & 1):
        raise Refused(f"{where}: {want['mac']} is not a unicast MAC address such as 52:54:00:12:34:56", "invalid_mac")
    if want.get("vlan") and not 0 < want["vlan"] < 4095:
        raise Refused(f"{where}: vlan {want['vlan']} is not between 1 and 4094 (0 takes it away)", "invalid_vlan")
