# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has, as its modules tell it, written into the tables. Everything is in one transaction of the caller's.

An entry is a dict: `kind`, `name` and `storage` as they were asked for, `asked` (options without secrets, or None) and `found`,
the state that the module reported, None where nothing is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...module_utils.drivers.pool import places_of
from ...module_utils.errors import IntakeError
from ..database.client import json, storable
from . import tables
from .machines import Machines, row

KINDS = ("storage", "volume", "image", "vm")


@dataclass
class Host:
    """The hypervisor that is written about: its row, and what Ansible and itself call it."""

    uuid: str
    name: str
    address: str = None
    hostname: str = None
    id: int = None


def identity(found):
    """What a storage is known by: its export, whoever mounts it, or the UUID of the one pool that has it."""
    export = places_of(found).get("export")
    return storable(f"nfs://{export}") if export else f"pool:{found['uuid']}"


def entry(kind, name, storage=None, found=None, asked=None):
    """What is told of one resource."""
    return {"kind": kind, "name": name, "storage": storage, "asked": asked, "found": found}


class Records(Machines):
    """The rows of one host."""

    def __init__(self, connection, host):
        self.connection, self.host = connection, host
        host.id = host.id or self.write_host()  # once in a call
        self.known = self.storages_of_host()

    def write_host(self):
        """The host's row; another name in the inventory leads to the same one."""
        row = (self.host.uuid, self.host.name, self.host.address, self.host.hostname)
        found = self.connection.execute(
            """INSERT INTO hosts AS old (uuid, name, address, hostname) VALUES (%s, %s, %s, %s) ON CONFLICT (uuid) DO UPDATE
            SET name = EXCLUDED.name, address = EXCLUDED.address, hostname = coalesce(EXCLUDED.hostname, old.hostname) RETURNING id""",
            row,
        ).fetchone()[0]
        self.connection.execute(
            """INSERT INTO host_names (name, host_id) VALUES (%s, %s)
            ON CONFLICT (name) DO UPDATE SET host_id = EXCLUDED.host_id WHERE host_names.host_id <> EXCLUDED.host_id""",
            (self.host.name, found),
        )
        return found

    def storages_of_host(self):
        """{name: (id, path)} of the storages that the host is known to have."""
        rows = self.connection.execute("SELECT name, storage_id, path FROM host_storages WHERE host_id = %s", (self.host.id,))
        return {name: (storage, path) for name, storage, path in rows}

    def lacks_storages(self, entries):
        """True where entries are in storages that have no row yet."""
        named = {place for entry in entries if entry["kind"] in ("volume", "image") for place in places(entry)}
        return bool(named - set(self.known)) or (not self.known and any(entry["kind"] == "vm" and has_files(entry["found"]) for entry in entries))

    def write(self, entries):
        """Write entries of any kinds; those of storages first, which the others are in."""
        for kind in KINDS:
            chosen = [entry for entry in entries if entry["kind"] == kind]
            if chosen:
                getattr(self, f"write_{kind}s")(chosen)

    def write_storages(self, entries):
        """Storages, and the host's pools of them."""
        rows = [{**entry["found"], **row(entry), "identity": identity(entry["found"])} for entry in entries if entry["found"]]
        known = [self.known[entry["name"]][0] for entry in entries if entry["name"] in self.known]
        before = hold_storages(self.connection, [one["identity"] for one in rows], known)
        tables.STORAGES.write(self.connection, rows)
        names = [one["identity"] for one in rows]
        ids = dict(self.connection.execute("SELECT identity, id FROM storages WHERE identity = ANY(%s)", (names,)).fetchall())
        for one in rows:
            one.update(host_id=self.host.id, storage_id=ids[one["identity"]])
        tables.HOST_STORAGES.write(self.connection, rows)
        self.measure([one for one in rows if one.get("capacity") and one["state"] == "active"])
        self.known.update({one["name"]: (one["storage_id"], one["path"]) for one in rows})
        self.forget_storages([entry["name"] for entry in entries if not entry["found"]], before)

    def measure(self, rows):
        """The figures of storages, and a sample where they moved."""
        self.connection.execute(
            """WITH new AS (SELECT * FROM jsonb_to_recordset(%s) AS new (storage_id bigint, capacity bigint, allocation bigint, available bigint)),
            moved AS (UPDATE storages SET capacity = new.capacity, allocation = new.allocation, available = new.available, measured_at = now()
                FROM new WHERE storages.id = new.storage_id AND (storages.capacity, storages.allocation, storages.available)
                IS DISTINCT FROM (new.capacity, new.allocation, new.available) RETURNING new.*)
            INSERT INTO samples (storage_id, capacity, allocation, available) SELECT * FROM moved ON CONFLICT DO NOTHING""",
            (json(rows),),
        )

    def forget_storages(self, names, held):
        """The host has them no more; of those that are held, one that no host has is gone, with what was in it."""
        if names:
            self.connection.execute("DELETE FROM host_storages WHERE host_id = %s AND name = ANY(%s)", (self.host.id, names))
        drop_unused(self.connection, held)
        self.known = {name: known for name, known in self.known.items() if name not in names}

    def write_volumes(self, entries):
        """Volumes of storages."""
        self.write_files(tables.VOLUMES, entries)

    def write_images(self, entries):
        """Images of storages."""
        self.write_files(tables.IMAGES, entries)

    def write_files(self, table, entries):
        """What is in storages; what is not there any more, or bears another name now, is forgotten.

        Raises IntakeError for what is in a storage that has no row.
        """
        lost = sorted({f"{entry['found']['storage']}/{entry['found']['name']}" for entry in entries if entry["found"] and not is_placed(entry, self.known)})
        if lost:
            raise IntakeError(f"{', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}: the inventory does not know the storage", "unknown_storage")
        rows = [{**entry["found"], **row(entry), "storage_id": self.known[entry["found"]["storage"]][0]} for entry in entries if entry["found"]]
        left = [entry for entry in entries if is_left(entry) and entry["storage"] in self.known]
        gone = [{"storage_id": self.known[entry["storage"]][0], "name": entry["name"]} for entry in left]
        if gone:
            self.connection.execute(
                f"DELETE FROM {table.name} AS old USING jsonb_to_recordset(%s) AS new (storage_id bigint, name text) "
                "WHERE old.storage_id = new.storage_id AND old.name = new.name",
                (json(gone),),
            )
        table.write(self.connection, rows)


