# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of volumes: among the runs on this host, and in a storage that hosts share among the runs of all of them.

The server of a network filesystem keeps record locks for its clients (NFS 4 itself, NFS 3 by lockd), so the same kind of lock
works on a file in the storage.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict

from ..host import silence
from ..names import FOLDER
from . import locks

FILE = os.path.join(FOLDER, ".locks")


@contextlib.contextmanager
def hold(hypervisor, exclusive=(), shared=(), timeout=60):
    """locks.hold, and the same in every shared storage for the keys `volume/<storage>/<name>` in it."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(locks.hold(exclusive, shared, timeout))
        wanted = by_root(hypervisor, exclusive, shared)
        for root in sorted(wanted):
            stack.enter_context(locks.hold(*wanted[root], timeout, lock_file(root)))
        yield


def holder(hypervisor, storage, name):
    """The id of a process that works on a volume, on whichever host, or None."""
    here = locks.holder(f"volume/{storage}/{name}")
    root = shared_roots(hypervisor).get(storage)
    return locks.holder(f"volume/{name}", lock_file(root)) if here is None and root else here


def by_root(hypervisor, exclusive, shared):
    """{root: ([exclusive], [shared])} of the volumes in shared storages; a host may call the storage what it likes."""
    roots, found = shared_roots(hypervisor), defaultdict(lambda: ([], []))
    for number, keys in enumerate((exclusive, shared)):
        for key in keys:
            kind, _slash, rest = key.partition("/")
            storage, _slash, name = rest.partition("/")
            if kind == "volume" and storage in roots:
                found[roots[storage]][number].append(f"volume/{name}")
    return found


def shared_roots(hypervisor):
    """{storage: directory} of the storages on network filesystems."""
    return {name: path for name, path in hypervisor.storage_paths().items() if silence.network_mount(path)} if hypervisor.is_local else {}


def lock_file(root):
    """The file whose bytes are locked; it is made with its folder."""
    os.makedirs(os.path.join(root, FOLDER), mode=0o755, exist_ok=True)
    return os.path.join(root, FILE)
