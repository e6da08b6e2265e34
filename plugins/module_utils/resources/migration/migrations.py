# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving machines to another hypervisor as a resource: where a machine is, and the steps that bring it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import NotFound, Refused
from ...flow.converge import Plan, Resource, Step
from ...host.hypervisor import faults
from ...locking import shared_locks
from ...locking.leases import Leases, is_same, words
from ..vm import leasing
from ..vm.domain import domain_if_there
from . import destination, moving, needs, notes, obstacles

SPEC = {
    "name": {"type": "str"},
    "destination": {"type": "str"},
    "destination_uri": {"type": "str"},
    "migrate_uri": {"type": "str"},
    "timeout": {"type": "int", "default": 300},
    "connect_timeout": {"type": "int", "default": 30},
    "bandwidth": {"type": "int"},
    "auto_converge": {"type": "bool", "default": False},
}


@dataclass
class Whereabouts:
    """A machine as it is found: `here` and `other` are its Domains on this host and on the destination, None where it is not."""

    here: Any
    other: Any = None
    there: Any = None  # the Destination
    hostname: str = ""


class Migrations(Resource):
    """Machines of this hypervisor that are to be on another. A `have` is a Whereabouts."""

    noun, plural, spec = "vm", "vms", SPEC

    def __init__(self, hypervisor=None, options=None):
        super().__init__(hypervisor, options)
        self.faults = (OSError,) + faults()
        self.destinations = {}  # by URI
        self.promised = {}  # bytes of memory, by URI

    def held(self, wants):
        """The machines, and their volumes on all hosts: nobody defines, starts or grows them meanwhile."""
        paths = self.hypervisor.storage_paths()
        volumes = {f"volume/{name}/{path[len(root) + 1:]}" for path in self.paths(wants) for name, root in paths.items() if path.startswith(root + "/")}
        machines = [f"vm/{want['name']}" for want in wants]
        return shared_locks.hold(self.hypervisor, machines + sorted(volumes), [], self.options.get("lock_timeout", 60))

    def paths(self, wants):
        """The files of the disks of machines that are here."""
        domains = self.hypervisor.domains()
        haves = [domain_if_there(self.hypervisor, domains[want["name"]]) for want in wants if want["name"] in domains]
        self.hypervisor.forget()  # what is read before the locks are taken may change while they are waited for
        return {path for have in haves if have for path in leasing.shared_files(self, have.description)}

    def read(self, wants):
        """Each machine on both hosts. Raises NotReachable where a destination does not answer."""
        domains, hostname = self.hypervisor.domains(), self.hypervisor.identity()["hostname"]
        haves = []
        for want in wants:
            own = domains.get(want["name"])
            there = self.reach(want)
            other = destination.within(want["connect_timeout"], uri_of(want), lambda: find(there, want["name"])) if there else None
            haves.append(Whereabouts(domain_if_there(self.hypervisor, own) if own else None, other, there, hostname))
        return haves

    def reach(self, want):
        """The destination of a want, reached once; None where it says none."""
        uri = uri_of(want)
        if uri and uri not in self.destinations:
            self.destinations[uri] = destination.reach(uri, want["connect_timeout"])
        return self.destinations.get(uri)

    def plan(self, have, want):
        """Nothing where it is there already; else refused, or the move and what goes with it."""
        check_options(want)
        if have.here is None and have.other is None:
            raise NotFound(f"vm {want['name']}: is neither on {have.hostname} nor on {have.there.identity()['hostname']}", "vm_not_found")
        plan = Plan(want["name"])
        if have.here is None:
            self.plan_rest(plan, have, want)
            return plan
        self.check(have, want)
        seconds, there = want["connect_timeout"], have.there
        want = {**want, "migrate_uri": want["migrate_uri"] or (destination.default_migrate_uri(want["destination"]) if want["destination"] else None)}
        step = Step("move", "host", lambda: moving.move(have.here, there, want), before=have.hostname, after=there.identity()["hostname"])
        plan.steps.append(step)
        if have.here.autostart:
            plan.steps.append(Step("set", "autostart", lambda: arrive(there, have.here, seconds, set_autostart), silent=True))
        plan.steps += self.handing_over(have.here, there)
        plan.steps.append(Step("forget", "the move", lambda: arrive(there, have.here, seconds, notes.clear), silent=True))
        plan.steps.append(Step("verify", "the move", lambda: moving.verify(have.here, there, seconds), silent=True))
        return plan

    def plan_rest(self, plan, have, want):
        """It is on the destination; an earlier run may have been killed before it did what follows a move."""
        other, there, seconds = have.other, have.there, want["connect_timeout"]
        note = notes.read(other.root)
        is_own = note and note["host"] == there.identity()["host"]
        if is_own and note["autostart"] and not other.autostart:
            plan.steps.append(Step("set", "autostart", lambda: arrive(there, other, seconds, set_autostart), before=False, after=True))
        plan.steps += self.handing_over(other, there, is_moved=True, is_own=is_own)
        if note:
            plan.steps.append(Step("forget", "the move", lambda: arrive(there, other, seconds, notes.clear), silent=True))
        if other.state == "paused" and (is_own or other.reason == "migration"):
            plan.warnings.append(f"vm {other.name}: is paused on {there.identity()['hostname']}; intake_vm with state: running there lets it go on")

    def check(self, have, want):
        """Refused where it would not work there, or where another machine has its disks."""
        facts, seconds, uri = needs.machine(self.hypervisor, have.here), want["connect_timeout"], uri_of(want)
        there = destination.within(seconds, f"vm {want['name']}: {uri}", lambda: needs.offers(have.there, self.hypervisor, have.here, facts))
        there["closed"] = have.there.closed(facts["files"], seconds)
        obstacles.check(facts, there, self.promised.get(uri, 0))
        owner = leasing.owner_of(self, have.here.name, have.here)
        for root, name in leasing.shared_files(self, have.here.description).values():
            holder = Leases(root).holder(name)
            if holder and not is_same(holder, owner):
                raise Refused(f"vm {have.here.name}: {words(name, holder, owner)}", "volume_leased")
        self.promised[uri] = self.promised.get(uri, 0) + (facts["memory"] if facts["is_active"] else 0)

    def handing_over(self, have, there, is_moved=False, is_own=False):
        """The steps that make the leases on its disks those of the destination; of a moved machine those that are still ours, or free if the move was."""
        owner = leasing.owner_of(self, have.name, have)
        new = {**owner, **there.identity()}
        found_there = leasing.shared_files(self, have.description).values()
        holders = {place: Leases(place[0]).holder(place[1]) for place in found_there}
        places = [place for place, one in holders.items() if not is_moved or (is_same(one, owner) if one else is_own)]
        return [handing(place, owner, new, silent=not is_moved) for place in places]

    def settle(self):
        """Both sides have changed."""
        super().settle()
        for there in self.destinations.values():
            there.forget()

    def show(self, have):
        """The machine where it is, with that host."""
        if have.here is None and have.other is None:
            return None
        domain, host = (have.other, have.there) if have.here is None else (have.here, self.hypervisor)
        return {**domain.show(), "host": host.identity()["hostname"], "host_uuid": host.identity()["host"]}


