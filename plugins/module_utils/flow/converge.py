# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one flow of every resource: read all, plan all, refuse or apply, report.

A resource is an object with `noun`, `read(wants)` and `plan(have, want)`; see `Resource`. Check mode is the same
code up to one `if`, the diff is made of the same steps, and a second run plans nothing.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable

from ..errors import IntakeError, NotFound, Refused

LIVE, NEXT_BOOT, RESTART, DESTRUCTIVE = "live", "next_boot", "restart", "destructive"


@dataclass
class Step:
    """One thing to do. `name` is the field or part it changes, `before` and `after` its values, both plain data.

    A step that changes many fields at once says them in `fields` instead: {field: (before, after)}.
    A `silent` step, such as waiting, is taken but is no change.
    """

    verb: str
    name: str
    apply: Callable[[], Any]
    risk: str = LIVE
    before: Any = None
    after: Any = None
    fields: Any = None
    silent: bool = False

    def changes(self):
        """{field: (before, after)} of what it changes."""
        return {self.name: (self.before, self.after)} if self.fields is None else self.fields

    def words(self):
        """What it does, for a sentence; of a state it is said as of the thing itself: "start it"."""
        return f"{self.verb} it" if self.name == "state" else f"{self.verb} {self.name}"

    def report(self):
        """What a playbook sees of it."""
        return {"verb": self.verb, "name": self.name, "risk": self.risk}


@dataclass
class Plan:
    """What one item needs. `pending` tells what cannot be done now: dicts with name, have and want."""

    name: str
    steps: list = field(default_factory=list)
    pending: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    state: Any = None
    done: list = field(default_factory=list)
    error: Any = None

    def report(self):
        """The entry of this item in `resources`."""
        entry = {
            "name": self.name,
            "changed": bool(self.done),
            "steps": [step.report() for step in self.done],
            "pending": self.pending,
            "state": self.state,
            "error": str(self.error) if self.error else None,
        }
        return {**entry, "reason": self.error.reason} if self.error else entry

    def diff(self, noun):
        """Before and after of the fields that its steps changed."""
        before, after = {}, {}
        for step in self.done:
            for name, values in step.changes().items():
                before.setdefault(name, values[0])
                after[name] = values[1]
        said = {"before": before, "after": after}
        said = {when: {key: value for key, value in part.items() if value is not None} for when, part in said.items()}
        return {"before_header": f"{noun} {self.name}", "after_header": f"{noun} {self.name}", **said}


class Resource:
    """What `converge` needs of a resource; subclasses say `noun`, `plural`, `read` and `plan`."""

    noun = "resource"
    plural = "resources"
    workers = 1  # threads for the steps of different items
    faults: tuple = (OSError,)  # what a step may raise beside IntakeError

    def __init__(self, hypervisor=None, options=None):
        self.hypervisor = hypervisor
        self.options = options or {}

    @staticmethod
    def secrets(item):
        """Values in an item's options, beside those of no_log options, that belong into no output; `item` is not validated yet."""
        return ()

    def identity(self, want):
        """What makes a want unique within one call."""
        return want["name"]

    def held(self, wants):
        """A context in which no other run changes these resources."""
        return contextlib.nullcontext()

    def read(self, wants):
        """What exists (`have`, None where nothing does), one for each want, in one bulk read."""
        raise TypeError("a resource says how it is read")

    def plan(self, have, want):
        """A Plan; it may look at the host, and changes nothing: only the closures in its steps do. Raises Refused."""
        raise TypeError("a resource says how it is planned")

    def settle(self):
        """Done once after all steps: what was read before is stale now."""
        if self.hypervisor:
            self.hypervisor.forget()

    def show(self, have):
        """What a playbook sees of a `have`."""
        return have


def converge(resource, wants, check_mode=False):
    """Bring every want about and return the Plans, each with what was done, its error and its state.

    Errors of reading (the hypervisor is away) pass through; errors of one item are in its plan.
    """
    refuse_twins(resource, wants)
    with contextlib.nullcontext() if check_mode else resource.held(wants):
        haves = resource.read(wants)
        plans = [plan_item(resource, have, want) for have, want in zip(haves, wants)]
        if any(plan.error for plan in plans):
            return shown(resource, plans, haves)
        if check_mode:
            for plan in plans:
                plan.done = [step for step in plan.steps if not step.silent]
            return shown(resource, plans, haves)
        apply_all(resource, plans)
        show_all(resource, plans, haves, wants)
    return plans


