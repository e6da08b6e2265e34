# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins of the writing modules have in common: the module runs on the host, the inventory records it from here.

Without intake_inventory_dsn it is the module alone. With it: validate, lock, journal "started", run the module, and in one
transaction what the host has now and the journal's end. Check mode records nothing.
"""

from __future__ import annotations

import contextlib

from ansible.errors import AnsibleConnectionFailure

from ...module_utils.errors import IntakeError, NotReachable, Refused
from ...module_utils.flow.runner import CONNECTION, HIDDEN
from ..controller import Controller, warned
from ..database.client import connected, sentences
from ..kinds import KINDS
from ..kinds.kind import entry
from .ledger import Ledger
from .order import entries_of, order_of
from .records import Records

POLICY = "intake_inventory_policy"
POLICIES = ("required", "best_effort")
SYNC = "run intake_inventory with state: synced, which takes in what is there"


class Recording(Controller):
    """An action plugin; subclasses say `resource`, the Resource class of their module, and may do more than call it."""

    _supports_async = True
    resource = None
    describes = True  # whether its options say how the resource shall be

    def perform(self, task_vars):
        dsn = self.dsn(task_vars)
        return self.recorded(dsn, task_vars) if dsn and not self._task.check_mode else self.work(task_vars)

    def work(self, task_vars):
        """The module on the host."""
        return self.execute(self._task.args, task_vars, wrap_async=self._task.async_val)

    def execute(self, args, task_vars, check=False, wrap_async=False):
        """One call of the module, in check mode if so asked."""
        asked = self._task.check_mode
        self._task.check_mode = asked or check
        try:
            return self.call(self.module, args, task_vars, wrap_async=wrap_async)
        finally:
            self._task.check_mode = asked

    def recorded(self, dsn, task_vars):
        """The module between the two halves of its journal entry."""
        best_effort = self.is_best_effort(task_vars)
        order = order_of(self.resource, self._task.args, self._task.no_log)
        with contextlib.ExitStack() as stack:
            try:
                ledger = self.begun(stack, dsn, order, task_vars)
            except NotReachable as error:
                if not best_effort:
                    raise NotReachable(f"{error}; nothing was done on the host ({POLICY}: best_effort goes on without it)", error.reason) from None
                return warned(self.work(task_vars), f"not recorded: {error}; {SYNC}")
            try:
                result = self.work(task_vars)
            except Exception as error:  # whatever ends the task ends its entry
                status = "unreachable" if isinstance(error, AnsibleConnectionFailure) else "failed"
                said = HIDDEN if order.arguments is None else str(error)
                self.end(ledger, lambda fresh: fresh.end(status, message=said))
                raise
            if self._task.async_val and not result.get("resources"):
                return result  # the journal's entry stays open: nobody here sees the end
            fault = self.ended(ledger, order, result, task_vars)
        return told(result, fault, best_effort)

    def is_best_effort(self, task_vars):
        """What to do where the database is away."""
        policy = self.variable(task_vars, POLICY) or POLICIES[0]
        if policy not in POLICIES:
            raise Refused(f"{POLICY} is {' or '.join(POLICIES)}, not {policy}", "invalid_policy")
        return policy == "best_effort"

    def begun(self, stack, dsn, order, task_vars):
        """A Ledger with the locks of the call and its open entry."""
        name, _address = self.names(order.uri, task_vars)
        about = {"host_name": name, "module": self.module, "kind": order.kind, "names": order.names, "arguments": order.arguments}
        with sentences(dsn):
            ledger = Ledger(stack.enter_context(connected(dsn, self.purpose(task_vars))), dsn)
            ledger.lock(ledger.hosts(name), order.kind, order.names, order.lock_timeout)
            ledger.begin({**self.who(task_vars), **about})
        return ledger

    def ended(self, ledger, order, result, task_vars):
        """Write what the module's result tells; the error if that was not possible, of which the entry's end tells then."""
        host, entries, fault = None, [], None
        try:
            host = result.get("hypervisor") and self.host(result["hypervisor"], order.uri, task_vars)
            entries = entries_of(order, result, self.describes)
            if host:
                entries = on_a_session(ledger, lambda fresh: self.completed(Records(fresh.connection, host), entries, result, task_vars))
        except Exception as error:  # the module's work is done: nothing may keep its result from the caller
            fault = sentence(error)
        missed = self.end(ledger, lambda fresh: write(fresh, host, entries, order, result, fault))
        if missed and not isinstance(missed, NotReachable):
            self.end(ledger, lambda fresh: write(fresh, None, [], order, result, missed))
        return fault or missed

    def completed(self, records, entries, result, task_vars):
        """The entries with those of what else is told by the host."""
        entries = self.storages(records, entries, task_vars) + entries
        entries = [adopted(one, records) for one in entries]
        return entries + self.companions(records, entries, result, task_vars)

    def storages(self, records, entries, task_vars):
        """Entries of the host's storages where something is in one that the inventory does not know yet."""
        if not records.lacks_storages(entries):
            return []
        found = self.info("storage", {}, task_vars)
        return [entry("storage", one["name"], found=one) for one in found["storages"]]

    def companions(self, records, entries, result, task_vars):
        """Entries of what the module changed beside that which it was asked for."""
        return []

    def info(self, kind, arguments, task_vars):
        """What an info module tells of the host that the task is about. Raises IntakeError with the module's words."""
        uri = self._task.args.get("uri", CONNECTION["uri"]["default"])
        result = self.call(KINDS[kind].info, {"uri": uri, **arguments}, task_vars)
        if result.get("failed") or result.get("unreachable"):
            raise IntakeError(f"{KINDS[kind].info}: {result.get('msg', 'the host is not reached')}", result.get("reason", "unreachable"))
        return result

    def end(self, ledger, work):
        """The second half in one transaction; the error if it could not be written."""

        def whole(fresh):
            with fresh.connection.transaction():
                work(fresh)

        try:
            return on_a_session(ledger, whole)
        except Exception as error:
            return sentence(error)


