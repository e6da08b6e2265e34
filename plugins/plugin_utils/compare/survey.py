# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as its info modules tell it, beside what the inventory has of it."""

from __future__ import annotations

from dataclasses import dataclass

from ...module_utils.errors import IntakeError
from ..kinds import KINDS
from ..kinds.kind import entry
from . import drift

FIELDS = ("kind", "storage", "name", "asked", "recorded", "recorded_at")
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
        return one["storage"] in self.unseen or drift.resource_key(one) in self.unread

    def missed(self):
        """What could not be looked into, in words."""
        return sorted({*self.unseen, *("/".join(filter(None, place[1:])) for place in self.unread)})


def survey(call, kinds, uri):
    """Ask a host through `call(module, arguments)`, the storages first. Raises IntakeError with a module's own words."""
    entries, hypervisor, unseen, unread = [], None, set(), set()
    for kind in kinds:
        result = call(KINDS[kind].info, {"uri": uri, **KINDS[kind].arguments})
        if result.get("failed") or result.get("unreachable"):
            raise IntakeError(result.get("msg", "the host is not reached"), result.get("reason", "unreachable"))
        hypervisor, found = result["hypervisor"], result[KINDS[kind].plural]
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
    found = [row for kind in kinds for row in connection.execute(KINDS[kind].rows, (host_id,))]
    return [dict(zip(FIELDS, row)) for row in found]


def differences(rows, seen, ignored):
    """The drift, without what is in storages that could not be looked into, and without fields that do not count."""
    visible = [row for row in rows if not seen.hides(row)]
    found = [one for one in seen.entries if not seen.hides(one)]
    return [one for one in drift.compare(visible, found) if one["field"] not in ignored]


def take_in(records, rows, seen, kinds, open_entries):
    """Write what a host has, forget what it has no more, and end what was left open; in a transaction of the caller's."""
    there = {drift.resource_key(one) for one in seen.entries}
    gone = [row for row in rows if drift.resource_key(row) not in there and not seen.hides(row)]
    records.write(seen.entries + [entry(row["kind"], row["name"], row["storage"]) for row in gone])
    for kind in kinds:
        KINDS[kind].write_passing(records, [one["found"] for one in seen.entries if one["kind"] == kind])
    if set(kinds) == set(KINDS):
        records.connection.execute("UPDATE hosts SET synced_at = now() WHERE id = %s", (records.host.id,))
    records.connection.execute(
        "UPDATE operations SET status = 'unknown', ended_at = now(), host_id = %s, message = %s WHERE id = ANY(%s)",
        (records.host.id, ORPHANED, [one["id"] for one in open_entries]),
    )


def plain(rows):
    """Rows with times as text."""
    return [{key: value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else value for key, value in row.items()} for row in rows]
