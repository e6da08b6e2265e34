# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has, as its modules tell it, written into the tables. Everything is in one transaction of the caller's."""

from __future__ import annotations

from ..kinds import KINDS


class Records:
    """The rows of one host: `connection`, `host` and `known`, {name: (id, path)} of its storages, are what the kinds write with."""

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
        named = {place for one in entries if KINDS[one["kind"]].in_storage for place in storages_of(one)}
        return bool(named - set(self.known)) or (not self.known and any(stands_on_storages(one) for one in entries))

    def write(self, entries):
        """Write entries of any kinds, in the order in which one kind stands on another."""
        for noun, kind in KINDS.items():
            chosen = [one for one in entries if one["kind"] == noun]
            if chosen:
                kind.write(self, kind, chosen)


def storages_of(entry):
    """The storages an entry is about: where it was and where it is."""
    return {storage for storage in (entry["storage"], (entry["found"] or {}).get("storage")) if storage}


def stands_on_storages(entry):
    """True for what is there and names files."""
    return bool(entry["found"]) and KINDS[entry["kind"]].stands_on_storages(entry["found"])
