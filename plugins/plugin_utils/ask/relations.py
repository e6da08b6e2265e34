# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be asked of the inventory: what each kind brings, and the tables and views that belong to none."""

from __future__ import annotations

from ...module_utils.errors import Refused
from ..kinds import KINDS
from ..kinds.columns import BYTES, FIGURES, FLAG, INTEGER, JSON, LABELS, LIST, NUMBER, STORAGE, TEXT, TIME, UUID, Relation, columns


def relations():
    """{name: Relation}."""
    return {**FIRST, **{name: one for kind in KINDS.values() for name, one in kind.relations.items()}, **LATER}


def column(relation, name, what):
    """(type, expression) of a column of a relation; Refused with those that there are."""
    known = relations()[relation].columns
    if name not in known:
        raise Refused(f"{what}: {relation} has no column {name!r}; it has {', '.join(known)}", "unknown_column")
    return known[name]


FIRST = {
    "hosts": Relation(
        "hosts",
        {
            **columns("hosts", name=TEXT, address=TEXT, hostname=TEXT, uuid=UUID, first_seen=TIME, synced_at=TIME, id=INTEGER),
            "names": (LIST, "ARRAY(SELECT host_names.name FROM host_names WHERE host_id = hosts.id ORDER BY 1)"),
        },
        ("name", "address", "hostname", "uuid", "synced_at"),
        ("name", "id"),
    ),
}
LATER = {
    "operations": Relation(
        "operations",
        {
            **columns("operations", id=INTEGER, started_at=TIME, ended_at=TIME, module=TEXT, kind=TEXT, names=LIST, status=TEXT, changed=LIST),
            **columns("operations", arguments=JSON, message=TEXT, controller=TEXT, controller_user=TEXT, play=TEXT, task=TEXT, job=TEXT),
            **columns("operations", session=INTEGER, host_id=INTEGER),
            "host": (TEXT, "operations.host_name"),
            "took": (NUMBER, "extract(epoch FROM operations.ended_at - operations.started_at)"),
        },
        ("id", "started_at", "took", "host", "module", "names", "status", "changed", "message", "controller_user", "controller", "job"),
        ("-id",),
    ),
    "samples": Relation(
        "samples JOIN storages ON storages.id = storage_id",
        {"storage": STORAGE, **columns("samples", taken_at=TIME, **FIGURES, storage_id=INTEGER)},
        ("storage", "taken_at", "capacity", "allocation", "available"),
        ("-taken_at", "storage", "storage_id"),
    ),
    "vm_overview": Relation(
        "vm_overview",
        columns("vm_overview", name=TEXT, host=TEXT, state=TEXT, cpus=INTEGER, memory=BYTES, autostart=FLAG, address=TEXT, disks=INTEGER)
        | columns("vm_overview", labels=LABELS, description=TEXT, uuid=UUID, recorded_at=TIME),
        ("name", "host", "state", "cpus", "memory", "autostart", "address", "disks", "labels", "description", "uuid", "recorded_at"),
        ("name", "host", "uuid"),
    ),
    "storage_usage": Relation(
        "storage_usage",
        columns("storage_usage", name=TEXT, type=TEXT, percent=NUMBER, **FIGURES, hosts=LIST, volumes=INTEGER, images=INTEGER, vms=INTEGER)
        | columns("storage_usage", identity=TEXT, measured_at=TIME),
        ("name", "type", "percent", "capacity", "allocation", "available", "hosts", "volumes", "images", "vms", "measured_at"),
        ("name", "identity"),
    ),
    "recent_operations": Relation(
        "recent_operations",
        columns("recent_operations", id=INTEGER, started_at=TIME, host=TEXT, module=TEXT, status=TEXT, names=LIST, changed=LIST, message=TEXT)
        | columns("recent_operations", controller_user=TEXT, play=TEXT, job=TEXT)
        | {"took": (NUMBER, "extract(epoch FROM recent_operations.took)")},
        ("id", "started_at", "took", "host", "module", "status", "names", "changed", "message", "controller_user", "play", "job"),
        ("-id",),
    ),
}
