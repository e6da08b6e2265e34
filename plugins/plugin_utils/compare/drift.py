# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the inventory and a host, field by field: pure functions of plain data."""

from __future__ import annotations

from ..kinds import KINDS

COLUMNS = {
    "KIND": "kind",
    "NAME": "where",
    "DRIFT": "drift",
    "FIELD": "field",
    "ASKED": "asked",
    "RECORDED": "recorded",
    "FOUND": "found",
    "SINCE": "since",
}
WHOLE = dict.fromkeys(("field", "asked", "recorded", "found"))  # of what differs as a whole


def compare(rows, entries):
    """A list of dicts: what the inventory has and the host has not, what it has more, and every field that differs.

    `rows` are dicts with kind, storage, name, asked, recorded and recorded_at; `entries` what was found, as Records takes them.
    """
    known = {resource_key(row): row for row in rows}
    found = {resource_key(entry): entry for entry in entries}
    drift = []
    for key in sorted(set(known) | set(found)):
        row, entry = known.get(key), found.get(key)
        about = {"kind": key[0], "storage": key[1] or None, "name": key[2], "where": "/".join(filter(None, key[1:])), "since": row and row["recorded_at"]}
        if row and entry:
            drift += [{**about, "drift": "changed", **field} for field in fields(row, entry["found"])]
        else:
            drift.append({**about, "drift": "missing" if row else "unexpected", **WHOLE})
    return drift


def resource_key(one):
    """What identifies a resource on a host."""
    return (one["kind"], one["storage"] or "", one["name"])


def fields(row, found):
    """The fields of one resource that differ."""
    recorded, now = (flat(KINDS[row["kind"]].lasting(state)) for state in (row["recorded"], found))
    names = sorted(name for name in set(recorded) | set(now) if recorded.get(name) != now.get(name))
    return [{"field": name, "asked": asked(row["asked"], name.split(".")), "recorded": recorded.get(name), "found": now.get(name)} for name in names]


def flat(value, prefix=""):
    """{"disks.root.bus": value}; lists are values."""
    found = {}
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            found.update(flat(inner, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = inner
    return found


def asked(options, path):
    """What a task said of a field: devices are lists of dicts with a name there."""
    for part in path:
        if isinstance(options, list):
            options = next((one for one in options if isinstance(one, dict) and one.get("name") == part), None)
        else:
            options = options.get(part) if isinstance(options, dict) else None
    return options
