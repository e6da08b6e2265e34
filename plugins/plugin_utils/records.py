# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has, as its modules tell it, written into the tables. Everything is in one transaction of the caller's.

An entry is a dict: `kind`, `name` and `storage` as they were asked for, `asked` (options without secrets, or None) and `found`,
the state that the module reported, None where nothing is there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..module_utils.drivers.pool import places_of
from . import tables
from .database import json

KINDS = ("storage", "volume", "image", "vm")
PASSING = {  # what changes by itself, or is said by info modules alone
    "storage": ("health", "volumes", "images", "vms", "virtual_size_sum", "overcommit", "mounted", "pending", *tables.FIGURES),
    "volume": ("allocation", "users", "backing_chain", "state", "open"),
    "image": ("allocation", "users", "state", "changed_outside"),
    "vm": ("address", "addresses", "pending", "host", "host_uuid", "reason"),
}


@dataclass
class Host:
    """The hypervisor that is written about: its row, and what Ansible and itself call it."""

    uuid: str
    name: str
    address: str = None
    hostname: str = None
    id: int = None


def lasting(kind, found):
    """A state without what passes, as it is kept and compared."""
    return {key: value for key, value in found.items() if key not in PASSING[kind]}


def identity(found):
    """What a storage is known by: its export, whoever mounts it, or the UUID of the one pool that has it."""
    export = places_of(found).get("export")
    return f"nfs://{export}" if export else f"pool:{found['uuid']}"


