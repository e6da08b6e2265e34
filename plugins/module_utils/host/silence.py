# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts whose server does not answer. They are found once in a process, in children, so that no look at a path hangs it.

A system call on a hard NFS mount waits for its server, however long that takes, and cannot be interrupted.
"""

from __future__ import annotations

import os

from . import bounded, mounts

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "fuse.glusterfs", "fuse.sshfs")
TIMEOUT = 10  # seconds
FOUND: dict = {}  # "mounts" of this host, and "paths", the mount points that are silent; asked at the first question


def look(timeout=TIMEOUT, proc="/proc"):
    """Ask every network mount for its space, all at the same time; the answer holds until the process ends."""
    FOUND["mounts"] = mounts.read(proc)
    paths = {mount.path for mount in FOUND["mounts"] if mount.fs in NETWORK}
    answered = bounded.call_all({path: lambda path=path: bool(probe(path)) for path in paths}, timeout) if paths else {}
    FOUND["paths"] = sorted(paths - set(answered))
    return FOUND["paths"]


def probe(path):
    """An error is an answer too; statvfs(2) asks the server, and no cache."""
    try:
        os.statvfs(path)
    except OSError:
        pass
    return True


def network_mount(path):
    """The mount point of the network filesystem that a path is on, or None; found without a look at the path."""
    plain = os.path.normpath(path)
    if "mounts" not in FOUND:
        look()
    last = mounts.over(plain, FOUND["mounts"])
    return last.path if last and last.fs in NETWORK else None


def silent(path):
    """The mount point that does not answer and has the path in it, or None."""
    points = FOUND["paths"] if "paths" in FOUND else look()
    plain = os.path.normpath(path)
    return next((point for point in points if plain == point or plain.startswith(point + "/")), None) if points else None


def real(path):
    """os.path.realpath, which follows links by looking at every part of a path; a part on a silent mount is taken as it is."""
    return os.path.normpath(path) if silent(path) else os.path.realpath(path)
