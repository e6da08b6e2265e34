# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a resource may bear: they become file names, so nothing in them may lead elsewhere."""

from __future__ import annotations

from .errors import Refused

FOLDER = ".intake"  # what is ours in each storage: records, leases, locks
LONGEST = 200  # bytes; a file name has 255, and a hidden partial file adds to it


def check_name(noun, name):
    """The name unchanged, or Refused: exact names are kept, so what cannot be a file name is never mended silently."""
    fault = fault_of(name)
    if fault:
        raise Refused(f"{noun} {name!r}: the name {fault}", "invalid_name")
    return name


def fault_of(name):
    """Why a name cannot be used, or None."""
    if not name or name != name.strip():
        return "is empty, or begins or ends with a blank"
    if name[0] in ".-":
        return f"begins with {name[0]!r}"
    if "/" in name:
        return "contains a slash"
    if not name.isprintable():
        return "contains a character that cannot be printed"
    if len(name.encode("utf-8", "surrogateescape")) > LONGEST:
        return f"is longer than {LONGEST} bytes"
    return None
