# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines, with their disks and interfaces."""

from __future__ import annotations

import os

from ...module_utils.resources.vm import spec
from ...module_utils.resources.vm.vms import Vms
from .columns import BYTES, FLAG, HOST, INTEGER, LIST, MAC, STATES, STORAGE, TEXT, UUID, Relation, columns
from .kind import Kind, chosen
from .machines import write, write_addresses

ROWS = "SELECT 'vm', NULL, name, asked, recorded, recorded_at FROM vms WHERE host_id = %s"
VM = (TEXT, "vms.name")
DEVICE_HOST = "JOIN vms ON vms.id = vm_id JOIN hosts ON hosts.id = vms.host_id"
STORAGES = "ARRAY(SELECT DISTINCT storages.name FROM disks JOIN storages ON storages.id = storage_id WHERE vm_id = vms.id ORDER BY 1)"
LEFT_OUT = ("state", "size", "format", "path", "remove")  # of a disk: its volume has them


def options(said, found, storages):
    """Devices as lists; `storages` name the volumes of disks."""
    paths = {one["path"]: one["name"] for one in storages}
    return {
        **said,
        "disks": [disk(name, one, paths) for name, one in (found.get("disks") or {}).items()],
        "interfaces": [interface(name, one) for name, one in (found.get("interfaces") or {}).items()],
        "graphics": graphics(found.get("graphics")),
    }


def disk(name, found, paths):
    """A disk, with its volume where that is in a known storage; one elsewhere is found by its name."""
    said = chosen(spec.DISK, {"name": name, **{key: value for key, value in found.items() if key not in LEFT_OUT}})
    folder = os.path.dirname(found.get("path") or "")
    place = {"storage": paths[folder], "volume": os.path.basename(found["path"])} if folder in paths else {}
    return {**said, **place}


def interface(name, found):
    """An interface on its network, bridge or the user's own net; what else it is on is left as it is."""
    said = chosen(spec.INTERFACE, {"name": name, **found})
    kind = found.get("type")
    return {**said, **({"user": True} if kind == "user" else {kind: found["source"]} if kind in ("network", "bridge") and found.get("source") else {})}


def graphics(found):
    """The screen without its password; none is said too."""
    return chosen({key: option for key, option in spec.GRAPHICS.items() if key != "password"}, found) if found else {"type": "none"}


def has_files(machine):
    """True for a machine with disks that are files."""
    return bool(machine) and any(disk.get("path") for disk in (machine.get("disks") or {}).values())


KIND = Kind(
    Vms,
    write=write,
    write_passing=write_addresses,
    rows=ROWS,
    arguments={"gather": ["addresses"]},
    passing=("address", "addresses", "pending", "host", "host_uuid", "reason"),
    kept=tuple(key for key in spec.SPEC if key not in spec.ORDERS or key in ("name", "state")),
    options=options,
    stands_on_storages=has_files,
    report={"VM": "name", "STATE": "state", "CPUS": "cpus", "MEMORY": "memory|size", "ADDRESS": "address", "AUTOSTART": "autostart"},
    relations={
        "vms": Relation(
            "vms JOIN hosts ON hosts.id = vms.host_id",
            {
                **columns("vms", name=TEXT, uuid=UUID, state=TEXT, cpus=INTEGER, memory=BYTES, autostart=FLAG, id=INTEGER, host_id=INTEGER, **STATES),
                "host": HOST,
                "addresses": (LIST, "ARRAY(SELECT jsonb_array_elements_text(vms.addresses))"),
                "storages": (LIST, STORAGES),
            },
            ("name", "host", "state", "cpus", "memory", "autostart", "addresses", "storages", "labels", "description", "uuid", "recorded_at"),
            ("name", "host", "id"),
        ),
        "disks": Relation(
            f"disks {DEVICE_HOST} LEFT JOIN storages ON storages.id = storage_id",
            {
                **columns("disks", name=TEXT, device=TEXT, target=TEXT, bus=TEXT, path=TEXT, vm_id=INTEGER, storage_id=INTEGER),
                "vm": VM,
                "host": HOST,
                "storage": STORAGE,
            },
            ("vm", "host", "name", "device", "target", "bus", "storage", "path"),
            ("vm", "host", "vm_id", "name"),
        ),
        "interfaces": Relation(
            f"interfaces {DEVICE_HOST}",
            {**columns("interfaces", name=TEXT, mac=MAC, type=TEXT, source=TEXT, model=TEXT, vm_id=INTEGER), "vm": VM, "host": HOST},
            ("vm", "host", "name", "mac", "type", "source", "model"),
            ("vm", "host", "vm_id", "name"),
        ),
    },
)
