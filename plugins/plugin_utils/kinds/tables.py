# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the inventory as rows are written to them: many at once, and only where something differs."""

from __future__ import annotations

from dataclasses import dataclass

from ..database.client import json, storable

ASKED = {"asked": "jsonb", "recorded": "jsonb"}
WORDS = {"description": "text", "labels": "jsonb"}


@dataclass(frozen=True)
class Table:
    """A table: what makes a row unique, and the columns that are written, with their types."""

    name: str
    key: tuple
    columns: dict

    def source(self):
        """The rows of a parameter as a relation."""
        return f"jsonb_to_recordset(%s) AS new ({', '.join(f'{name} {kind}' for name, kind in self.columns.items())})"

    def upsert(self):
        """Insert rows, or update those that differ; answers the keys of the rows that were written."""
        columns, kept = list(self.columns), [name for name in self.columns if name not in self.key]
        compared = [name for name in kept if name != "asked"]
        sets = [f"{name} = EXCLUDED.{name}" for name in compared]
        differs = f"({', '.join(f'old.{name}' for name in compared)}) IS DISTINCT FROM ({', '.join(f'EXCLUDED.{name}' for name in compared)})"
        inserted, values = ", ".join(columns), ", ".join(f"new.{name}" for name in columns)
        if "asked" in kept:
            inserted, values = f"{inserted}, asked_at", f"{values}, CASE WHEN new.asked IS NOT NULL THEN now() END"
            other = "EXCLUDED.asked IS NOT NULL AND EXCLUDED.asked IS DISTINCT FROM old.asked"
            sets += ["asked = coalesce(EXCLUDED.asked, old.asked)", f"asked_at = CASE WHEN {other} THEN now() ELSE old.asked_at END", "recorded_at = now()"]
            differs = f"{differs} OR ({other})"
        return (
            f"INSERT INTO {self.name} AS old ({inserted}) SELECT {values} FROM {self.source()} "
            f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {', '.join(sets)} WHERE {differs} RETURNING {', '.join(self.key)}"
        )

    def insert(self):
        """Insert rows of which nothing is there."""
        columns = ", ".join(self.columns)
        return f"INSERT INTO {self.name} ({columns}) SELECT {columns} FROM {self.source()}"

    def write(self, connection, rows):
        """The keys of the rows that were new or different. All write in the order of keys, so that nobody waits for one who waits for him."""
        single = {tuple(storable(str(row[name])) for name in self.key): row for row in rows}  # the last of what the database cannot tell apart
        ordered = [{name: single[key].get(name) for name in self.columns} for key in sorted(single)]
        return connection.execute(self.upsert(), (json(ordered),)).fetchall() if rows else []

    def add(self, connection, rows):
        """Rows of which nothing is there."""
        if rows:
            connection.execute(self.insert(), (json(rows),))
