# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases on the disks of a machine in storages that other hosts share; on local storages there is nobody to keep out."""

from __future__ import annotations

import os

from ... import qcow2, silence
from ...converge import Step
from ...errors import Refused
from ...leases import Leases, is_same, words
from . import disks
from .definition import uuid_of


def owner_of(vms, name, have):
    """A machine of this host as the owner of leases."""
    return {"vm": name, "uuid": have.uuid if have else uuid_of(name), **vms.hypervisor.identity()}


def shared_files(vms, described):
    """{path: (root, volume)} of the disks that a machine writes alone in storages which other hosts share."""
    found = {}
    for disk in described["disks"].values():
        path = disk["path"] if disks.is_writer(disk) else None
        if path and path.startswith("/") and vms.hypervisor.is_local and silence.network_mount(path):
            found[path] = os.path.split(path)
    return found


def plan(vms, steps, have, want, after):
    """Refused where another host's machine has a disk; else the steps that take the leases, ahead of all others, and give back what goes."""
    owner = owner_of(vms, want["name"], have)
    mine = shared_files(vms, after)
    taking = [step for step in (acquisition(want, owner, path, *place) for path, place in mine.items()) if step]
    steps[:0] = taking
    gone = shared_files(vms, have.description) if have else {}
    steps += [giving_back(owner, *place) for path, place in gone.items() if path not in mine]


def acquisition(want, owner, path, root, name):
    """The step that takes one lease, None where the machine has it."""
    leases = Leases(root)
    there = leases.holder(name)
    if there is None:
        return Step("lease", name, lambda: leases.take(name, owner), silent=True)
    if is_same(there, owner):
        return None
    if not want.get("takeover"):
        raise Refused(f"vm {want['name']}: {words(name, there, owner)}", "volume_leased")
    if os.path.exists(path) and qcow2.is_open(path):
        raise Refused(f"vm {want['name']}: volume {name} is open in a QEMU of some host now, so it is not taken over", "volume_in_use")
    return Step("take over", f"{name} from vm {there.get('vm')} on {there.get('hostname')}", lambda: leases.give(name, None, owner))


def giving_back(owner, root, name):
    """The step that ends one lease."""
    return Step("release", name, lambda: Leases(root).release(name, owner), silent=True)


def releases(vms, have):
    """The steps that end all leases of a machine that is removed."""
    owner = owner_of(vms, have.name, have)
    return [giving_back(owner, *place) for place in shared_files(vms, have.description).values()]
