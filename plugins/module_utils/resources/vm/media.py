# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files behind the disks of virtual machines: found, or planned as volumes in the same call."""

from __future__ import annotations

import contextlib
import os

from ...errors import IntakeError, NotFound, Refused
from ...host import silence
from ..volume.volumes import Volumes
from . import disks

MADE_FROM = ("size", "image")


class Media:
    """Resolves every wanted disk of a call to a path and a format. One bulk read of all volumes that are named."""

    def __init__(self, hypervisor, options):
        self.hypervisor = hypervisor
        self.volumes = Volumes(hypervisor, options)
        self.known = {}
        self.writers = {}  # {real path: machine} of the disks that were planned in this call

    def keys(self, wants):
        """Lock keys of what a call may read (storages, images) and of the volumes it may touch, as far as the task names them."""
        named, images = set(), set()
        only = sorted(self.hypervisor.storage_paths())
        for want in wants:
            images |= {(disk.get("image_storage") or disk.get("storage"), disk["image"]) for disk in want.get("disks") or () if disk.get("image")}
            files = [(disk.get("storage"), volume_name(want["name"], disk)) for disk in want.get("disks") or ()]
            if want.get("cloud_init"):
                files += [(storage, f"{want['name']}-seed.iso") for storage in {want["cloud_init"].get("storage")} | {one for one, _name in files}]
            named |= {(storage or (only[0] if len(only) == 1 else None), name) for storage, name in files}
        known = sorted((storage, name) for storage, name in named if storage)
        read = [f"storage/{storage}" for storage, _name in known] + [f"volume/{storage}/{name}" for storage, name in images if storage]
        return read, [f"volume/{storage}/{name}" for storage, name in known]

    def read(self, wants, roots):
        """Look at the volumes of all wanted disks. `roots`: the persistent XML of each VM, or None.

        What cannot be looked at is the refusal of the machine that asks for it, raised by `resolve`.
        """
        self.known = {}
        for want, root in zip(wants, roots):
            for disk in want.get("disks") or ():
                with contextlib.suppress(IntakeError):
                    place = self.location(want["name"], disk, root)
                    if place and place not in self.known:
                        self.known[place] = self.look(volume_want(place, disk))

    def look(self, wanted):
        """The volume that is there, None, or the error that came of looking."""
        try:
            return self.volumes.read([wanted])[0]
        except IntakeError as error:
            return error

    def location(self, vm, disk, root):
        """(storage, volume name) of a wanted disk, or None where the task names no file."""
        if disk["state"] == "absent":
            return None
        if disk.get("device") == "cdrom":
            medium = disk.get("volume") or disk.get("image")
            return (self.storage_of(vm, disk), medium) if medium else None
        current = root is not None and disks.find(root, disk["name"], None)
        if current is not None and current is not False and not disk.get("volume"):
            return self.place_of_file(disks.read_one(current)["path"]) if disk.get("size") else None
        return self.storage_of(vm, disk), volume_name(vm, disk)

    def storage_of(self, vm, disk):
        """The storage of a disk; it must be said, unless there is only one."""
        if disk.get("storage"):
            return disk["storage"]
        there = sorted(self.hypervisor.storage_paths())
        if len(there) == 1:
            return there[0]
        names = ", ".join(there) or "none"
        raise Refused(f"vm {vm}: disk {disk['name']}: say its storage (active are: {names})", "storage_missing")

    def place_of_file(self, path):
        """(storage, volume name) of a file that a disk already uses, or None outside every storage."""
        folder, name = os.path.split(path or "")
        for storage, root in self.hypervisor.storage_paths().items():
            if folder and silence.real(folder) == silence.real(root):
                return storage, name
        return None

    def resolve(self, vm, disk, root):
        """The disk with `path` and `format` said, and the steps that make or grow its volume."""
        place = self.location(vm, disk, root)
        if place is None:
            return {**disk, "path": "" if ejected(disk) else None}, []
        where = f"vm {vm}: disk {disk['name']}"
        with said_of(where):
            have = self.seen(place)
        if have is None and not any(disk.get(key) for key in MADE_FROM) or have is None and disk.get("device") == "cdrom":
            raise NotFound(
                f"{where}: storage {place[0]} has no volume {place[1]}, and the task does not say how to make it (size or image)",
                "volume_not_found",
            )
        path = os.path.join(self.hypervisor.storage_path(place[0]), place[1])
        self.refuse_foreign(vm, disk, root, path)
        self.refuse_second(vm, disk, path)
        with said_of(where):
            steps = [] if disk.get("device") == "cdrom" else self.volumes.plan(have, volume_want(place, disk, have)).steps
        for step in steps:
            fields = {f"disks.{disk['name']}.volume.{key}": values for key, values in step.changes().items()}
            step.name, step.fields = f"disks.{disk['name']}.{step.name}", fields
        return {**disk, "path": path, "format": file_format(have, disk)}, steps

    def seen(self, place):
        """What was looked at, or the error of it."""
        have = self.known.get(place)
        if isinstance(have, IntakeError):
            raise have
        return have

    def refuse_foreign(self, vm, disk, root, path):
        """A disk is written by one VM only, unless all say that it is shareable or nobody writes."""
        mine = root is not None and any(disks.same_file(one["path"], path) for one in disks.read(root).values() if one["path"])
        if mine or disk.get("device") == "cdrom" or disk.get("shareable") or disk.get("read_only"):
            return
        users = [name for name in self.hypervisor.file_users().get(silence.real(path), ()) if name != vm]
        if users:
            raise Refused(
                f"vm {vm}: disk {disk['name']}: {path} is used by vm {', '.join(users)}; "
                "two VMs writing one disk destroy it (shareable: true consents, for cluster filesystems)",
                "volume_in_use",
            )

    def refuse_second(self, vm, disk, path):
        """The same for two machines of one call, neither of which uses the file yet."""
        if disk.get("device") == "cdrom" or disk.get("shareable") or disk.get("read_only"):
            return
        writer = self.writers.setdefault(silence.real(path), vm)
        if writer != vm:
            raise Refused(
                f"vm {vm}: disk {disk['name']}: {path} is asked for by vm {writer} as well; "
                "two VMs writing one disk destroy it (shareable: true consents, for cluster filesystems)",
                "volume_in_use",
            )


