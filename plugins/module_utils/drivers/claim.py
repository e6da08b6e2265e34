# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may become of a device that is asked for: attached as it is, formatted, or left alone; and what may be mounted how."""

from __future__ import annotations

import os

from ..errors import Refused
from ..host import mounts
from . import device as devices
from . import filesystem

FOREIGN = {"remount", "bind", "rbind", "move", "loop"}


def judge(device, want, path):
    """Whether a device is attached as it is or formatted; Refused where neither is safe or asked for."""
    devices.refuse_used(device, [mount for mount in mounts.read() if mount.path != os.path.realpath(path)])
    carried = devices.signatures(device)
    found = carried[0] if len(carried) == 1 and carried[0]["usage"] == "filesystem" else {}
    own = found.get("label") == filesystem.label_of(want["name"])
    attach = own or want["device"].startswith("UUID=")
    if attach:
        return {"attach": True, "carried": carried, "fs": attachable(found, device, want)}
    devices.refuse_used(device)
    devices.refuse_busy(device)
    unfinished = found.get("label") == filesystem.unfinished_label_of(want["name"])
    if carried and not unfinished and not want.get("overwrite"):
        raise Refused(
            f"device {device.path} carries {' and '.join(devices.named(one) for one in carried)}; "
            f"overwrite: true formats it and its content is lost{way_to_keep(found)}",
            "signature_found",
        )
    fs = want.get("fs") or filesystem.DEFAULT
    filesystem.refuse_unfit(device, fs)
    return {"attach": False, "carried": carried, "fs": fs}


def attachable(found, device, want):
    """The kind of an existing filesystem that becomes a storage as it is."""
    fs = found.get("type")
    if fs not in filesystem.KINDS:
        raise Refused(
            f"device {device.path} carries {devices.named(found) if found else 'more than one signature'}; "
            f"a storage can be {', '.join(filesystem.KINDS)}",
            "unsupported_filesystem",
        )
    if want.get("fs") and want["fs"] != fs:
        raise Refused(f"device {device.path} carries {devices.named(found)}, asked for {want['fs']}; it is not formatted again", "fs_change")
    return fs


def way_to_keep(found):
    """How an existing filesystem is attached instead, for those that can be."""
    fits = found.get("type") in filesystem.KINDS and found.get("uuid")
    return f", device: UUID={found['uuid']} attaches it as it is" if fits else ""


def check_options(mount_options, device):
    """Refused for options that are no options of a filesystem, or that a directory cannot have."""
    if mount_options and not device:
        raise Refused("mount_options need a device; a directory is mounted by others", "device_missing")
    for option in mount_options:
        if option.split("=")[0] in FOREIGN or not mounts.is_option(option):
            raise Refused(f"mount_options: {option!r} is not an option of a filesystem (one option each, no commas)", "invalid_option")