def refuse_twins(resource, wants):
    """The same name twice in one call is a mistake in the list, not an order."""
    seen = set()
    for want in wants:
        key = resource.identity(want)
        if key in seen:
            raise Refused(f"{resource.noun} {want['name']}: is listed twice in one call", "duplicate_name")
        seen.add(key)


def plan_item(resource, have, want):
    """The plan of one item, or its refusal as an error in it."""
    try:
        if want.get("adopt"):
            refuse_adoption(resource, have, want)
        return resource.plan(have, want)
    except IntakeError as error:
        return Plan(want["name"], error=error)


def refuse_adoption(resource, have, want):
    """Only what exists can be taken over, and not in order to remove it."""
    if want.get("state") == "absent":
        raise Refused(f"{resource.noun} {want['name']}: adopt takes it over, state: absent removes it; say one of them", "invalid_options")
    if have is None:
        raise NotFound(f"{resource.noun} {want['name']}: does not exist, so it cannot be adopted", f"{resource.noun}_not_found")


def shown(resource, plans, haves):
    """Plans whose state is what was read."""
    for plan, have in zip(plans, haves):
        plan.state = None if have is None else resource.show(have)
    return plans


def apply_all(resource, plans):
    """Take the steps of every plan, several plans at a time where the resource allows it."""
    busy = [plan for plan in plans if plan.steps]
    if resource.workers > 1 and len(busy) > 1:
        with ThreadPoolExecutor(min(resource.workers, len(busy))) as pool:
            list(pool.map(lambda plan: apply_plan(resource, plan), busy))
    else:
        for plan in busy:
            apply_plan(resource, plan)
    if busy:
        resource.settle()


def apply_plan(resource, plan):
    """Take the steps of one plan in order; the first that fails ends it, what was done stays in `done`."""
    for step in plan.steps:
        try:
            step.apply()
        except IntakeError as error:
            plan.error = error
        except resource.faults as error:
            plan.error = IntakeError(f"{resource.noun} {plan.name}: could not {step.words()}: {error}")
        if plan.error:
            return
        if not step.silent:
            plan.done.append(step)


def show_all(resource, plans, haves, wants):
    """Read again what was changed, so that `state` is what is there now; the unchanged is known already."""
    touched = [(index, wants[index]) for index, plan in enumerate(plans) if plan.steps]
    found = resource.read([want for index, want in touched]) if touched else []
    fresh = {index: have for (index, want), have in zip(touched, found)}
    shown(resource, plans, [fresh.get(index, have) for index, have in enumerate(haves)])


def summary(resource, plans):
    """The keys of a module's result: changed, resources, the single resource under its noun, diff, and on failure msg."""
    failed = [plan for plan in plans if plan.error]
    result = {
        "changed": any(plan.done for plan in plans),
        "resources": [plan.report() for plan in plans],
        "diff": [plan.diff(resource.noun) for plan in plans if plan.done],
        "warnings": [warning for plan in plans for warning in plan.warnings],
    }
    if len(plans) == 1:
        result[resource.noun] = plans[0].state
    if failed:
        result.update(failed=True, msg="; ".join(str(plan.error) for plan in failed), reason=failed[0].error.reason)
    return result


def unreadable(storage, name, msg):
    """What an info module tells of something that is there and cannot be read; the name is None for all that a storage has."""
    return {"storage": storage, "name": name, "msg": msg}


def selected(shown, params):
    """True where a resource passes the filters every info module has: names, labels, state."""
    names, labels, state = params.get("names"), params.get("labels") or {}, params.get("state")
    return (
        (not names or shown["name"] in names)
        and (not state or shown.get("state") == state)
        and all((shown.get("labels") or {}).get(key) == str(value) for key, value in labels.items())
    )
