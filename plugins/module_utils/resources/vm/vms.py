# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines as a resource: what exists, what is asked, and the steps between."""

from __future__ import annotations

from ... import lens
from ...errors import NotFound, Refused
from ...flow.converge import DESTRUCTIVE, RESTART, Plan, Resource, Step
from ...host.hypervisor import faults
from ...locking import shared_locks
from ...names import check_name
from . import blueprint, description, leasing, power, removal, rules, seed, waiting
from .capabilities import Capabilities
from .definition import uuid_of
from .domain import domain_if_there
from .live import Live
from .media import Media
from .spec import ORDERS, SPEC

POWERED = {"running": "running", "stopped": "stopped", "paused": "paused", "restarted": "running"}


class Vms(Resource):
    """Domains of one hypervisor. A `have` is a Domain, or None where no domain bears the name."""

    noun, plural, spec = "vm", "vms", SPEC
    workers = 4

    def __init__(self, hypervisor=None, options=None):
        super().__init__(hypervisor, options)
        self.faults = (OSError,) + faults()
        self.media = Media(hypervisor, self.options) if hypervisor else None
        self.host = None
        self.capabilities = Capabilities(hypervisor) if hypervisor else None
        self.touched = set()  # storages whose files changed

    def held(self, wants):
        """The machines, and the volumes that are made, grown or written for them."""
        machines = [f"vm/{want['name']}" for want in wants]
        storages, volumes = self.media.keys(wants)
        return shared_locks.hold(self.hypervisor, machines + volumes, storages, self.options.get("lock_timeout", 60))

    def read(self, wants):
        """One list of all domains, and state and XML of those that are asked for."""
        domains = self.hypervisor.domains()
        known = [domains.get(want["name"]) for want in wants]
        haves = [domain_if_there(self.hypervisor, one) if one else None for one in known]
        self.media.read(wants, [have and have.root for have in haves])
        return haves

    def plan(self, have, want):
        """Removal, or definition, then what is live, then power, then waiting."""
        check_name(self.noun, want["name"])
        if want["state"] == "absent":
            return self.plan_removal(have, want)
        if have is None and want["state"] != "present" and not described(want):
            raise NotFound(
                f"vm {want['name']}: does not exist, so it cannot be {want['state']}; "
                "describe it in the task (memory, disks, ...) to make it",
                "vm_not_found",
            )
        want = rules.normalized(want)
        rules.check(have, want)
        plan = Plan(want["name"])
        doomed = removal.doomed_by_edit(self, have, want) if have else []
        draft, releases = self.plan_definition(plan, have, want)
        if have is not None and have.is_active:
            self.plan_live(plan, have, draft)
        after = self.plan_power(plan, have, want, draft)
        later = {one["name"] for one in plan.pending}
        plan.steps += [step for path, step in releases.items() if path not in kept_files(have, later)]  # after QEMU let go of the disks
        plan.steps += removal.unheld(have, doomed, later)  # after the disks are gone everywhere
        self.plan_wait(plan, have, want, after)
        return plan

    def plan_definition(self, plan, have, want):
        """Steps for the volumes, the seed and the persistent definition; returns the root of what it will be, and {path: step that ends its lease}."""
        if have is None:
            self.host = self.host or blueprint.Host(self.hypervisor)
            want = blueprint.defaults(self.host, want)
            draft = blueprint.root(self.host, want)
            before = {}
        else:
            draft, before = have.root, have.description  # nobody reads the root after this
        resolved = [self.media.resolve(want["name"], disk, have and have.root) for disk in want.get("disks") or ()]
        for _disk, steps in resolved:
            plan.steps += steps
        want = seed.include(self, plan, have, {**want, "disks": [disk for disk, _steps in resolved] or None})
        description.write(draft, want)
        after = description.read(draft)
        rules.check_draft(want, after)
        changes = description.shown(description.differences(before, after))
        self.capabilities.check(f"vm {want['name']}", draft, after, changes)
        if have is None or changes:
            verb = "define" if have is None else "edit"
            plan.steps.append(Step(verb, "definition", lambda: self.define(draft), fields=changes))
        self.plan_autostart(plan, have, want)
        if have is not None and all(map(is_harmless, plan.steps)) and POWERED.get(want["state"], have.state) == "stopped":
            plan.steps += leasing.unheld(self, have)
            return draft, {}
        return draft, leasing.plan(self, plan.steps, have, want, after)

    def define(self, draft):
        """Write the persistent definition. The UUID in it makes libvirt refuse another domain of that name."""
        self.hypervisor.connection.defineXML(lens.dump(draft))

    def plan_autostart(self, plan, have, want):
        """Autostart is a link beside the definition, not a part of it."""
        before = have.autostart if have else False
        after = want.get("autostart")
        if after is not None and after != before:
            apply = self.with_domain(have, want, lambda domain: domain.setAutostart(int(after)))
            plan.steps.append(Step("set", "autostart", apply, before=before, after=after))

    def plan_live(self, plan, have, draft):
        """What the running machine can take now, and what waits."""
        running = have.running()
        description.align(running, draft)
        live = Live(have.domain, running, draft, have.description).plan()
        plan.steps += live.steps
        plan.pending = live.pending

    def plan_power(self, plan, have, want, draft):
        """Bring the machine into the asked state, which is answered, and restart it if that is consented to and needed."""
        before = have.state if have else "stopped"
        after = POWERED.get(want["state"], before)
        verbs = power.verbs(before, want["state"] if want["state"] == "restarted" else after)
        if plan.pending and want["restart"] == "if_needed" and after == "running":
            verbs = power.verbs(before, "restarted")
        powering = [self.power_step(verb, have, want, before if have else None, after) for verb in verbs]
        if plan.pending and {"restart", "stop"} & set(verbs):
            plan.steps.insert(0, keep_pending(plan))
            powering.append(drop_pending(plan))
        if {"start", "start_paused", "restart"} & set(verbs):
            self.refuse_networks(want["name"], draft)
        plan.steps += powering
        return after

    def plan_wait(self, plan, have, want, after):
        """Wait for what shall run."""
        if want["wait_for"] != "none" and after == "running":
            what, seconds = want["wait_for"], want["wait_timeout"]
            apply = self.with_domain(have, want, lambda domain: waiting.wait_for(domain, what, seconds))
            plan.steps.append(Step("wait for", what, apply, silent=True))

    def refuse_networks(self, name, draft):
        """A machine does not start on a network that is not active."""
        asked = {source.get("network") for source in draft.iterfind("devices/interface[@type='network']/source")}
        off = sorted(one for one in asked if self.hypervisor.networks().get(one) is False)
        if off:
            raise Refused(
                f"vm {name}: cannot start, because network {', '.join(off)} is not active; run: virsh net-start {off[0]}", "network_inactive"
            )

    def power_step(self, verb, have, want, before, after):
        """One change of power as a step."""
        seconds, force = want["stop_timeout"], want["force_stop"]
        actions = {
            "start": power.start,
            "wake": power.wake,
            "start_paused": lambda domain: power.start(domain, paused=True),
            "pause": power.pause,
            "resume": power.resume,
            "stop": lambda domain: power.stop(domain, seconds, force),
            "restart": lambda domain: power.restart(domain, seconds, force),
        }
        risk = RESTART if verb in ("stop", "restart") else "live"
        shown = after if verb != "restart" else "running (restarted)"
        return Step(verb, "state", self.with_domain(have, want, actions[verb]), risk, before, shown)

    def with_domain(self, have, want, action):
        """A closure on the domain that was read; a new one is looked up by its UUID once it is defined."""
        if have is not None:
            return lambda: action(have.domain)
        return lambda: action(self.hypervisor.connection.lookupByUUIDString(uuid_of(want["name"])))

    def plan_removal(self, have, want):
        """Stop it gracefully, delete the disks that were named, then undefine it with all that belongs to it."""
        plan = Plan(want["name"])
        if have is None:
            plan.steps += leasing.left_behind(self, want["name"], plan.warnings)
            return plan
        releases = leasing.releases(self, have)  # first: no look at a storage that does not answer
        doomed = removal.doomed_by_removal(self, have, want, plan.warnings)
        plan.steps += [self.power_step(verb, have, want, have.state, "stopped") for verb in power.verbs(have.state, "stopped")]
        undefine = self.with_domain(have, want, removal.remove)
        shown = description.shown(description.differences(have.description, {}))
        plan.steps += doomed  # before the definition goes: a killed run is finished by the next
        plan.steps.append(Step("undefine", "definition", undefine, DESTRUCTIVE, fields=shown))
        plan.steps += releases.values()
        return plan

    def settle(self):
        """Domains and volumes may have changed."""
        self.media.volumes.settle()
        for storage in sorted(self.touched):
            self.hypervisor.refresh(storage)
        super().settle()

    def show(self, have):
        """What a playbook sees."""
        return have.show()


def keep_pending(plan):
    """The step before all others: whatever fails, everything still waits. Promises that nothing will."""
    waits, plan.pending = plan.pending, []
    return Step("keep", "pending", lambda: setattr(plan, "pending", waits), silent=True)


def drop_pending(plan):
    """The step after the machine went off: nothing waits any more."""
    return Step("drop", "pending", lambda: setattr(plan, "pending", []), silent=True)


def is_harmless(step):
    """True for what is done to a machine that is off, whoever has its disks: it no longer starts with the host."""
    return step.name == "autostart" and not step.after


def kept_files(have, later):
    """The files of disks that the running machine keeps until it stops."""
    known = have.description["disks"] if have else {}
    return {disk["path"] for name, disk in known.items() if f"disks.{name}" in later}


def described(want):
    """True where a task says anything about the machine beside its name and what to do with it."""
    return any(value is not None for key, value in want.items() if key in SPEC and key not in ORDERS)
