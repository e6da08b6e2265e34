# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages: what an export or a pool is, and the pools that hosts have of it."""

from __future__ import annotations

from ...module_utils.drivers import DRIVERS
from ...module_utils.drivers.pool import places_of
from ...module_utils.resources.storage.storages import Storages
from ..database.client import json, storable
from .columns import FIGURES, FLAG, HOST, INTEGER, JSON, LABELS, LIST, TEXT, TIME, Relation, columns, hosts_of
from .kind import Kind, row
from .tables import ASKED, WORDS, Table

STORAGES = Table("storages", ("identity",), {"identity": "text", "name": "text", "type": "text", "server": "text", "export": "text", **WORDS})
HOST_STORAGES = Table(
    "host_storages",
    ("host_id", "name"),
    {"host_id": "bigint", "storage_id": "bigint", "name": "text", "state": "text", "path": "text", "autostart": "boolean", **ASKED},
)
ROWS = "SELECT 'storage', NULL, name, asked, recorded, recorded_at FROM host_storages WHERE host_id = %s"


def write(records, kind, entries):
    """Storages, and the host's pools of them."""
    rows = [{**entry["found"], **row(kind, entry), "identity": identity(entry["found"])} for entry in entries if entry["found"]]
    known = [records.known[entry["name"]][0] for entry in entries if entry["name"] in records.known]
    before = hold_storages(records.connection, [one["identity"] for one in rows], known)
    STORAGES.write(records.connection, rows)
    names = [one["identity"] for one in rows]
    ids = dict(records.connection.execute("SELECT identity, id FROM storages WHERE identity = ANY(%s)", (names,)).fetchall())
    for one in rows:
        one.update(host_id=records.host.id, storage_id=ids[one["identity"]])
    HOST_STORAGES.write(records.connection, rows)
    measure(records, [one for one in rows if one.get("capacity") and one["state"] == "active"])
    records.known.update({one["name"]: (one["storage_id"], one["path"]) for one in rows})
    forget(records, [entry["name"] for entry in entries if not entry["found"]], before)


def measure(records, rows):
    """The figures of storages, and a sample where they moved."""
    records.connection.execute(
        """WITH new AS (SELECT * FROM jsonb_to_recordset(%s) AS new (storage_id bigint, capacity bigint, allocation bigint, available bigint)),
        moved AS (UPDATE storages SET capacity = new.capacity, allocation = new.allocation, available = new.available, measured_at = now()
            FROM new WHERE storages.id = new.storage_id AND (storages.capacity, storages.allocation, storages.available)
            IS DISTINCT FROM (new.capacity, new.allocation, new.available) RETURNING new.*)
        INSERT INTO samples (storage_id, capacity, allocation, available) SELECT * FROM moved ON CONFLICT DO NOTHING""",
        (json(rows),),
    )


def forget(records, names, held):
    """The host has them no more; of those that are held, one that no host has is gone, with what was in it."""
    if names:
        records.connection.execute("DELETE FROM host_storages WHERE host_id = %s AND name = ANY(%s)", (records.host.id, names))
    drop_unused(records.connection, held)
    records.known = {name: known for name, known in records.known.items() if name not in names}


def identity(found):
    """What a storage is known by: its export, whoever mounts it, or the UUID of the one pool that has it."""
    export = places_of(found).get("export")
    return storable(f"nfs://{export}") if export else f"pool:{found['uuid']}"


def hold_storages(connection, identities, numbers):
    """The ids of storages among these, which no other host can begin to have, or cease to have, until the transaction ends."""
    rows = connection.execute(
        'SELECT id FROM storages WHERE identity = ANY(%s) OR id = ANY(%s) ORDER BY identity COLLATE "C" FOR UPDATE', (identities, numbers)
    )
    return [number for (number,) in rows]


def drop_unused(connection, numbers):
    """Of these storages, which are held, those that no host has go, with what was in them."""
    connection.execute("DELETE FROM storages WHERE id = ANY(%s) AND NOT EXISTS (SELECT FROM host_storages WHERE storage_id = storages.id)", (numbers,))


def options(said, found, _storages):
    """The device, which only what is not there yet is told as."""
    return {**said, "device": found["device"]} if found.get("device") else said


KIND = Kind(
    Storages,
    write=write,
    rows=ROWS,
    passing=("health", "volumes", "images", "vms", "virtual_size_sum", "overcommit", "mounted", "pending", *FIGURES),
    kept=("name", "type", "path", "fs", "server", "export", "version", "mount_options", "autostart", "description", "labels"),
    options=options,
    is_kept=lambda found: found["type"] in DRIVERS,
    report={"STORAGE": "name", "STATE": "state", "HEALTH": "health.status", "CAPACITY": "capacity|size", "FREE": "available|size", "PATH": "path"},
    relations={
        "storages": Relation(
            "storages",
            {
                **columns("storages", name=TEXT, type=TEXT, identity=TEXT, server=TEXT, export=TEXT, description=TEXT, labels=LABELS, **FIGURES),
                **columns("storages", measured_at=TIME, id=INTEGER),
                "hosts": (LIST, hosts_of("storages.id")),
            },
            ("name", "type", "hosts", "capacity", "allocation", "available", "server", "export", "labels", "description", "measured_at"),
            ("name", "id"),
        ),
        "host_storages": Relation(
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
    },
)