def on_a_session(ledger, work):
    """What `work(ledger)` answers; done once more on a new connection where the first was lost. Raises IntakeError."""
    try:
        with sentences(ledger.dsn):
            return work(ledger)
    except NotReachable:
        with sentences(ledger.dsn), connected(ledger.dsn) as connection:
            return work(ledger.again(connection))


def sentence(error):
    """Any error as one of ours."""
    return error if isinstance(error, IntakeError) else IntakeError(f"{type(error).__name__}: {error}", "inventory_error")


def adopted(one, records):
    """An entry of a resource that is taken over as it is: all of it was asked for then."""
    if not (one["asked"] and one["asked"].get("adopt")):
        return one
    storages = [{"name": name, "path": path} for name, (_id, path) in records.known.items()]
    said = {key: value for key, value in one["asked"].items() if key != "adopt"}
    return {**one, "asked": {**KINDS[one["kind"]].as_options(one["found"], storages), **said}}


def write(ledger, host, entries, order, result, fault=None):
    """What the host has now, and how the call ended; with the fault that kept something from being written."""
    if host:
        Records(ledger.connection, host).write(entries)
    changed = [name for name, report in zip(order.names, result.get("resources") or ()) if report["changed"]]
    ends = {"unreachable": result.get("unreachable"), "failed": result.get("failed"), "changed": result.get("changed")}
    said = "; ".join(filter(None, (result.get("msg"), fault and f"not recorded: {fault}"))) or None
    said = HIDDEN if said and order.arguments is None else said
    ledger.end(next((status for status, holds in ends.items() if holds), "unchanged"), host and host.id, changed, said)


def told(result, fault, best_effort):
    """The module's result, with what could not be recorded of it."""
    if not fault:
        return result
    if best_effort:
        return warned(result, f"not recorded: {fault}; {SYNC}")
    before = f"{result['msg']}; " if result.get("msg") else ""
    return {**result, "failed": True, "msg": f"{before}the work on the host is done, but it is not recorded: {fault}; {SYNC}", "reason": fault.reason}
