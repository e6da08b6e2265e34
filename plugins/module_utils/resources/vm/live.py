# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a running domain: which fields libvirt can change at once, and how. The rest waits for the next boot."""

from __future__ import annotations

import functools
import time

from ... import lens
from ...errors import IntakeError
from ...flow.converge import DESTRUCTIVE, LIVE, Step
from ...host.hypervisor import libvirt
from . import definition, description, disks, interfaces

PLUGGABLE = ("virtio", "scsi", "usb")
UNPLUG_SECONDS = 20
TUNE = {"iops": "total_iops_sec", "read_iops": "read_iops_sec", "write_iops": "write_iops_sec"}
TUNE.update({"bandwidth": "total_bytes_sec", "read_bandwidth": "read_bytes_sec", "write_bandwidth": "write_bytes_sec"})


class Live:
    """Plans the changes of one running domain from its live XML to what its definition will be.

    `draft` is the root of the new definition, `running` that of the live XML with its devices named alike.
    """

    def __init__(self, domain, running, draft, defined):
        self.domain, self.running, self.draft = domain, running, draft
        self.have, self.want = description.read(running), description.read(draft)
        if defined["memory"] <= self.have["maximum_memory"]:
            self.have["memory"] = defined["memory"]  # the running XML says where the balloon is, not where it was told to go
        self.steps, self.pending = [], []
        self.ports = free_ports(running)
        self.targets = {disk["target"] for disk in self.have["disks"].values()}

    def plan(self):
        """Steps that take effect now, and the fields that cannot."""
        waiting = {}
        found = description.differences(self.have, self.want).items()
        for field, values in sorted(found, key=lambda one: one[1][1] is not None):  # what goes makes room for what comes
            if self.equal(field, values):
                continue
            step = self.step(field, *values)
            if step:
                self.steps.append(step)
            else:
                waiting[field] = values
        self.pending = as_list(waiting)
        return self

    def differences(self):
        """All that differs between the running machine and its definition, whether or not it could be changed now."""
        found = description.differences(self.have, self.want).items()
        return as_list({field: values for field, values in found if not self.equal(field, values)})

    def equal(self, field, values):
        """libvirt writes some values out when a domain starts: host-model becomes the model it found."""
        if field.startswith("disks.") and field.endswith(".format"):
            return self.want["disks"][field[6:-7]]["device"] == "cdrom"  # comes with the medium
        if field.startswith("disks.") and field.endswith(".cache"):
            return values == ("none", None) and self.want["disks"][field[6:-6]]["shareable"]  # libvirt's choice for these
        return field in ("cpu_mode", "cpu_model") and self.want["cpu_mode"] == "host-model" and self.have["cpu_mode"] == "custom"

    def step(self, field, before, after):
        """The step that changes one field now, or None."""
        kind, _dot, rest = field.partition(".")
        planner = {"disks": self.disk, "interfaces": self.interface}.get(kind)
        apply = planner(rest, before, after) if planner else self.scalar(field, before, after)
        if not apply:
            return None
        whole = planner and "." not in rest
        verb = "attach" if whole and before is None else "detach" if whole and after is None else "set"
        shown = description.shown({field: (before, after)})[field]
        return Step(f"{verb} live", field, apply, DESTRUCTIVE if verb == "detach" else LIVE, *shown)

    def scalar(self, field, before, after):
        """Fields of the machine itself."""
        domain = self.domain
        if field == "memory" and after <= self.have["maximum_memory"]:
            return lambda: domain.setMemoryFlags(after // 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if field == "cpus" and before < after <= self.have["maximum_cpus"]:  # few guests and CPU models can unplug
            return lambda: domain.setVcpusFlags(after, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if field == "description":
            return lambda: set_metadata(domain, libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, after or None)
        if field == "labels":
            return lambda: set_labels(domain, after)
        if field == "graphics.password" and after and self.have["graphics"]["type"] == self.want["graphics"]["type"]:
            return lambda: self.update(self.running.find("devices/graphics"), self.draft.find("devices/graphics"), take_password)
        return None

    def disk(self, rest, before, after):
        """Plug and unplug, media, limits."""
        name, _dot, key = rest.partition(".")
        if not key:
            ready = self.pluggable(before or after) and (before or self.has_place(after))
            if ready and before:
                self.targets.discard(before["target"])
            return self.plug(disks, name, before, after) if ready else None
        if key in TUNE:
            return lambda: self.tune(name)
        if key == "path" and self.want["disks"][name]["device"] == "cdrom":
            return lambda: self.update(disks.elements(self.running)[name], disks.elements(self.draft)[name], take_medium)
        return None

    def pluggable(self, disk):
        """True for buses whose devices come and go; SCSI needs its controller to be there already."""
        bus = disk["bus"]
        ready = bus != "scsi" or self.running.find("devices/controller[@type='scsi']") is not None
        return disk["device"] == "disk" and bus in PLUGGABLE and ready

    def has_place(self, disk):
        """A target that no disk bears which waits for the next boot, and for virtio a port."""
        return disk["target"] not in self.targets and (disk["bus"] != "virtio" or self.has_port())

    def has_port(self):
        """Take one of the free ports; PCI Express gets no more of them while a machine runs."""
        self.ports -= 1
        return self.ports >= 0

    def interface(self, rest, before, after):
        """Plug and unplug, the link, and what it is connected to."""
        name, _dot, key = rest.partition(".")
        if not key:
            return self.plug(interfaces, name, before, after) if before or self.has_port() else None
        if key in ("link", "source", "vlan") and self.have["interfaces"][name]["type"] == self.want["interfaces"][name]["type"]:
            take = functools.partial(take_child, tag=key)
            return lambda: self.update(interfaces.elements(self.running)[name], interfaces.elements(self.draft)[name], take)
        return None

    def plug(self, room, name, before, after):
        """Attach or detach one device."""
        if before is None:
            element = room.elements(self.draft)[name]
            return lambda: self.domain.attachDeviceFlags(without(element, "address"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        element = room.elements(self.running)[name]
        return lambda: self.unplug(room, name, element)

    def unplug(self, room, name, element):
        """Ask the guest to give a device back and wait until it has."""
        self.domain.detachDeviceFlags(without(element, "alias"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        deadline = time.monotonic() + UNPLUG_SECONDS
        identity = target_of(element)
        while identity in [target_of(one) for one in room.elements(lens.parse(self.domain.XMLDesc(0))).values()]:
            if time.monotonic() > deadline:
                raise IntakeError(
                    f"vm {self.domain.name()}: the guest did not release {element.tag} {name} within {UNPLUG_SECONDS} s; "
                    "it is gone from the definition and will be gone after the next boot",
                    "unplug_timeout",
                )
            time.sleep(0.2)

    def update(self, running, wanted, take):
        """Change a device in place: as it is on the running domain, but for the one thing taken from the definition."""
        take(running, wanted)
        flags = libvirt.VIR_DOMAIN_AFFECT_LIVE | (libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE if running.tag == "disk" else 0)
        self.domain.updateDeviceFlags(without(running, "alias"), flags)

    def tune(self, name):
        """All limits of one disk at once; libvirt refuses a total beside a single one, so zeros are said too."""
        want = self.want["disks"][name]
        limits = {libvirt_key: want[key] or 0 for key, libvirt_key in TUNE.items()}
        self.domain.setBlockIoTune(self.have["disks"][name]["target"], limits, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def as_list(fields):
    """Differences as a playbook sees them, without secrets."""
    return [{"name": field, "have": values[0], "want": values[1]} for field, values in description.shown(fields).items()]


def target_of(element):
    """What identifies a device on a running domain: a disk's target, an interface's MAC address."""
    path, attribute = {"disk": ("target", "dev"), "interface": ("mac", "address")}[element.tag]
    return element.find(path).get(attribute)


def without(element, tag):
    """A device as text without its address, which the running domain may have given to another, or without its name."""
    copy = lens.parse(lens.dump(element))
    for child in copy.findall(tag):
        copy.remove(child)
    return lens.dump(copy)


def take_child(running, wanted, tag):
    """One part of a device as the definition has it; an interface without a link is plugged in."""
    for child in running.findall(tag):
        running.remove(child)
    running.extend(wanted.findall(tag))
    if tag == "link" and running.find("link") is None:
        lens.ensure(running, "link").set("state", "up")


def take_medium(running, wanted):
    """What is in the drive."""
    for child in running.findall("backingStore"):
        running.remove(child)
    take_child(running, wanted, "source")


def take_password(running, wanted):
    """The password of a screen."""
    running.set("passwd", wanted.get("passwd"))


def free_ports(running):
    """How many PCI Express ports of a running machine have nothing plugged in; plain PCI has slots enough."""
    controllers = running.findall("devices/controller[@type='pci']")
    if not any(one.get("model") == "pcie-root" for one in controllers):
        return 32
    ports = {int(one.get("index")) for one in controllers if one.get("model") in ("pcie-root-port", "pcie-switch-downstream-port")}
    used = {int(one.get("bus"), 16) for one in running.iter("address") if one.get("type") == "pci"}
    return len(ports - used)


def set_metadata(domain, kind, text):
    """Change the description of the running domain."""
    domain.setMetadata(kind, text, None, None, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def set_labels(domain, labels):
    """Change our labels on the running domain."""
    element = lens.dump(definition.metadata_element(labels)) if labels else None
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    domain.setMetadata(kind, element, "intake", definition.NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_LIVE)
