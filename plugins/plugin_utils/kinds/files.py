# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What volumes and images have in common: files in storages."""

from __future__ import annotations

from ...module_utils.errors import IntakeError
from ..database.client import json
from .columns import FILES, LIST, STATES, STORAGE, TEXT, Relation, columns, hosts_of
from .kind import row
from .tables import ASKED, WORDS, Table


def table(name, own):
    """The table of a kind of files; `own` is the one column that the other kind has not."""
    shared = {"storage_id": "bigint", "name": "text", "format": "text", "size": "bigint", "source": "text"}
    return Table(name, ("storage_id", "name"), {**shared, **WORDS, **ASKED, own: "text"})


def relation(name, own):
    """What can be asked of them."""
    return Relation(
        f"{name} JOIN storages ON storages.id = {name}.storage_id",
        {**columns(name, **FILES, **STATES, **{own: TEXT}), "storage": STORAGE, "hosts": (LIST, hosts_of(f"{name}.storage_id"))},
        ("storage", "name", "format", "size", own, "source", "labels", "description", "recorded_at"),
        ("storage", "name", "id"),
    )


def rows(noun, name):
    """The SQL that finds those of a host."""
    return (
        f"SELECT '{noun}', host_storages.name, {name}.name, {name}.asked, {name}.recorded, {name}.recorded_at "
        f"FROM {name} JOIN host_storages USING (storage_id) WHERE host_id = %s"
    )


def writer(table):
    """A writer of entries; what is not there any more, or bears another name now, is forgotten.

    It raises IntakeError for what is in a storage that has no row.
    """

    def write(records, kind, entries):
        lost = sorted({f"{one['found']['storage']}/{one['found']['name']}" for one in entries if one["found"] and one["found"]["storage"] not in records.known})
        if lost:
            raise IntakeError(f"{', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}: the inventory does not know the storage", "unknown_storage")
        found = [{**one["found"], **row(kind, one), "storage_id": records.known[one["found"]["storage"]][0]} for one in entries if one["found"]]
        left = [one for one in entries if is_left(one) and one["storage"] in records.known]
        gone = [{"storage_id": records.known[one["storage"]][0], "name": one["name"]} for one in left]
        if gone:
            records.connection.execute(
                f"DELETE FROM {table.name} AS old USING jsonb_to_recordset(%s) AS new (storage_id bigint, name text) "
                "WHERE old.storage_id = new.storage_id AND old.name = new.name",
                (json(gone),),
            )
        table.write(records.connection, found)

    return write


def is_left(entry):
    """True where nothing is any more at the place that was asked for."""
    return not entry["found"] or (entry["found"]["storage"], entry["found"]["name"]) != (entry["storage"], entry["name"])
