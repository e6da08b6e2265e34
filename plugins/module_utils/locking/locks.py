# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between plays on one host: one file for all, one byte of it for each resource.

POSIX record locks (fcntl(2), F_SETLK) end with the process, kill -9 included, so nothing is ever left behind;
a thousand of them need one file descriptor. They are held by the process: its threads share them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
import tempfile
import threading
import time
from collections import Counter

from ..errors import IntakeError

FLOCK = "hhqqi4x"  # struct flock of Linux on 64-bit machines: type, whence, start, length, pid
PAUSE = 0.1
DESCRIPTORS: dict = {}  # by path, open until the process ends: closing any descriptor of a file drops all its record locks
HELD: Counter = Counter()  # (path, byte): how many blocks of this process hold it
GUARD = threading.Lock()


@contextlib.contextmanager
def hold(exclusive=(), shared=(), timeout=60, path=None):
    """Hold a lock per key while the block runs; keys are words such as "vm/web1".

    Always taken in the order of their bytes, so two calls cannot wait for each other. timeout: seconds for all of them.
    A key that this process holds already is held on. Raises IntakeError, reason `locked`, naming the process that holds it.
    """
    path = path or default_path()
    kinds = {offset_of(key): (key, fcntl.F_RDLCK) for key in shared}
    kinds.update({offset_of(key): (key, fcntl.F_WRLCK) for key in exclusive})
    deadline, taken = time.monotonic() + timeout, []
    try:
        for offset in sorted(kinds):
            take(path, offset, kinds[offset], deadline)
            taken.append(offset)
        yield
    finally:
        for offset in taken:
            release(path, offset)


def take(path, offset, kind, deadline):
    """Take one lock unless this process has it, or say who has it once the deadline (monotonic seconds) is over."""
    key, how = kind
    while True:
        with GUARD:
            if HELD[path, offset]:
                HELD[path, offset] += 1
                return
            try:
                control(path, fcntl.F_SETLK, how, offset)
                HELD[path, offset] = 1
                return
            except OSError as busy:
                if time.monotonic() >= deadline:
                    who = f"process {holder(key, path)}"
                    said = f"{key.replace('/', ' ', 1)}: another run is changing it ({who}); wait for it to end, or raise lock_timeout"
                    raise IntakeError(said, "locked") from busy
        time.sleep(PAUSE)


def release(path, offset):
    """Give one lock back once no block of this process needs it."""
    with GUARD:
        HELD[path, offset] -= 1
        if not HELD[path, offset]:
            del HELD[path, offset]
            control(path, fcntl.F_SETLK, fcntl.F_UNLCK, offset)


def holder(key, path=None):
    """The id of another process that holds this key, or None; this process's own locks do not count."""
    kind, _whence, _start, _length, pid = struct.unpack(FLOCK, control(path or default_path(), fcntl.F_GETLK, fcntl.F_WRLCK, offset_of(key)))
    return None if kind == fcntl.F_UNLCK else pid


def control(path, command, kind, offset):
    """One fcntl call on one byte of the lock file."""
    if path not in DESCRIPTORS:
        DESCRIPTORS[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return fcntl.fcntl(DESCRIPTORS[path], command, struct.pack(FLOCK, kind, os.SEEK_SET, offset, 1, 0))


def offset_of(key):
    """The byte of a key: 56 bits of its SHA-256, so that two resources never meet in practice."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:7], "big")


def default_path():
    """Root's lock file lives in /run; another user's in a folder that only that user can write."""
    if os.geteuid() == 0:
        folder = "/run/intake.vms"
    else:
        folder = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), f"intake.vms-{os.geteuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.stat(folder).st_uid != os.geteuid():
        raise IntakeError(f"{folder} belongs to another user; locks are not taken there", "lock_folder")
    return os.path.join(folder, "locks")
