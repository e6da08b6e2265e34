# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the directories of storages in child processes with a time limit: a mount that hangs never hangs the play."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import time

from ..catalogue import Catalogue

RECORD = ".storage"  # the catalogue's key of the storage itself: no volume's name begins with a dot
TIMEOUT = 10  # seconds


def look(paths, timeout=TIMEOUT):
    """{path: what was seen, or {"error": words}}, all at the same time, each within `timeout` seconds.

    Seen: capacity, available and allocation in bytes, `record` (of the storage), `kinds` ({file: volume or image} of those
    that have a record) and `names`.
    """
    waiting = {}
    for path in paths:
        reader, child = begin(path)
        waiting[reader] = (path, child)
    seen, parts = {}, dict.fromkeys(waiting, b"")
    deadline = time.monotonic() + timeout
    while waiting:
        ready = select.select(list(waiting), [], [], max(0, deadline - time.monotonic()))[0]
        for reader in ready:
            part = os.read(reader, 65536)
            parts[reader] += part
            if not part:
                path, child = waiting.pop(reader)
                seen[path] = finished(reader, child, parts[reader])
        if not ready and time.monotonic() >= deadline:
            for reader, (path, child) in waiting.items():
                seen[path] = given_up(reader, child, timeout)
            waiting = {}
    return seen


def begin(path):
    """Start one look: (end of the pipe it tells through, process id)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            gc.disable()  # it could close libvirt's connection, which is the parent's
            only_descriptor(writer)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(json.dumps(seen_at(path)).encode("utf-8", "backslashreplace"))
        finally:
            os._exit(0)
    os.close(writer)
    return reader, child


def only_descriptor(kept):
    """Let go of everything else, so that a hung child keeps nobody waiting for the end of its output."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.closerange(3, kept)
    os.closerange(kept + 1, 65536)


def finished(reader, child, text):
    """What a child that ended has told."""
    os.close(reader)
    os.waitpid(child, 0)
    try:
        return json.loads(text.decode("utf-8"))
    except ValueError:
        return {"error": "could not be looked at: the look ended early"}


def given_up(reader, child, timeout):
    """Leave a child that does not come back; one that hangs in the kernel cannot even be killed, so it is not waited for."""
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, os.WNOHANG)
    return {"error": f"does not answer within {timeout} s", "hangs": True}


def seen_at(path):
    """Runs in the child."""
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
