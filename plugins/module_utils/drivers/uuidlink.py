# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/dev/disk/by-uuid/<UUID>: udev keeps these links; on a host without udev we do.

A pool that names a device so can never mount another one: where the link is missing, it fails.
"""

from __future__ import annotations

import os

from ..host.programs import complete
from ..host.programs import find as find_program
from .device import BY_UUID, Device, filesystem_of, find, number_of

UDEV = "/run/udev/control"  # there while udevd runs
PATIENCE = 10  # seconds for udev to see a new filesystem


def uuid_of(path):
    """The filesystem UUID in the name of such a link, or None for other paths."""
    return os.path.basename(path) if os.path.dirname(path) == BY_UUID else None


def ensure(uuid, device):
    """The path of the link, leading to the device. udev is asked first and gets some time."""
    link = os.path.join(BY_UUID, uuid)
    if number_of(link) != device.number and os.path.exists(UDEV) and find_program("udevadm"):
        complete(["udevadm", "trigger", "--action=change", f"--name-match={device.path}"], accept=range(256))
        complete(["udevadm", "settle", f"--timeout={PATIENCE}"], timeout=PATIENCE + 5, accept=range(256))
    if number_of(link) != device.number:
        os.makedirs(BY_UUID, exist_ok=True)
        partial = f"{link}.{os.getpid()}"
        os.symlink(device.path, partial)
        os.replace(partial, link)
    return link


def remove(uuid):
    """Take away a link where no udev does; it may lead nowhere."""
    link = os.path.join(BY_UUID, uuid)
    if os.path.islink(link) and not os.path.exists(UDEV):
        os.unlink(link)


def own_device(have):
    """The Device of an existing storage, from its mount or its name. Raises Refused where it is gone."""
    uuid = uuid_of(have["device"])
    return find(f"UUID={uuid}" if uuid else have["device"])


def is_own(have, mount):
    """True where a mount is of the storage's device."""
    uuid = uuid_of(have["device"])
    number = number_of(have["device"])
    if number and number in (mount.number, number_of(mount.source)):
        return True
    found = number_of(mount.source)
    return bool(uuid and found) and filesystem_of(Device(found, mount.source)).get("uuid") == uuid
