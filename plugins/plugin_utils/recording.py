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

from ..module_utils.errors import IntakeError, NotReachable, Refused
from ..module_utils.runner import CONNECTION, HIDDEN
from .controller import Controller, warned
from .database import connected, sentences
from .export import options
from .ledger import Ledger
from .order import entries_of, order_of
from .records import Records, entry

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
            except AnsibleConnectionFailure as error:
                self.end(ledger, lambda fresh, said=str(error): fresh.end("unreachable", message=said))
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
        """Write what the module's result tells; the error if that was not possible."""
        entries = entries_of(order, result, self.describes)
        try:
            host = result.get("hypervisor") and self.host(result["hypervisor"], order.uri, task_vars)
        except IntakeError as error:
            return self.end(ledger, lambda fresh: write(fresh, None, [], order, result)) or error
        if host:
            with contextlib.suppress(IntakeError), sentences(ledger.dsn):  # a lost database is said when the end is written
                records = Records(ledger.connection, host)
                entries = self.storages(records, entries, task_vars) + entries
                entries = [adopted(one, records) for one in entries]
                entries += self.companions(records, entries, result, task_vars)
        return self.end(ledger, lambda fresh: write(fresh, host, entries, order, result))

    def storages(self, records, entries, task_vars):
        """Entries of the host's storages where something is in one that the inventory does not know yet."""
        if not records.lacks_storages(entries):
            return []
        found = self.info("storage", {}, task_vars)
        return [entry("storage", one["name"], found=one) for one in found]

    def companions(self, records, entries, result, task_vars):
        """Entries of what the module changed beside that which it was asked for."""
        return []

    def info(self, kind, arguments, task_vars):
        """What an info module lists on the host that the task is about; nothing where it fails."""
        uri = self._task.args.get("uri", CONNECTION["uri"]["default"])
        return self.call(f"intake_{kind}_info", {"uri": uri, **arguments}, task_vars).get(f"{kind}s", [])

    def end(self, ledger, work):
        """The second half in one transaction, on a new connection where the first was lost; the error if it could not be written."""
        fault = None
        for again in (False, True):
            try:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(sentences(ledger.dsn))
                    if again:
                        ledger = ledger.again(stack.enter_context(connected(ledger.dsn)))
                    stack.enter_context(ledger.connection.transaction())
                    work(ledger)
                return None
            except NotReachable as error:
                fault = error
            except IntakeError as error:
                return error
        return fault


def adopted(one, records):
    """An entry of a resource that is taken over as it is: all of it was asked for then."""
    if not (one["asked"] and one["asked"].get("adopt")):
        return one
    storages = [{"name": name, "path": path} for name, (_id, path) in records.known.items()]
    said = {key: value for key, value in one["asked"].items() if key != "adopt"}
    return {**one, "asked": {**options(one["kind"], one["found"], storages), **said}}


def write(ledger, host, entries, order, result):
    """What the host has now, and how the call ended."""
    if host:
        Records(ledger.connection, host).write(entries)
    changed = [name for name, report in zip(order.names, result.get("resources") or ()) if report["changed"]]
    ends = {"unreachable": result.get("unreachable"), "failed": result.get("failed"), "changed": result.get("changed")}
    said = HIDDEN if order.arguments is None and result.get("msg") else result.get("msg")
    ledger.end(next((status for status, holds in ends.items() if holds), "unchanged"), host and host.id, changed, said)


def told(result, fault, best_effort):
    """The module's result, with what could not be recorded of it."""
    if not fault:
        return result
    if best_effort:
        return warned(result, f"not recorded: {fault}; {SYNC}")
    before = f"{result['msg']}; " if result.get("msg") else ""
    return {**result, "failed": True, "msg": f"{before}the work on the host is done, but it is not recorded: {fault}; {SYNC}", "reason": fault.reason}
