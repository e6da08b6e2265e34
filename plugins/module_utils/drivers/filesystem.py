# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filesystems a storage may have, and how one is made so that a killed run is recognised.

A new filesystem is labelled as unfinished first and gets its own label last. Both are made of the storage's name:
so the next run knows a filesystem that was made for this very storage, and never formats it again.
"""

from __future__ import annotations

import hashlib

from ..errors import Refused
from ..host.programs import find, run
from ..units import about
from .device import Device, refuse_busy, refuse_used, signatures

MIB = 2**20
PATIENCE = 600  # seconds for a mkfs: it discards the whole device first


class Kind:
    """One kind of filesystem: its programs as argument lists with {label} and {device}, and its smallest device."""

    def __init__(self, make, relabel, smallest):
        self.make = make
        self.relabel = relabel
        self.smallest = smallest


# Smallest sizes: xfsprogs 5.19 and newer refuse below 300 MiB, btrfs below 109 MiB. No reserved blocks on ext4: QEMU is not root.
KINDS = {
    "xfs": Kind(["mkfs.xfs", "-q", "-L", "{label}", "{device}"], ["xfs_admin", "-L", "{label}", "{device}"], 300 * MIB),
    "ext4": Kind(
        ["mkfs.ext4", "-q", "-m", "0", "-L", "{label}", "{device}"], ["tune2fs", "-L", "{label}", "{device}"], 16 * MIB
    ),
    "btrfs": Kind(
        ["mkfs.btrfs", "-q", "-L", "{label}", "{device}"], ["btrfs", "filesystem", "label", "{device}", "{label}"], 110 * MIB
    ),
}
DEFAULT = "xfs"


def label_of(name):
    """The label of a storage's own filesystem; 12 letters, the most that XFS takes."""
    return f"intk-{digest(name)}"


def unfinished_label_of(name):
    """The label while it is being made: such a filesystem never held anything."""
    return f"intu-{digest(name)}"


def digest(name):
    """A storage's name in 7 letters."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:7]


def refuse_unfit(device, fs):
    """Refused where the device cannot take the filesystem, before anything on it is lost."""
    kind = KINDS[fs]
    missing = next((argv[0] for argv in (kind.make, kind.relabel) if not find(argv[0])), None)
    if missing:
        raise Refused(f"the program {missing} is not installed on this host; it is needed for fs {fs}", "program_missing")
    if device.fact("ro") == "1":
        raise Refused(f"device {device.path} is read-only", "device_read_only")
    if device.size < kind.smallest:
        raise Refused(
            f"device {device.path} has {about(device.size)}; {fs} needs at least {about(kind.smallest)}", "device_too_small"
        )


def make(device: Device, fs, name, wipe):
    """Put a new filesystem on a device; `wipe` says that its signatures may be lost.

    The guards are asked once more right before: what was free when it was planned may be in use now.
    Without `wipe` no program is told to overwrite, and a signature that came meanwhile is refused.
    """
    refuse_used(device)
    refuse_busy(device)
    if wipe:
        run(["wipefs", "--all", "--quiet", device.path])
    elif signatures(device):
        raise Refused(f"device {device.path} carries data that was not there before", "signature_found")
    run(filled(KINDS[fs].make, unfinished_label_of(name), device), PATIENCE)
    run(filled(KINDS[fs].relabel, label_of(name), device))


def filled(argv, label, device):
    """An argument list with its places taken."""
    return [word.format(label=label, device=device.path) for word in argv]
