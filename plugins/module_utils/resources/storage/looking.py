# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the directories of storages in child processes with a time limit: a mount that hangs never hangs the play."""

from __future__ import annotations

import os

from ...files.catalogue import Catalogue
from ...host import bounded, silence

RECORD = ".storage"  # the catalogue's key of the storage itself: no volume's name begins with a dot
TIMEOUT = silence.TIMEOUT


def look(paths, timeout=TIMEOUT):
    """{path: what was seen, or {"error": words}}, all at the same time, each within `timeout` seconds.

    Seen: capacity, available and allocation in bytes, `record` (of the storage), `kinds` ({file: volume or image} of those
    that have a record) and `names`.
    """
    points = silence.look(timeout) if paths else []
    seen = {path: {"error": f"does not answer within {timeout} s", "hangs": True} for path in paths if points and silence.silent(path)}
    found = bounded.call_all({path: lambda path=path: seen_at(path) for path in paths if path not in seen}, timeout)
    late = {path: {"error": f"does not answer within {timeout} s", "hangs": True} for path in paths}
    return {**late, **found, **seen}


def seen_at(path):
    """Runs in a child."""
    try:
        space = os.statvfs(path)
        names = os.listdir(path)
        catalogue = Catalogue(path)
        records = catalogue.read()
        capacity, free = space.f_blocks * space.f_frsize, space.f_bfree * space.f_frsize
        return {
            "capacity": capacity,
            "allocation": capacity - free,
            "available": space.f_bavail * space.f_frsize,
            "names": names,
            "record": catalogue.get(RECORD),
            "kinds": {name: record.get("kind", "volume") for name, record in records.items() if name in names},
        }
    except OSError as error:
        return {"error": f"{error.strerror} ({error.filename or path})"}