def uri_of(want):
    """The libvirt URI of the destination, None where none is said."""
    return want["destination_uri"] or (destination.default_uri(want["destination"]) if want["destination"] else None)


def check_options(want):
    """Refuse what cannot be meant."""
    where = f"vm {want['name']}"
    if not uri_of(want):
        raise Refused(f"{where}: say the destination, the name or address of the other hypervisor", "destination_missing")
    for key in ("timeout", "connect_timeout", "bandwidth"):
        if want[key] is not None and want[key] < 1:
            raise Refused(f"{where}: {key} is {want[key]}; it must be at least 1", "invalid_number")


def find(there, name):
    """A machine of the destination, or None; and who the destination is, which is asked for later on."""
    there.identity()
    other = there.domains().get(name)
    return domain_if_there(there, other) if other else None


def arrive(there, machine, seconds, work):
    """Do something with the machine on the destination, within so many seconds."""
    destination.within(seconds, f"vm {machine.name}: {there.uri}", lambda: work(there.connection.lookupByUUIDString(machine.uuid)))


def set_autostart(domain):
    """libvirt does not carry this along."""
    domain.setAutostart(1)


def handing(place, owner, new, silent):
    """The step that hands one lease over."""
    root, name = place
    return Step("hand over", f"lease of {name}", lambda: Leases(root).give(name, owner, new), silent=silent)
