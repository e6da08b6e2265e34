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
import time

from .errors import IntakeError

FLOCK = "hhqqi4x"  # struct flock of Linux on 64-bit machines: type, whence, start, length, pid
PAUSE = 0.1


@contextlib.contextmanager
def hold(exclusive=(), shared=(), timeout=60, path=None):
    """Hold a lock per key while the block runs; keys are words such as "vm/web1".

    Always taken in the order of their bytes, so two calls cannot wait for each other. timeout: seconds for all of them.
    Raises IntakeError, reason `locked`, naming the process that holds it.
    """
    kinds = {offset_of(key): (key, fcntl.F_RDLCK) for key in shared}
    kinds.update({offset_of(key): (key, fcntl.F_WRLCK) for key in exclusive})
    deadline = time.monotonic() + timeout
    descriptor = os.open(path or default_path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for offset in sorted(kinds):
            wait_for(descriptor, offset, kinds[offset][1], kinds[offset][0], deadline)
        yield
    finally:
        os.close(descriptor)


def wait_for(descriptor, offset, kind, key, deadline):
    """Take one lock, or say who has it once the deadline (monotonic seconds) is over."""
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLK, struct.pack(FLOCK, kind, os.SEEK_SET, offset, 1, 0))
            return
        except OSError as taken:
            if time.monotonic() >= deadline:
                raise IntakeError(
                    f"{key.replace('/', ' ', 1)}: another run is changing it (process {holder(descriptor, offset, kind)}); "
                    "wait for it to end, or raise lock_timeout",
                    "locked",
                ) from taken
        time.sleep(PAUSE)


def holder(descriptor, offset, kind):
    """The process that holds a lock, or "just ended"."""
    asked = struct.pack(FLOCK, kind, os.SEEK_SET, offset, 1, 0)
    found = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return "just ended" if found[0] == fcntl.F_UNLCK else found[4]


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
