# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins of the writing modules have in common: the module runs on the host, the inventory records it from here.

Without intake_inventory_dsn it is the module alone. With it: validate, lock, journal "started", run the module, and in one
transaction what the host has now and the journal's end. Check mode records nothing.
"""

from __future__ import annotations

import contextlib
import getpass
import socket
from urllib.parse import urlsplit

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils.errors import IntakeError, NotReachable, Refused
from .database import VARIABLE, connected, dsn_of, sentences
from .ledger import Ledger
from .order import entries_of, order_of
from .records import Host, Records

POLICY = "intake_inventory_policy"
POLICIES = ("required", "best_effort")
SYNC = "run intake_inventory with state: synced, which takes in what is there"
COLLECTION = "intake.vms"
DEFAULT_URI = "qemu:///system"


class Recording(ActionBase):
    """An action plugin; subclasses say `resource`, the Resource class of their module, and may do more than call it."""

    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True
    resource = None
    describes = True  # whether its options say how the resource shall be

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        try:
            dsn = dsn_of(self.variable(task_vars, VARIABLE))
            if not dsn or self._task.check_mode:
                return {**result, **self.work(task_vars)}
            return {**result, **self.recorded(dsn, task_vars)}
        except IntakeError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}

    def work(self, task_vars):
        """The module on the host."""
        return self.execute(self._task.args, task_vars, wrap_async=self._task.async_val)

    def execute(self, args, task_vars, check=False, wrap_async=False):
        """One call of the module, in check mode if so asked."""
        asked = self._task.check_mode
        self._task.check_mode = asked or check
        try:
            return self._execute_module(module_name=f"{COLLECTION}.{self.module}", module_args=args, task_vars=task_vars, wrap_async=wrap_async)
        finally:
            self._task.check_mode = asked

    @property
    def module(self):
        """The module's name without the collection's."""
        return self._task.action.rpartition(".")[2]

    def variable(self, task_vars, name):
        """A variable of the host, templated."""
        value = (task_vars or {}).get(name)
        return None if value is None else self._templar.template(value)

    # --- with an inventory ----------------------------------------------------------------------------------------------

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
            entries = entries_of(order, result, self.describes)
            known = result.get("hypervisor") and self.host_of(result["hypervisor"], order, task_vars)
            more = self.storages(ledger, known, entries, task_vars) if known else []
            fault = self.end(ledger, lambda fresh: write(fresh, known, more + entries, order, result))
        return told(result, fault, best_effort)

    def is_best_effort(self, task_vars):
        """What to do where the database is away."""
        policy = self.variable(task_vars, POLICY) or POLICIES[0]
        if policy not in POLICIES:
            raise Refused(f"{POLICY} is {' or '.join(POLICIES)}, not {policy}", "invalid_policy")
        return policy == "best_effort"

    def begun(self, stack, dsn, order, task_vars):
        """A Ledger with the locks of the call and its open entry."""
        names = self.host_names(order, task_vars)
        who = {"controller": socket.gethostname(), "controller_user": self.variable(task_vars, "awx_user_name") or getpass.getuser()}
        jobs = (self.variable(task_vars, name) for name in ("awx_job_id", "tower_job_id"))
        about = {"play": task_vars.get("ansible_play_name"), "task": self._task.get_name(), "job": next((str(job) for job in jobs if job), None)}
        with sentences(dsn):
            ledger = Ledger(stack.enter_context(connected(dsn, f"{COLLECTION} {who['controller_user']}@{who['controller']}")), dsn)
            ledger.lock(ledger.host_uuid(names["host_name"]) or names["host_name"], order.kind, order.names, order.lock_timeout)
            what = {"module": self.module, "kind": order.kind, "names": order.names, "arguments": order.arguments}
            ledger.begin({**who, **about, **what, "host_name": names["host_name"]})
        return ledger

    def host_names(self, order, task_vars):
        """Name and address of the hypervisor as Ansible knows it, or as the URI names another one."""
        remote = urlsplit(order.uri).hostname
        name = remote or str(self._task.delegate_to or task_vars["inventory_hostname"])
        address = remote or (None if self._connection.transport == "local" else self._play_context.remote_addr)
        return {"host_name": name, "address": address and str(address)}

    def host_of(self, hypervisor, order, task_vars):
        """The Host that answered."""
        names = self.host_names(order, task_vars)
        return Host(hypervisor["uuid"], names["host_name"], names["address"], hypervisor["hostname"])

    def storages(self, ledger, host, entries, task_vars):
        """Entries of the host's storages where something is in one that the inventory does not know yet."""
        try:
            with sentences(ledger.dsn):
                if not Records(ledger.connection, host).lacks_storages(entries):
                    return []
        except IntakeError:
            return []  # said when the end is written
        found = self._execute_module(
            module_name=f"{COLLECTION}.intake_storage_info", module_args={"uri": self._task.args.get("uri", DEFAULT_URI)}, task_vars=task_vars
        )
        return [{"kind": "storage", "name": one["name"], "storage": None, "asked": None, "found": one} for one in found.get("storages", ())]

    def end(self, ledger, work):
        """The second half in one transaction, on a new connection where the first was lost; the error if it could not be written."""
        for attempt in (1, 2):
            try:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(sentences(ledger.dsn))
                    if attempt == 2:
                        ledger = ledger.again(stack.enter_context(connected(ledger.dsn)))
                    with ledger.connection.transaction():
                        work(ledger)
                return None
            except NotReachable as error:
                fault = error
            except IntakeError as error:
                return error
        return fault


def write(ledger, host, entries, order, result):
    """What the host has now, and how the call ended."""
    if host:
        Records(ledger.connection, host).write(entries)
    changed = [name for name, report in zip(order.names, result.get("resources") or ()) if report["changed"]]
    status = "unreachable" if result.get("unreachable") else "failed" if result.get("failed") else "changed" if result.get("changed") else "unchanged"
    ledger.end(status, host and host.id, changed, result.get("msg"))


def told(result, fault, best_effort):
    """The module's result, with what could not be recorded of it."""
    if not fault:
        return result
    if best_effort:
        return warned(result, f"not recorded: {fault}; {SYNC}")
    before = f"{result['msg']}; " if result.get("msg") else ""
    return {**result, "failed": True, "msg": f"{before}the work on the host is done, but it is not recorded: {fault}; {SYNC}", "reason": fault.reason}


def warned(result, text):
    """A result with one more warning."""
    return {**result, "warnings": [*result.get("warnings", ()), text]}
