# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of virtual machines, their disks and interfaces."""

from __future__ import annotations

import os

from ..database.client import json
from .kind import row
from .tables import ASKED, WORDS, Table

VMS = Table(
    "vms",
    ("host_id", "uuid"),
    {
        "host_id": "bigint",
        "uuid": "uuid",
        "name": "text",
        "state": "text",
        "cpus": "integer",
        "memory": "bigint",
        "autostart": "boolean",
        **WORDS,
        **ASKED,
    },
)
DISKS = Table(
    "disks",
    ("vm_id", "name"),
    {"vm_id": "bigint", "name": "text", "device": "text", "target": "text", "bus": "text", "path": "text", "storage_id": "bigint"},
)
INTERFACES = Table("interfaces", ("vm_id", "name"), {"vm_id": "bigint", "name": "text", "mac": "macaddr", "type": "text", "source": "text", "model": "text"})


def write(records, kind, entries):
    """Machines, and the disks and interfaces of those that are new or different."""
    gone = [entry["name"] for entry in entries if not entry["found"]]
    if gone:
        records.connection.execute("DELETE FROM vms WHERE host_id = %s AND name = ANY(%s)", (records.host.id, gone))
    rows = [{**entry["found"], **row(kind, entry), "host_id": host_of(records, entry["found"])} for entry in entries if entry["found"]]
    forget_namesakes(records, rows)
    move(records, [one for one in rows if one["host_id"] != records.host.id])
    found = {(one["host_id"], one["uuid"]): one for one in rows}
    written = [str(uuid) for _host, uuid in VMS.write(records.connection, rows)]
    if not written:
        return
    ids = records.connection.execute("SELECT id, host_id, uuid::text FROM vms WHERE uuid = ANY(%s::uuid[])", (written,)).fetchall()
    ids = [(number, found[host, uuid]) for number, host, uuid in ids if (host, uuid) in found]
    for table in (DISKS, INTERFACES):
        records.connection.execute(f"DELETE FROM {table.name} WHERE vm_id = ANY(%s)", ([number for number, _one in ids],))
        devices = [(number, name, device) for number, one in ids for name, device in (one.get(table.name) or {}).items()]
        table.add(records.connection, [device_row(records, table, *one) for one in devices])


def forget_namesakes(records, rows):
    """Machines that were made anew under the same name have another UUID."""
    records.connection.execute(
        """DELETE FROM vms USING jsonb_to_recordset(%s) AS new (host_id bigint, name text, uuid uuid)
        WHERE vms.host_id = new.host_id AND vms.name = new.name AND vms.uuid <> new.uuid""",
        (json([{key: one[key] for key in ("host_id", "name", "uuid")} for one in rows]),),
    )


def move(records, rows):
    """Machines that were moved to another host keep what was asked of them."""
    for one in rows:
        records.connection.execute(
            """UPDATE vms SET host_id = %s WHERE host_id = %s AND uuid = %s
            AND NOT EXISTS (SELECT FROM vms AS there WHERE there.host_id = %s AND there.uuid = vms.uuid)""",
            (one["host_id"], records.host.id, one["uuid"], one["host_id"]),
        )
        records.connection.execute("DELETE FROM vms WHERE host_id = %s AND uuid = %s", (records.host.id, one["uuid"]))


def write_addresses(records, machines):
    """The addresses of machines, the best first, as the guests and the hypervisor know them now."""
    rows = [{"uuid": one["uuid"], "addresses": addresses_of(one)} for one in machines]
    records.connection.execute(
        """UPDATE vms SET addresses = new.addresses FROM jsonb_to_recordset(%s) AS new (uuid uuid, addresses jsonb)
        WHERE vms.host_id = %s AND vms.uuid = new.uuid AND vms.addresses IS DISTINCT FROM new.addresses""",
        (json(rows), records.host.id),
    )


def host_of(records, found):
    """The row of the host that a machine is on: this one, or the one it was moved to, known by no inventory name perhaps."""
    if found.get("host_uuid") in (None, records.host.uuid):
        return records.host.id
    return records.connection.execute(
        "INSERT INTO hosts (uuid, name, hostname) VALUES (%s, %s, %s) ON CONFLICT (uuid) DO UPDATE SET hostname = EXCLUDED.hostname RETURNING id",
        (found["host_uuid"], found["host"], found["host"]),
    ).fetchone()[0]


def device_row(records, table, number, name, device):
    """The row of a disk or an interface."""
    folder = os.path.dirname(device.get("path") or "")
    storage = next((known for known, path in records.known.values() if path and path == folder), None)
    return {**device, "vm_id": number, "name": name, **({"storage_id": storage} if table is DISKS else {})}


def disk_paths(records, machines):
    """The files of disks that machines of the host are recorded with."""
    rows = records.connection.execute(
        "SELECT path FROM disks JOIN vms ON vms.id = vm_id WHERE host_id = %s AND vms.name = ANY(%s) AND path IS NOT NULL", (records.host.id, machines)
    )
    return [path for (path,) in rows]


def addresses_of(machine):
    """All addresses of a machine, the best first."""
    known = [one["address"] for one in machine.get("addresses") or ()]
    best = machine.get("address")
    return [*([best] if best else []), *(address for address in known if address != best)]
