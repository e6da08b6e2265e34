# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as its info modules tell it, beside what the inventory has of it."""

from __future__ import annotations

from dataclasses import dataclass

from ...module_utils.errors import IntakeError
from ..record.records import KINDS, entry
from . import drift

ARGUMENTS = {"vm": {"gather": ["addresses"]}}
ROWS = {
    "storage": """SELECT 'storage', NULL, name, asked, recorded, recorded_at FROM host_storages WHERE host_id = %s""",
    "volume": """SELECT 'volume', host_storages.name, volumes.name, volumes.asked, volumes.recorded, volumes.recorded_at
        FROM volumes JOIN host_storages USING (storage_id) WHERE host_id = %s""",
    "image": """SELECT 'image', host_storages.name, images.name, images.asked, images.recorded, images.recorded_at
        FROM images JOIN host_storages USING (storage_id) WHERE host_id = %s""",
    "vm": """SELECT 'vm', NULL, name, asked, recorded, recorded_at FROM vms WHERE host_id = %s""",
}
FIELDS = ("kind", "storage", "name", "asked", "recorded", "recorded_at")
ORPHANS = """SELECT id, module, names, controller_user, controller, started_at FROM operations
    WHERE status = 'started' AND kind = ANY(%s)
    AND (host_id = %s OR host_id IS NULL AND host_name IN (SELECT name FROM host_names WHERE host_names.host_id = %s))
    AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = session AND coalesce(backend_start <= started_at, true)) ORDER BY id"""
ORPHANED = "its end was not seen; what the host had later was taken in"


@dataclass
class Survey:
    """What a host has: entries as Records takes them, storages and single places that could not be looked into, and who it is."""

    hypervisor: dict
    entries: list
    unseen: list
    unread: set = frozenset()

    def hides(self, one):
        """True for a row or an entry of which nothing is said."""
        return one["storage"] in self.unseen or drift.place(one) in self.unread

    def missed(self):
        """What could not be looked into, in words."""
        return sorted({*self.unseen, *("/".join(filter(None, place[1:])) for place in self.unread)})


def survey(call, kinds, uri):
    """Ask a host through `call(module, arguments)`, the storages first. Raises IntakeError with a module's own words."""
    entries, hypervisor, unseen, unread = [], None, set(), set()
    for kind in kinds:
        result = call(f"intake_{kind}_info", {"uri": uri, **ARGUMENTS.get(kind, {})})
        if result.get("failed") or result.get("unreachable"):
            raise IntakeError(result.get("msg", "the host is not reached"), result.get("reason", "unreachable"))
        hypervisor, found = result["hypervisor"], result[f"{kind}s"]
        if kind == "storage":
            unseen |= {one["name"] for one in found if one["health"]["status"] != "ok"}
        for one in result.get("unreadable", ()):
            if one["name"]:
                unread.add((kind, one["storage"] or "", one["name"]))
            if not (one["name"] and one["storage"]):
                unseen.add(one["storage"] or one["name"])
        entries += [entry(kind, one["name"], one.get("storage"), one) for one in found]
    known = {None, *(one["name"] for one in entries if one["kind"] == "storage")}  # a storage that came meanwhile waits for the next look
    return Survey(hypervisor, [one for one in entries if one["storage"] in known], sorted(unseen), unread)


def rows_of(connection, host_id, kinds):
    """What the inventory has of a host."""
    found = [row for kind in kinds for row in connection.execute(ROWS[kind], (host_id,))]
    return [dict(zip(FIELDS, row)) for row in found]


def differences(rows, seen, ignored):
    """The drift, without what is in storages that could not be looked into, and without fields that do not count."""
    visible = [row for row in rows if not seen.hides(row)]
    found = [one for one in seen.entries if not seen.hides(one)]
    return [one for one in drift.compare(visible, found) if one["field"] not in ignored]


def orphans(connection, host_id, kinds):
    """The journal's entries of a host, about these kinds, whose end nobody saw: their session with the database is gone.

    The times of other users' sessions are hidden from a role without pg_read_all_stats: those count as being there.
    """
    names = ("id", "module", "names", "controller_user", "controller", "started_at")
    return [dict(zip(names, row)) for row in connection.execute(ORPHANS, (kinds, host_id, host_id))]


def take_in(records, rows, seen, kinds, open_entries):
    """Write what a host has, forget what it has no more, and end what was left open; in a transaction of the caller's."""
    there = {drift.place(one) for one in seen.entries}
    gone = [row for row in rows if drift.place(row) not in there and not seen.hides(row)]
    records.write(seen.entries + [entry(row["kind"], row["name"], row["storage"]) for row in gone])
    records.write_addresses([one["found"] for one in seen.entries if one["kind"] == "vm"])
    if set(kinds) == set(KINDS):
        records.connection.execute("UPDATE hosts SET synced_at = now() WHERE id = %s", (records.host.id,))
    records.connection.execute(
        "UPDATE operations SET status = 'unknown', ended_at = now(), host_id = %s, message = %s WHERE id = ANY(%s)",
        (records.host.id, ORPHANED, [one["id"] for one in open_entries]),
    )


def plain(rows):
    """Rows with times as text."""
    return [{key: value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else value for key, value in row.items()} for row in rows]
