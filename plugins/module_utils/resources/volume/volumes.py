# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes: disk files in a storage, their names exactly as given."""

from __future__ import annotations

import contextlib
import os

from ...errors import Refused
from ...files import transfer
from ...files.graph import Graph
from ...flow.converge import DESTRUCTIVE, Plan, Resource, Step, selected
from ...host.hypervisor import faults
from ...locking import shared_locks
from ...locking.leases import end_own
from ...names import check_name
from . import creation, reading
from .changes import plan as plan_changes

SPEC = {
    "name": {"type": "str"},
    "storage": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "size": {"type": "str"},
    "format": {"type": "str", "choices": ["qcow2", "raw"]},
    "preallocation": {"type": "str", "choices": ["off", "metadata", "falloc", "full"]},
    "image": {"type": "str"},
    "image_storage": {"type": "str"},
    "source_volume": {"type": "str"},
    "source_storage": {"type": "str"},
    "clone": {"type": "str", "choices": ["auto", "full", "linked"], "default": "auto"},
    "description": {"type": "str"},
    "read_only": {"type": "bool"},
    "labels": {"type": "dict"},
    "new_name": {"type": "str"},
    "new_storage": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
}
INFO_SPEC = {
    "names": {"type": "list", "elements": "str"},
    "storage": {"type": "str"},
    "labels": {"type": "dict"},
    "state": {"type": "str", "choices": ["used", "unused"]},
}


class Volumes(Resource):
    """The volumes of one hypervisor; a `have` is a dict, see reading.read."""

    noun, plural, spec = "volume", "volumes", SPEC
    workers = 4  # qemu-img is a program of its own

    def __init__(self, hypervisor=None, options=None):
        super().__init__(hypervisor, options)
        self.faults = (OSError,) + faults()
        self.graph = Graph(hypervisor)
        self.touched = set()
        self.engaged = {}

    def identity(self, want):
        """The same name may be in two storages."""
        return want["storage"], want["name"]

    @contextlib.contextmanager
    def held(self, wants):
        """The volumes, their new names and sources, and the storages they are in; leftovers of killed runs go first."""
        shared, volumes = keys_of(wants)
        with shared_locks.hold(self.hypervisor, exclusive=volumes, shared=shared, timeout=self.options.get("lock_timeout", 60)):
            self.sweep({storage for want in wants if want.get("storage") for storage, _name in locations(want)})
            yield

    def sweep(self, storages):
        """Remove partial files that no process works on."""
        for storage, root in self.hypervisor.storage_paths().items() if self.hypervisor.is_local else ():
            if storage in storages and os.path.isdir(root):
                for name in transfer.leftovers(root):
                    if shared_locks.holder(self.hypervisor, storage, name) is None:
                        transfer.discard_partial(root, name)

    def read(self, wants):
        """What is there under each name; where a rename or move is asked for and done, what it became."""
        if wants and not self.hypervisor.is_local:
            raise Refused(
                f"volumes are files of the hypervisor; run the task there instead of using the URI {self.hypervisor.uri}", "remote_uri"
            )
        return [self.find(want) for want in wants]

    def find(self, want):
        """One `have`, or None."""
        if not want.get("storage"):
            raise Refused(f"volume {want['name']}: say its storage", "storage_missing")
        for storage, name in locations(want):
            have = reading.read(self, storage, check_name(self.noun, name))
            if have:
                return have
        return None

    def plan(self, have, want):
        """What one volume needs."""
        plan = Plan(want["name"])
        if have and have["kind"] == "image":
            raise Refused(f"volume {want['name']}: is an image; intake_image keeps it", "kind_mismatch")
        if want["state"] == "absent":
            if have:
                self.plan_removal(plan, have, want)
        elif have is None:
            creation.plan(self, plan, want)
        else:
            plan_changes(self, plan, have, want)
        return plan

    def plan_removal(self, plan, have, want):
        """Delete a file that nobody uses."""
        if want.get("read_only") is not False:
            self.refuse_read_only(have, "removed")
        self.refuse_used(have, "removed")
        self.engage(want, have["path"])
        shown = {key: (have[key], None) for key in ("path", "size", "format", "description") if have[key]}
        plan.steps.append(Step("delete", "volume", lambda: self.delete(have), DESTRUCTIVE, fields=shown))

    def delete(self, have):
        """Unlink the file, then its record: a crash between leaves a record that no file belongs to, which is harmless."""
        os.unlink(have["path"])
        reading.catalogue(self, have["storage"]).remove(have["name"])
        end_own(have["path"], self.hypervisor.identity())
        self.touched.add(have["storage"])

    def engage(self, want, path, change=True):
        """Refuse items of one call that work on one file, unless all of them only read it: they run at the same time."""
        mine, here = self.identity(want), self.engaged.setdefault(path, {})
        for other, changes in here.items():
            if other != mine and (change or changes):
                raise Refused(
                    f"volume {want['name']}: {path} is worked on by volume {other[1]} of the same call; use a call of its own",
                    "conflicting_items",
                )
        here[mine] = change or here.get(mine, False)

    def refuse_used(self, have, what):
        """Nothing is done to a file that somebody depends on or has open."""
        users = self.graph.users(have["path"])
        if users:
            raise Refused(f"volume {have['name']}: is used by {', '.join(users)}; it cannot be {what} meanwhile", "volume_in_use")
        reading.refuse_open(have, what)

    def refuse_read_only(self, have, what):
        """read_only is a promise that only its owner takes back."""
        if have["read_only"]:
            raise Refused(f"volume {have['name']}: is read-only, so it is not {what}; read_only: false takes that back", "read_only")

    def settle(self):
        """libvirt looks at the storages again."""
        touched, self.touched, self.engaged = self.touched, set(), {}
        for storage in sorted(touched):
            self.hypervisor.refresh(storage)
        self.graph = Graph(self.hypervisor)
        super().settle()

    def show(self, have):
        """All that is known of it."""
        return {key: value for key, value in have.items() if not key.startswith("_")}

    def list(self, params):
        """The volumes that pass the filters; what cannot be read is told apart."""
        found, unread = [], []
        if params.get("storage"):
            self.hypervisor.storage_path(params["storage"])
        for storage in sorted(self.hypervisor.storage_paths()):
            if params.get("storage") in (None, storage):
                found += [self.monitored(have) for have in reading.read_all(self, storage, unread)]
        return {"volumes": [one for one in found if selected(one, params)], "unreadable": unread}

    def monitored(self, have):
        """With its users, its backing chain and whether it is open now."""
        users = self.graph.users(have["path"])
        facts = {"users": users, "backing_chain": self.graph.chain(have["path"]), "state": "used" if users else "unused"}
        return {**self.show(have), **facts, "open": reading.is_open(have)}


def locations(want):
    """Where a want may be: where it was, and where it shall be. What shall go is looked for under its own name only."""
    here, there = (want["storage"], want["name"]), reading.goal(want)
    return [here] if want["state"] == "absent" or there == here else [here, there]


def keys_of(wants):
    """Lock keys of what is only read (storages, sources of clones) and of volumes."""
    shared, volumes = set(), set()
    for want in wants:
        for storage, name in locations(want) if want.get("storage") else ():
            shared.add(f"storage/{storage}")
            volumes.add(f"volume/{storage}/{name}")
        shared.update(f"volume/{storage}/{name}" for storage, name in [reading.source_place(want)] if name)
    return shared, volumes
