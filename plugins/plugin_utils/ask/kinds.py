# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of the inventory: kinds, their columns, and the fixed SQL behind each."""

from __future__ import annotations

from dataclasses import dataclass

from ...module_utils.errors import Refused

TEXT, UUID, MAC, INTEGER, NUMBER, BYTES, FLAG, TIME, LIST, LABELS, JSON = (
    "text", "UUID", "MAC address", "integer", "number", "size", "boolean", "time", "list", "labels", "JSON",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A table or view: `source` is what stands behind FROM, `columns` maps a name to (type, SQL expression)."""

    source: str
    columns: dict
    fields: tuple
    sort: tuple


def column(kind, name, what):
    """(type, expression) of a column of a kind; Refused with those that there are."""
    found = KINDS[kind].columns.get(name)
    if not found:
        raise Refused(f"{what}: {kind} has no column {name!r}; it has {', '.join(KINDS[kind].columns)}", "unknown_column")
    return found


def columns(table, **types):
    """Columns that are called as in their table."""
    casts = {UUID: "::text", MAC: "::text"}
    return {name: (kind, f"{table}.{name}{casts.get(kind, '')}") for name, kind in types.items()}


def hosts_of(storage):
    """The names of the hosts that have a storage."""
    return f"ARRAY(SELECT hosts.name FROM host_storages JOIN hosts ON hosts.id = host_storages.host_id WHERE storage_id = {storage} ORDER BY 1)"


STATES = {"description": TEXT, "labels": LABELS, "asked": JSON, "recorded": JSON, "asked_at": TIME, "recorded_at": TIME}
STORAGE, HOST, VM = (TEXT, "storages.name"), (TEXT, "hosts.name"), (TEXT, "vms.name")
FIGURES = {"capacity": BYTES, "allocation": BYTES, "available": BYTES}
FILES = {"name": TEXT, "format": TEXT, "size": BYTES, "source": TEXT, "id": INTEGER, "storage_id": INTEGER}
DEVICE_HOST = "JOIN vms ON vms.id = vm_id JOIN hosts ON hosts.id = vms.host_id"
STORAGES_OF_VM = "ARRAY(SELECT DISTINCT storages.name FROM disks JOIN storages ON storages.id = storage_id WHERE vm_id = vms.id ORDER BY 1)"

KINDS = {
    "hosts": Kind(
        "hosts",
        {
            **columns("hosts", name=TEXT, address=TEXT, hostname=TEXT, uuid=UUID, first_seen=TIME, synced_at=TIME, id=INTEGER),
            "names": (LIST, "ARRAY(SELECT host_names.name FROM host_names WHERE host_id = hosts.id ORDER BY 1)"),
        },
        ("name", "address", "hostname", "uuid", "synced_at"),
        ("name", "id"),
    ),
    "storages": Kind(
        "storages",
        {
            **columns("storages", name=TEXT, type=TEXT, identity=TEXT, server=TEXT, export=TEXT, description=TEXT, labels=LABELS, **FIGURES),
            **columns("storages", measured_at=TIME, id=INTEGER),
            "hosts": (LIST, hosts_of("storages.id")),
        },
        ("name", "type", "hosts", "capacity", "allocation", "available", "server", "export", "labels", "description", "measured_at"),
        ("name", "id"),
    ),
    "host_storages": Kind(
        "host_storages JOIN hosts ON hosts.id = host_id JOIN storages ON storages.id = storage_id",
        {
            **columns("host_storages", name=TEXT, state=TEXT, path=TEXT, autostart=FLAG, asked=JSON, recorded=JSON, asked_at=TIME, recorded_at=TIME),
            **columns("host_storages", host_id=INTEGER, storage_id=INTEGER),
            "host": HOST,
            "type": (TEXT, "storages.type"),
        },
        ("host", "name", "type", "state", "path", "autostart", "recorded_at"),
        ("host", "name", "host_id"),
    ),
    **{
        kind: Kind(
            f"{kind} JOIN storages ON storages.id = {kind}.storage_id",
            {**columns(kind, **FILES, **STATES, **{own: TEXT}), "storage": STORAGE, "hosts": (LIST, hosts_of(f"{kind}.storage_id"))},
            ("storage", "name", "format", "size", own, "source", "labels", "description", "recorded_at"),
            ("storage", "name", "id"),
        )
        for kind, own in (("volumes", "backing"), ("images", "checksum"))
    },
    "vms": Kind(
        "vms JOIN hosts ON hosts.id = vms.host_id",
        {
            **columns("vms", name=TEXT, uuid=UUID, state=TEXT, cpus=INTEGER, memory=BYTES, autostart=FLAG, id=INTEGER, host_id=INTEGER, **STATES),
            "host": HOST,
            "addresses": (LIST, "ARRAY(SELECT jsonb_array_elements_text(vms.addresses))"),
            "storages": (LIST, STORAGES_OF_VM),
        },
        ("name", "host", "state", "cpus", "memory", "autostart", "addresses", "storages", "labels", "description", "uuid", "recorded_at"),
        ("name", "host", "id"),
    ),
    "disks": Kind(
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
    "interfaces": Kind(
        f"interfaces {DEVICE_HOST}",
        {**columns("interfaces", name=TEXT, mac=MAC, type=TEXT, source=TEXT, model=TEXT, vm_id=INTEGER), "vm": VM, "host": HOST},
        ("vm", "host", "name", "mac", "type", "source", "model"),
        ("vm", "host", "vm_id", "name"),
    ),
    "operations": Kind(
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
    "samples": Kind(
        "samples JOIN storages ON storages.id = storage_id",
        {"storage": STORAGE, **columns("samples", taken_at=TIME, **FIGURES, storage_id=INTEGER)},
        ("storage", "taken_at", "capacity", "allocation", "available"),
        ("-taken_at", "storage", "storage_id"),
    ),
    "vm_overview": Kind(
        "vm_overview",
        columns("vm_overview", name=TEXT, host=TEXT, state=TEXT, cpus=INTEGER, memory=BYTES, autostart=FLAG, address=TEXT, disks=INTEGER)
        | columns("vm_overview", labels=LABELS, description=TEXT, uuid=UUID, recorded_at=TIME),
        ("name", "host", "state", "cpus", "memory", "autostart", "address", "disks", "labels", "description", "uuid", "recorded_at"),
        ("name", "host", "uuid"),
    ),
    "storage_usage": Kind(
        "storage_usage",
        columns("storage_usage", name=TEXT, type=TEXT, percent=NUMBER, **FIGURES, hosts=LIST, volumes=INTEGER, images=INTEGER, vms=INTEGER)
        | columns("storage_usage", identity=TEXT, measured_at=TIME),
        ("name", "type", "percent", "capacity", "allocation", "available", "hosts", "volumes", "images", "vms", "measured_at"),
        ("name", "identity"),
    ),
    "recent_operations": Kind(
        "recent_operations",
        columns("recent_operations", id=INTEGER, started_at=TIME, host=TEXT, module=TEXT, status=TEXT, names=LIST, changed=LIST, message=TEXT)
        | columns("recent_operations", controller_user=TEXT, play=TEXT, job=TEXT)
        | {"took": (NUMBER, "extract(epoch FROM recent_operations.took)")},
        ("id", "started_at", "took", "host", "module", "status", "names", "changed", "message", "controller_user", "play", "job"),
        ("-id",),
    ),
}