@contextlib.contextmanager
def said_of(where):
    """What is refused about a volume, told of the disk that asks for it."""
    try:
        yield
    except IntakeError as error:
        raise Refused(f"{where}: {error}", error.reason) from error


def volume_name(vm, disk):
    """The volume of a disk, named by the task or after the machine and the disk."""
    return disk.get("volume") or f"{vm}-{disk['name']}.{disk.get('format') or 'qcow2'}"


def volume_want(place, disk, have=None):
    """A disk's options as a wanted volume; one that exists is not converted by the machine that uses it."""
    want = dict.fromkeys(Volumes.spec)
    said = {key: disk.get(key) for key in ("size", "image", "image_storage")}
    said["format"] = None if have else disk.get("format") or "qcow2"
    if disk.get("image"):
        said["clone"] = disk.get("clone") or "auto"
    defaults = {key: option.get("default") for key, option in Volumes.spec.items()}
    said = {key: value for key, value in said.items() if value is not None}
    return {**want, **defaults, **said, "state": "present", "storage": place[0], "name": place[1]}


def ejected(disk):
    """True where a task asks for an empty drive: a medium said as an empty text."""
    return disk.get("device") == "cdrom" and "" in (disk.get("volume"), disk.get("image"))


def file_format(have, disk):
    """The format QEMU must be told."""
    if disk.get("device") == "cdrom":
        return "raw"
    known = have["format"] if have else disk.get("format") or "qcow2"
    return "raw" if known == "iso" else known
