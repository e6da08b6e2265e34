# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who depends on a file: machines and their snapshots, and overlays, in whatever storage of the host they are."""

from __future__ import annotations

import os
from collections import defaultdict

from ..errors import IntakeError
from ..host import silence
from ..locking.leases import Leases
from . import qcow2
from .catalogue import Catalogue


class Graph:
    """The backing files of everything on one host; the overlays are read when they are first asked for, users at each question."""

    def __init__(self, hypervisor):
        self.hypervisor = hypervisor
        self.backing = {}
        self.tops = defaultdict(list)
        self.storages = None

    def users(self, path):
        """Who would miss the file, in words: "vm web1", "volume a.qcow2 (overlay, in storage fast)"."""
        return [f"vm {name}" for name in self.vms(path)] + [self.overlay_words(one) for one in self.overlays(path)] + self.elsewhere(path) + self.unknown(path)

    def elsewhere(self, path):
        """The machine of another host that has the file, where its storage is shared."""
        folder, name = os.path.split(path)
        there = Leases(folder).holder(name) if not silence.silent(path) and silence.network_mount(path) else None
        own = there and there.get("host") == self.hypervisor.identity()["host"]
        return [f"vm {there.get('vm')} on host {there.get('hostname')}"] if there and not own else []

    def unknown(self, path):
        """Storages that cannot be looked at now: an overlay in them may need the file."""
        silent = [] if silence.silent(path) else self.hypervisor.silent_storages()
        return [f"perhaps an overlay in storage {name}, which does not answer" for name in silent]

    def vms(self, path):
        """The machines that name the file in their definition, running XML or snapshots."""
        return sorted(self.hypervisor.file_users().get(silence.real(path), ()))

    def overlays(self, path):
        """The files whose backing file it is."""
        self.read()
        return sorted(self.tops.get(silence.real(path), ()))

    def chain(self, path):
        """Its backing files, nearest first."""
        self.read()
        found, current = [], self.follow(silence.real(path))
        while current and current not in found:
            found.append(current)
            current = self.follow(current)
        return found

    def overlay_words(self, path):
        """An overlay as people know it."""
        storage = self.storages.get(os.path.dirname(path))
        return f"volume {os.path.basename(path)} (overlay, in storage {storage})" if storage else f"{path} (overlay)"

    def read(self):
        """Look at every file of every active storage, and at every file a machine names."""
        if self.storages is not None:
            return
        self.storages = {silence.real(root): name for name, root in self.hypervisor.storage_paths().items()}
        for root in self.storages:
            for path in files_of(root):
                self.follow(path)
        for path in list(self.hypervisor.file_users()):
            self.chain(path)

    def follow(self, path):
        """The backing file of one file, or None; each is opened once."""
        if path not in self.backing:
            self.backing[path] = backing_of(path)
            if self.backing[path]:
                self.tops[self.backing[path]].append(path)
        return self.backing[path]


def files_of(root):
    """The regular files of a storage, without hidden ones."""
    try:
        with os.scandir(root) as entries:
            return [os.path.realpath(one.path) for one in entries if not one.name.startswith(".") and one.is_file()]
    except OSError:
        return []


def backing_of(path):
    """The real path of a file's backing file; None for none, and for files that are gone or damaged."""
    try:
        backing = qcow2.probe(path)["backing"] if not silence.silent(path) and os.path.isfile(path) else None
    except (OSError, IntakeError):
        return None
    if not backing or not backing.startswith("/") or is_recorded_raw(path):
        return None
    return silence.real(backing)


def is_recorded_raw(path):
    """True for a raw volume, which has no backing file, whatever header its guest wrote to it."""
    folder, name = os.path.split(path)
    record = Catalogue(folder).get(name)
    return record.get("format") == "raw" and not record.get("changing")
