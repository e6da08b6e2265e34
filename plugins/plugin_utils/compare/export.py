# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is, said as the options of the module that keeps it: applied, they change nothing."""

from __future__ import annotations

import os

from ...module_utils.drivers import DRIVERS
from ...module_utils.errors import Refused
from ...module_utils.resources.image import images
from ...module_utils.resources.storage import storages as storage
from ...module_utils.resources.vm import spec as vm
from ...module_utils.resources.volume import volumes
from ...module_utils.units import parse_size

UNITS = ("TiB", "GiB", "MiB", "KiB")
SIZES = ("size", "memory", "maximum_memory", "bandwidth", "read_bandwidth", "write_bandwidth")
KEPT = {  # options that say how a thing is, and not what to do with it
    "storage": (storage.SPEC, ("name", "type", "path", "fs", "server", "export", "version", "mount_options", "autostart", "description", "labels")),
    "volume": (volumes.SPEC, ("name", "storage", "size", "format", "description", "read_only", "labels")),
    "image": (images.SPEC, ("name", "storage", "format", "description", "labels")),
    "vm": (vm.SPEC, [key for key in vm.SPEC if key not in vm.ORDERS or key in ("name", "state")]),
}
LEFT_OUT = ("state", "size", "format", "path", "remove")  # of a disk: its volume has them


def options(kind, found, storages=()):
    """One resource as an info module lists it, as a dict of options; `storages`, likewise, name the volumes of disks."""
    if kind not in KEPT:
        raise Refused(f"{kind} is not a kind of resource; there are {', '.join(KEPT)}", "unknown_kind")
    spec, keys = KEPT[kind]
    said = chosen(spec, {key: found.get(key) for key in keys})
    if kind == "storage" and found.get("device"):
        said["device"] = found["device"]
    if kind == "vm":
        paths = {one["path"]: one["name"] for one in storages}
        said["disks"] = [disk(name, one, paths) for name, one in (found.get("disks") or {}).items()]
        said["interfaces"] = [interface(name, one) for name, one in (found.get("interfaces") or {}).items()]
        said["graphics"] = graphics(found.get("graphics"))
    return {key: value for key, value in said.items() if value not in ([], {})}


def is_kept(kind, found):
    """False for a libvirt pool of a type that no module keeps."""
    return kind != "storage" or found["type"] in DRIVERS


def chosen(spec, found):
    """The values that an option can say: what is not there, and what is none of its choices, is left out."""
    said = {key: value for key, value in found.items() if key in spec and value is not None and value in spec[key].get("choices", (value,))}
    return {key: sized(value) if key in SIZES else value for key, value in said.items()}


def sized(number):
    """Bytes as people write them, where that is exact."""
    return next((f"{number // parse_size(f'1{unit}')}{unit}" for unit in UNITS if number and number % parse_size(f"1{unit}") == 0), str(number))


def disk(name, found, paths):
    """A disk, with its volume where that is in a known storage; one elsewhere is found by its name."""
    said = chosen(vm.DISK, {"name": name, **{key: value for key, value in found.items() if key not in LEFT_OUT}})
    folder = os.path.dirname(found.get("path") or "")
    place = {"storage": paths[folder], "volume": os.path.basename(found["path"])} if folder in paths else {}
    return {**said, **place}


def interface(name, found):
    """An interface on its network, bridge or the user's own net; what else it is on is left as it is."""
    said = chosen(vm.INTERFACE, {"name": name, **found})
    kind = found.get("type")
    return {**said, **({"user": True} if kind == "user" else {kind: found["source"]} if kind in ("network", "bridge") and found.get("source") else {})}


def graphics(found):
    """The screen without its password; none is said too."""
    return chosen({key: option for key, option in vm.GRAPHICS.items() if key != "password"}, found) if found else {"type": "none"}
