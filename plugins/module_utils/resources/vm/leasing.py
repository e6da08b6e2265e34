# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases on the disks of a machine in storages that other hosts share; on local storages there is nobody to keep out."""

from __future__ import annotations

import os
from collections import defaultdict

from ...errors import NotReachable, Refused
from ...files import qcow2
from ...files.graph import Graph
from ...flow.converge import Step
from ...host import silence
from ...locking.leases import Leases, is_same, words
from . import disks
from .definition import uuid_of


def owner_of(vms, name, have):
    """A machine of this host as the owner of leases."""
    return {"vm": name, "uuid": have.uuid if have else uuid_of(name), **vms.hypervisor.identity()}


def shared_files(vms, described):
    """{path: (root, volume)} of the disks that a machine writes alone in storages which other hosts share.

    Raises NotReachable where such a storage does not answer: whoever asks is about to open a file there.
    """
    found = {}
    for disk in described["disks"].values():
        path = disk["path"] if disks.is_writer(disk) else None
        if path and path.startswith("/") and vms.hypervisor.is_local and silence.network_mount(path):
            point = silence.silent(path)
            if point:
                raise NotReachable(f"{path} cannot be looked at: {point} does not answer; its server is away, or the network to it", "storage_hangs")
            found[path] = os.path.split(path)
    return found


def plan(vms, steps, have, want, after):
    """Refused where another host's machine has a disk; else puts the steps that take leases ahead, and answers {path: step} that gives back what goes."""
    owner = owner_of(vms, want["name"], have)
    mine = shared_files(vms, after)
    steps[:0] = [step for step in (acquisition(have, want, owner, path, *place) for path, place in mine.items()) if step]
    gone = {**kept(vms, owner, set(mine)), **shared_files(vms, have.description)} if have else {}
    return {path: giving_back(owner, *place) for path, place in gone.items() if path not in mine}


def kept(vms, owner, needed):
    """{path: (root, volume)} of leases that the machine has beside those it needs, of disks that it had until it stopped; nobody depends on them."""
    places = {os.path.join(root, name): (root, name) for _owner, root, name in all_leases(vms)[0].get((owner["uuid"], owner["host"]), ())}
    free = {path: place for path, place in places.items() if path not in needed and not qcow2.is_in_use(path)}
    graph = Graph(vms.hypervisor)  # which looks at nothing before it is asked
    return {path: place for path, place in free.items() if not graph.users(path)}


def all_leases(vms):
    """({(machine's UUID, host): [(owner, root, volume)]}, faults) of the storages that other hosts share; read once in a call, whatever its machines."""

    def read():
        found, faults = defaultdict(list), []
        for root in vms.hypervisor.storage_paths().values() if vms.hypervisor.is_local else ():
            try:
                leases = Leases(root).all() if silence.network_mount(root) else {}
            except OSError as error:
                faults.append(f"the leases in {root} cannot be read: {error.strerror}")
                continue
            for name, owner in leases.items():
                found[owner.get("uuid"), owner.get("host")].append((owner, root, name))
        return found, faults

    return vms.hypervisor.once("leases", read)


def unheld(vms, have):
    """The steps that take the leases nobody has, for a machine that stays as it is and off: it does no harm, whoever has its disks."""
    try:
        places = shared_files(vms, have.description).values()
    except NotReachable:
        return []
    owner = owner_of(vms, have.name, have)
    free = [(root, name) for root, name in places if not Leases(root).holder(name)]
    return [Step("lease", name, lambda root=root, name=name: Leases(root).take(name, owner), silent=True) for root, name in free]


def acquisition(have, want, owner, path, root, name):
    """The step that takes one lease, None where the machine has it."""
    leases = Leases(root)
    there = leases.holder(name)
    if there is None:
        return Step("lease", name, lambda: leases.take(name, owner), silent=True)
    if is_same(there, owner):
        return None
    if is_ours(there, owner) and have and have.is_active:  # it runs here and writes: this host's UUID has changed since
        return Step("lease", name, lambda: leases.give(name, there, owner), silent=True)
    if not want.get("takeover"):
        raise Refused(f"vm {want['name']}: {words(name, there, owner)}", "volume_leased")
    if os.path.exists(path) and qcow2.is_open(path):
        raise Refused(f"vm {want['name']}: volume {name} is open in a QEMU of some host now, so it is not taken over", "volume_in_use")
    return Step("take over", f"{name} from vm {there.get('vm')} on {there.get('hostname')}", lambda: leases.give(name, None, owner))


def is_ours(there, owner):
    """True for the same machine on a host of the same name, whatever the host's UUID was."""
    return all(there.get(key) == owner[key] for key in ("vm", "uuid", "hostname"))


def giving_back(owner, root, name):
    """The step that ends one lease."""
    return Step("release", name, lambda: Leases(root).release(name, owner), silent=True)


def releases(vms, have):
    """{path: step that ends its lease} of a machine that is removed."""
    owner = owner_of(vms, have.name, have)
    mine = shared_files(vms, have.description)
    places = {**kept(vms, owner, set(mine)), **mine}
    return {path: giving_back(owner, *place) for path, place in places.items()}


def left_behind(vms, name, warnings):
    """The steps that end leases of a machine that is not defined here any more, after a killed run or virsh undefine.

    One whose file is open stays: a migration that was killed took the machine to another host, and the next run of it hands the lease over.
    """
    host, known = vms.hypervisor.identity()["host"], {domain.UUIDString() for domain in vms.hypervisor.domains().values()}
    leases, faults = all_leases(vms)
    warnings += faults
    places = [one for (uuid, place), held in leases.items() if place == host and uuid not in known for one in held]
    found = [one for one in places if one[0].get("vm") == name]
    opened = [one for one in found if qcow2.is_in_use(os.path.join(*one[1:]))]
    warnings += [f"vm {name}: volume {volume} is open on some host, so its lease stays" for _owner, _root, volume in opened]
    return [giving_back(*one) for one in found if one not in opened]


def foreign(vms, have):
    """Words about a volume of a machine that belongs to another host now, or None."""
    owner = owner_of(vms, have.name, have)
    for root, name in shared_files(vms, have.description).values():
        there = Leases(root).holder(name)
        if there and not is_same(there, owner) and not (have.is_active and is_ours(there, owner)):
            return f"volume {name} belongs to vm {there.get('vm')} on host {there.get('hostname')} now"
    return None
