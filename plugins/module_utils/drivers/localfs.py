# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages on this host: an existing directory, or a block device with a filesystem of its own.

A pool of a device names it by filesystem UUID, so the next boot mounts the right one whatever the kernel calls it then.
libvirt mounts it: at boot through autostart, and virsh sees and does the same.
"""

from __future__ import annotations

import os

from ..errors import IntakeError, Refused
from ..flow.converge import DESTRUCTIVE, LIVE, Step
from ..host import mounts
from ..host.programs import run
from . import device as devices
from . import directory, filesystem, pool, uuidlink
from .claim import check_options, judge

LIBVIRT_OPTIONS = ["nodev", "nosuid", "noexec"]  # what libvirt itself gives to mount(8) for every filesystem pool


class LocalFS:
    """The driver `localfs`."""

    kind = "localfs"
    pools = ("dir", "fs")
    changeable = ("mount_options",)
    needs_new_mount = False  # the kernel gives a mounted filesystem other options

    def owns(self, root):
        """True for pools of directories and of filesystems on devices."""
        return root.get("type") in self.pools

    def words(self, root):
        """What a pool's XML says of this kind's options."""
        return pool.words_of(root)

    def has_mount(self, have):
        """True where a storage is a filesystem of its own."""
        return bool(have["device"])

    def mount(self, have):
        """The Mount of an active storage, None for a directory and where nothing is mounted."""
        return mounts.at(have["path"]) if have["device"] else None

    def fs(self, have):
        """The filesystem of a storage with a device; a pool that leaves it to mount(8) is looked at."""
        if have["fs"] or not have["device"]:
            return have["fs"]
        mount = self.mount(have)
        try:
            return mount.fs if mount else devices.filesystem_of(uuidlink.own_device(have)).get("type")
        except IntakeError:
            return None

    def fault(self, have):
        """What is wrong with an active storage, in words, or None."""
        if not have["device"]:
            return None
        mount = self.mount(have)
        if not mount:
            return f"is active, but nothing is mounted on {have['path']}"
        if not uuidlink.is_own(have, mount):
            return f"is active, but {mount.source} is mounted on {have['path']}, not {have['device']}"
        if "ro" in mount.options and "ro" not in have["mount_options"]:
            return f"{mount.source} is mounted read-only; the kernel does that after errors, see dmesg"
        return None

    def is_lost(self, have):
        """True where an active storage was unmounted, or its directory taken away, below libvirt."""
        return not (self.mount(have) if have["device"] else os.path.isdir(have["path"]))

    def open_to_guests(self, have):
        """A new filesystem's root is as passable as a directory of ours: for QEMU's user, without listing."""
        os.chmod(have["path"], directory.MODE)

    def refuse_change(self, have, want):
        """Refused for what would make it another storage."""
        refuse_network(want)
        path = want.get("path")
        if path and os.path.realpath(path) != os.path.realpath(have["path"]):
            raise Refused(f"is in {have['path']}, asked for {path}; a storage does not move: make a new one for it", "path_change")
        if want.get("device"):
            self.refuse_other_device(have, want["device"])
        fs = want.get("fs") and self.fs(have)
        if want.get("fs") and want["fs"] != fs:
            raise Refused(f"has {fs or 'no filesystem of its own'}, asked for {want['fs']}; make a new storage for it", "fs_change")
        if want.get("mount_options") is not None:
            check_options(want["mount_options"], have["device"])

    def refuse_other_device(self, have, asked):
        """Refused where the device asked for is not the one the storage is on."""
        if asked == have["device"]:
            return
        wanted, own = devices.find(asked), have["device"] and uuidlink.own_device(have)
        if not own or own != wanted:
            there = f"is on {have['device']}" if have["device"] else "is a directory without a device"
            raise Refused(f"{there}, asked for {asked}; a storage does not move: make a new one for it", "device_change")

    def blueprint(self, want):
        """Where a new storage is to be, checked: {path, device (Device or None), attach, carried, fs}."""
        refuse_network(want)
        path, asked = want.get("path"), want.get("device")
        if not path and not asked:
            raise Refused("does not exist; say its path, its device or both to make it", "path_missing")
        path = directory.check_path(path or os.path.join(directory.DEFAULT_ROOT, want["name"]))
        check_options(want.get("mount_options") or [], asked)
        if not asked:
            if want.get("fs"):
                raise Refused(f"fs {want['fs']} needs a device; {path} is a directory", "device_missing")
            return {"path": path, "device": None, "attach": False, "carried": [], "fs": None}
        device = devices.find(asked)
        directory.refuse_unusable(path, device)
        return {"path": path, "device": device, **judge(device, want, path)}

    def preparations(self, name, plan):
        """The steps before the pool of a new storage can be defined."""
        steps = []
        device, carried = plan["device"], plan["carried"]
        if device and not plan["attach"]:
            before = " and ".join(devices.named(one) for one in carried) or None
            steps.append(
                Step(
                    "format",
                    "device",
                    lambda: filesystem.make(device, plan["fs"], name, bool(carried)),
                    DESTRUCTIVE if carried else LIVE,
                    before,
                    f"{plan['fs']} filesystem on {device.path}",
                )
            )
        if not os.path.isdir(plan["path"]):
            steps.append(Step("create", "path", lambda: directory.make(plan["path"]), before=None, after=plan["path"]))
        return steps

    def document(self, name, plan, mount_options):
        """The pool's XML; the device is formatted by now, so its filesystem's UUID can be read."""
        source = None
        if plan["device"]:
            uuid = devices.filesystem_of(plan["device"]).get("uuid")
            if not uuid:
                raise IntakeError(f"device {plan['device'].path} has no filesystem with a UUID", "device_unreadable")
            source = uuidlink.ensure(uuid, plan["device"])
        return pool.document(name, plan["path"], source, plan["fs"], mount_options)

    def refuse_start(self, have):
        """Refused where starting would fail or hide files; asked while planning."""
        if have["device"]:
            directory.refuse_unusable(have["path"], uuidlink.own_device(have))
        elif not os.path.isdir(have["path"]):
            raise Refused(f"its directory {have['path']} does not exist; mount or make it first", "path_missing")

    def start(self, have, start_pool, stop_pool):
        """Start the pool and see to it that what is there now is the storage's own; else stop it again and fail."""
        if not have["device"]:
            start_pool()
            return
        own = uuidlink.own_device(have)
        uuid = uuidlink.uuid_of(have["device"])
        if uuid:
            uuidlink.ensure(uuid, own)
        if not os.path.isdir(have["path"]):
            directory.make(have["path"])
        start_pool()
        fault = self.fault(have)
        if fault and "read-only" not in fault:
            stop_pool()
            raise IntakeError(fault, "mount_failed")

    def change(self, have, changes):
        """Give other options to a mounted filesystem; the kernel's refusal is the error, and nothing has changed then."""
        mount = self.mount(have)
        if mount:
            options = ",".join(["remount"] + LIBVIRT_OPTIONS + changes["mount_options"])
            run(["mount", "-o", options, mount.source, have["path"]])

    def stop(self, have, stop_pool):
        """libvirt unmounts."""
        stop_pool()

    def forget(self, have):
        """After removal: a link in /dev that we made goes as well."""
        uuid = have["device"] and uuidlink.uuid_of(have["device"])
        if uuid:
            uuidlink.remove(uuid)


def refuse_network(want):
    """Refused for options of a server: a directory or device of this host has none."""
    for key in ("server", "export", "version"):
        if want.get(key):
            raise Refused(f"{key} is for storages of type nfs, not for {LocalFS.kind}", "invalid_options")
