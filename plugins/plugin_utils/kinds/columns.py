# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of a table or view of the inventory: its columns, their types, and the fixed SQL behind each."""

from __future__ import annotations

from dataclasses import dataclass

TEXT, UUID, MAC, INTEGER, NUMBER, BYTES, FLAG, TIME, LIST, LABELS, JSON = (
    "text", "UUID", "MAC address", "integer", "number", "size", "boolean", "time", "list", "labels", "JSON",
)  # fmt: skip


@dataclass(frozen=True)
class Relation:
    """A table or view: `source` is what stands behind FROM, `columns` maps a name to (type, SQL expression)."""

    source: str
    columns: dict
    fields: tuple
    sort: tuple


def columns(table, **types):
    """Columns that are called as in their table."""
    casts = {UUID: "::text", MAC: "::text"}
    return {name: (kind, f"{table}.{name}{casts.get(kind, '')}") for name, kind in types.items()}


def hosts_of(storage):
    """The names of the hosts that have a storage."""
    return f"ARRAY(SELECT hosts.name FROM host_storages JOIN hosts ON hosts.id = host_storages.host_id WHERE storage_id = {storage} ORDER BY 1)"


STATES = {"description": TEXT, "labels": LABELS, "asked": JSON, "recorded": JSON, "asked_at": TIME, "recorded_at": TIME}
STORAGE, HOST = (TEXT, "storages.name"), (TEXT, "hosts.name")
FIGURES = {"capacity": BYTES, "allocation": BYTES, "available": BYTES}
FILES = {"name": TEXT, "format": TEXT, "size": BYTES, "source": TEXT, "id": INTEGER, "storage_id": INTEGER}
