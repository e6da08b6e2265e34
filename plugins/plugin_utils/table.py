# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of dicts as lines of a table."""

from __future__ import annotations

from collections.abc import Mapping

from ..module_utils.errors import Refused
from ..module_utils.units import about


def table(rows, columns):
    """Lines of a table; what a row does not have is a dash."""
    if not isinstance(columns, Mapping) or not columns:
        raise Refused("table: columns is a dictionary from heading to key", "invalid_options")
    lines = [[str(heading) for heading in columns]]
    lines += [[cell(row, str(key)) for key in columns.values()] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines]


def cell(row, key):
    """The text of one cell."""
    path, _bar, form = key.partition("|")
    value = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None or value == "" or value == []:
        return "-"
    if form == "size":
        return about(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else str(value)
