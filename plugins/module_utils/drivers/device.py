# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices: how they are found, what they carry, and what on this host stands on them."""

from __future__ import annotations

import errno
import glob
import json
import os
import stat

from ..errors import IntakeError, Refused
from ..host import mounts
from ..host.programs import complete, run

BY_UUID = "/dev/disk/by-uuid"
SYSTEM = {"/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/var/lib", "/var/log", "/etc", "/home", "/opt", "/root", "/tmp"}


class Device:
    """One block device by its kernel number ("8:1"), which is the same under every name it has."""

    def __init__(self, number, path, sysfs="/sys"):
        self.number = number
        self.path = path
        self.sysfs = sysfs
        self.folder = os.path.realpath(os.path.join(sysfs, "dev/block", number))

    def __eq__(self, other):
        return isinstance(other, Device) and self.number == other.number

    __hash__ = None

    @property
    def name(self):
        """The kernel's word for it: sda1, dm-0."""
        return os.path.basename(self.folder)

    def fact(self, name):
        """One small file of sysfs, stripped, or an empty text."""
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return ""

    @property
    def size(self):
        """Bytes; sysfs counts sectors of 512 bytes whatever the device has."""
        return int(self.fact("size") or 0) * 512

    def partitions(self):
        """The devices that are parts of this one."""
        return [self.other(os.path.dirname(found)) for found in sorted(glob.glob(os.path.join(self.folder, "*/partition")))]

    def holders(self):
        """The devices that stand on this one: device mapper (LVM, LUKS, multipath), MD RAID, bcache."""
        return [self.other(os.path.realpath(found)) for found in sorted(glob.glob(os.path.join(self.folder, "holders/*")))]

    def other(self, folder):
        """A device found in sysfs."""
        with open(os.path.join(folder, "dev"), encoding="utf-8") as file:
            return Device(file.read().strip(), f"/dev/{os.path.basename(folder)}", self.sysfs)

    def tree(self):
        """The device itself, and everything that is a part of it or stands on it, however high."""
        found, waiting = [], [self]
        while waiting:
            device = waiting.pop(0)
            if device not in found:
                found.append(device)
                waiting += device.partitions() + device.holders()
        return found

    def is_source_of(self, mount):
        """True where a mount is of this device; btrfs shows a number of its own, so its source is looked at."""
        return mount.number == self.number or number_of(mount.source) == self.number

    def kind(self):
        """What a device on top is, for people."""
        words = {"LVM": "LVM volume", "CRYPT": "LUKS or dm-crypt", "mpath": "multipath"}
        prefix = self.fact("dm/uuid").split("-")[0]
        if self.name.startswith("md"):
            return "MD RAID"
        return words.get(prefix, "device mapper") if self.name.startswith("dm-") else "another device"


def find(text):
    """The Device of a path, a link to one, or UUID=<filesystem UUID>. Raises Refused: not found, or no block device."""
    path = by_uuid(text[5:]) if text.startswith("UUID=") else text
    if path is None:
        raise Refused(f"no filesystem with {text} is on this host", "device_not_found")
    if not os.path.isabs(path):
        raise Refused(f"{text} is neither an absolute path nor UUID=<filesystem UUID>", "invalid_device")
    number = number_of(path)
    if number is None:
        missing = not os.path.exists(path)
        why = "does not exist on this host" if missing else "is not a block device"
        raise Refused(f"device {text} {why}", "device_not_found" if missing else "not_a_block_device")
    return Device(number, os.path.realpath(path))


def number_of(path):
    """ "major:minor" of a block device's path, or None for anything else."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISBLK(status.st_mode):
        return None
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def by_uuid(uuid):
    """The path of the filesystem with this UUID, or None. udev's link is checked, since it may be stale without udev."""
    link = os.path.join(BY_UUID, uuid)
    if number_of(link) and filesystem_of(Device(number_of(link), link)).get("uuid") == uuid:
        return os.path.realpath(link)
    if not uuid or any(letter not in "0123456789abcdefABCDEF-" for letter in uuid):
        raise Refused(f"UUID={uuid} is not the UUID of a filesystem", "invalid_device")
    found = complete(["blkid", "-c", "/dev/null", "-t", f"UUID={uuid}", "-o", "device"], accept=(0, 2)).stdout.split()
    if len(found) > 1:
        raise Refused(f"UUID={uuid} is on more than one device ({', '.join(found)}); name the device itself", "ambiguous_device")
    return found[0] if found else None


def signatures(device):
    """What the device carries, one dict of type, usage, label and uuid for each; wipefs sees them all where blkid sees one."""
    told = run(["wipefs", "--no-act", "--json", "--output", "TYPE,USAGE,LABEL,UUID", device.path])
    rows = json.loads(told).get("signatures", []) if told.strip() else []
    found = []
    for row in rows:
        row = {key: row.get(key) or "" for key in ("type", "usage", "label", "uuid")}
        if row not in found:
            found.append(row)
    return found


def filesystem_of(device):
    """The one filesystem on a device, or {}: with anything else beside it, it is not for us to say what counts."""
    found = signatures(device)
    return found[0] if len(found) == 1 and found[0]["usage"] == "filesystem" else {}


def named(signature):
    """One signature in words: "an xfs filesystem (label data, uuid 1234)"."""
    words = {"raid": " member", "crypto": " header", "partition-table": " partition table", "filesystem": " filesystem"}
    details = [f"{key} {signature[key]}" for key in ("label", "uuid") if signature[key]]
    article = "an" if signature["type"][:1] in "aeioux" or signature["type"][:2] in ("LV", "MD") else "a"
    text = f"{article} {signature['type']}{words.get(signature['usage'], ' signature')}"
    return f"{text} ({', '.join(details)})" if details else text


def refuse_used(device, seen=None, swapped=None):
    """Refused, whatever was consented to, where the host uses the device or anything on it."""
    seen = mounts.read() if seen is None else seen
    swapped = [number_of(path) for path in mounts.swaps()] if swapped is None else swapped
    uses = [use for part in device.tree() for use in uses_of(part, device, seen, swapped)]
    for reason in ("system_disk", "device_mounted", "device_held"):
        found = [text for kind, text in uses if kind == reason]
        if found:
            raise Refused(f"device {device.path} {'; '.join(found)}; a device in use is never formatted", reason)


def uses_of(part, device, seen, swapped):
    """(reason, words) for each use of one device of the tree."""
    where = "" if part == device else f"carries {part.path}, which "
    for mount in seen:
        if part.is_source_of(mount):
            if mount.path in SYSTEM:
                yield "system_disk", f"{where}is the host's own system: it is mounted on {mount.path}"
            else:
                yield "device_mounted", f"{where}is mounted on {mount.path}"
    if part.number in swapped:
        yield "system_disk", f"{where}is the host's own system: it is swap space in use"
    for holder in part.holders():
        yield "device_held", f"{where}is held by {holder.path} ({holder.kind()})"


def refuse_busy(device):
    """Refused where the kernel gives no exclusive access: mounted in another namespace, or claimed by a driver."""
    try:
        os.close(os.open(device.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Refused(f"device {device.path} is in use by the kernel or another program; it is never formatted", "device_busy") from error
        raise IntakeError(f"device {device.path} cannot be opened: {error.strerror}", "device_unreadable") from error