def hold_storages(connection, identities, numbers):
    """The ids of storages among these, which no other host can begin to have, or cease to have, until the transaction ends."""
    rows = connection.execute(
        'SELECT id FROM storages WHERE identity = ANY(%s) OR id = ANY(%s) ORDER BY identity COLLATE "C" FOR UPDATE', (identities, numbers)
    )
    return [number for (number,) in rows]


def drop_unused(connection, numbers):
    """Of these storages, which are held, those that no host has go, with what was in them."""
    connection.execute("DELETE FROM storages WHERE id = ANY(%s) AND NOT EXISTS (SELECT FROM host_storages WHERE storage_id = storages.id)", (numbers,))


def places(entry):
    """The storages an entry is about: where it was and where it is."""
    return {place for place in (entry["storage"], (entry["found"] or {}).get("storage")) if place}


def has_files(machine):
    """True for a machine with disks that are files."""
    return bool(machine) and any(disk.get("path") for disk in (machine.get("disks") or {}).values())


def is_placed(entry, known):
    """True for what is in a storage that has a row."""
    return entry["found"]["storage"] in known


def is_left(entry):
    """True where nothing is any more at the place that was asked for."""
    return not entry["found"] or (entry["found"]["storage"], entry["found"]["name"]) != (entry["storage"], entry["name"])