class Records:
    """The rows of one host."""

    def __init__(self, connection, host):
        self.connection, self.host = connection, host
        host.id = self.write_host()
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

    def disk_paths(self, machines):
        """The files of disks that machines of the host are recorded with."""
        rows = self.connection.execute(
            "SELECT path FROM disks JOIN vms ON vms.id = vm_id WHERE host_id = %s AND vms.name = ANY(%s) AND path IS NOT NULL", (self.host.id, machines)
        )
        return [path for (path,) in rows]

    def write(self, entries):
        """Write entries of any kinds; those of storages first, which the others are in."""
        for kind in KINDS:
            chosen = [entry for entry in entries if entry["kind"] == kind]
            if chosen:
                getattr(self, f"write_{kind}s")(chosen)

    def write_storages(self, entries):
        """Storages, and the host's pools of them."""
        rows = [{**entry["found"], **row(entry), "identity": identity(entry["found"])} for entry in entries if entry["found"]]
        tables.STORAGES.write(self.connection, rows)
        names = [one["identity"] for one in rows]
        ids = dict(self.connection.execute("SELECT identity, id FROM storages WHERE identity = ANY(%s)", (names,)).fetchall())
        for one in rows:
            one.update(host_id=self.host.id, storage_id=ids[one["identity"]])
        tables.HOST_STORAGES.write(self.connection, rows)
        self.measure([one for one in rows if one.get("capacity") and one["state"] == "active"])
        self.known.update({one["name"]: (one["storage_id"], one["path"]) for one in rows})
        self.forget_storages([entry["name"] for entry in entries if not entry["found"]])

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

    def forget_storages(self, names):
        """The host has them no more; one that no host has is gone, with what was in it."""
        if names:
            self.connection.execute("DELETE FROM host_storages WHERE host_id = %s AND name = ANY(%s)", (self.host.id, names))
            self.connection.execute("DELETE FROM storages WHERE NOT EXISTS (SELECT FROM host_storages WHERE storage_id = storages.id)")
            self.known = {name: known for name, known in self.known.items() if name not in names}

    def write_volumes(self, entries):
        """Volumes of storages."""
        self.write_files(tables.VOLUMES, entries)

    def write_images(self, entries):
        """Images of storages."""
        self.write_files(tables.IMAGES, entries)

    def write_files(self, table, entries):
        """What is in storages; what is not there any more, or bears another name now, is forgotten."""
        rows = [{**entry["found"], **row(entry), "storage_id": self.known[entry["found"]["storage"]][0]} for entry in entries if is_placed(entry, self.known)]
        left = [entry for entry in entries if is_left(entry) and entry["storage"] in self.known]
        gone = [{"storage_id": self.known[entry["storage"]][0], "name": entry["name"]} for entry in left]
        if gone:
            self.connection.execute(
                f"DELETE FROM {table.name} AS old USING jsonb_to_recordset(%s) AS new (storage_id bigint, name text) "
                "WHERE old.storage_id = new.storage_id AND old.name = new.name",
                (json(gone),),
            )
        table.write(self.connection, rows)

    def write_vms(self, entries):
        """Machines, and the disks and interfaces of those that are new or different."""
        gone = [entry["name"] for entry in entries if not entry["found"]]
        if gone:
            self.connection.execute("DELETE FROM vms WHERE host_id = %s AND name = ANY(%s)", (self.host.id, gone))
        rows = [{**entry["found"], **row(entry), "host_id": self.host_of(entry["found"])} for entry in entries if entry["found"]]
        self.move([one for one in rows if one["host_id"] != self.host.id])
        found = {(one["host_id"], one["uuid"]): one for one in rows}
        written = [str(uuid) for _host, uuid in tables.VMS.write(self.connection, rows)]
        if not written:
            return
        ids = self.connection.execute("SELECT id, host_id, uuid::text FROM vms WHERE uuid = ANY(%s::uuid[])", (written,)).fetchall()
        ids = [(number, found[host, uuid]) for number, host, uuid in ids if (host, uuid) in found]
        for table in (tables.DISKS, tables.INTERFACES):
            self.connection.execute(f"DELETE FROM {table.name} WHERE vm_id = ANY(%s)", ([number for number, _one in ids],))
            devices = [(number, name, device) for number, one in ids for name, device in (one.get(table.name) or {}).items()]
            table.add(self.connection, [self.device(table, *one) for one in devices])

    def move(self, rows):
        """Machines that were moved to another host keep what was asked of them."""
        for one in rows:
            self.connection.execute(
                """UPDATE vms SET host_id = %s WHERE host_id = %s AND uuid = %s
                AND NOT EXISTS (SELECT FROM vms AS there WHERE there.host_id = %s AND there.uuid = vms.uuid)""",
                (one["host_id"], self.host.id, one["uuid"], one["host_id"]),
            )
            self.connection.execute("DELETE FROM vms WHERE host_id = %s AND uuid = %s", (self.host.id, one["uuid"]))

    def write_addresses(self, machines):
        """The addresses of machines, the best first, as the guests and the hypervisor know them now."""
        rows = [{"uuid": one["uuid"], "addresses": addresses_of(one)} for one in machines]
        self.connection.execute(
            """UPDATE vms SET addresses = new.addresses FROM jsonb_to_recordset(%s) AS new (uuid uuid, addresses jsonb)
            WHERE vms.host_id = %s AND vms.uuid = new.uuid AND vms.addresses IS DISTINCT FROM new.addresses""",
            (json(rows), self.host.id),
        )

    def host_of(self, found):
        """The row of the host that a machine is on: this one, or the one it was moved to, known by no inventory name perhaps."""
        if found.get("host_uuid") in (None, self.host.uuid):
            return self.host.id
        return self.connection.execute(
            "INSERT INTO hosts (uuid, name, hostname) VALUES (%s, %s, %s) ON CONFLICT (uuid) DO UPDATE SET hostname = EXCLUDED.hostname RETURNING id",
            (found["host_uuid"], found["host"], found["host"]),
        ).fetchone()[0]

    def device(self, table, number, name, device):
        """The row of a disk or an interface."""
        folder = os.path.dirname(device.get("path") or "")
        storage = next((known for known, path in self.known.values() if path and path == folder), None)
        return {**device, "vm_id": number, "name": name, **({"storage_id": storage} if table is tables.DISKS else {})}


def places(entry):
    """The storages an entry is about: where it was and where it is."""
    return {place for place in (entry["storage"], (entry["found"] or {}).get("storage")) if place}


def addresses_of(machine):
    """All addresses of a machine, the best first."""
    known = [one["address"] for one in machine.get("addresses") or ()]
    best = machine.get("address")
    return [*([best] if best else []), *(address for address in known if address != best)]


def has_files(machine):
    """True for a machine with disks that are files."""
    return bool(machine) and any(disk.get("path") for disk in (machine.get("disks") or {}).values())


def is_placed(entry, known):
    """True for what is in a storage that has a row."""
    return bool(entry["found"]) and entry["found"]["storage"] in known


def is_left(entry):
    """True where nothing is any more at the place that was asked for."""
    return not entry["found"] or (entry["found"]["storage"], entry["found"]["name"]) != (entry["storage"], entry["name"])


def row(entry):
    """The columns that every kind has; `found` gives the others."""
    return {"asked": entry["asked"], "recorded": lasting(entry["kind"], entry["found"]), "labels": entry["found"].get("labels") or {}}
