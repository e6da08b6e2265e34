# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What action plugins know of where they run: variables of the host, names of the hypervisor, who runs the play."""

from __future__ import annotations

import getpass
import socket
from urllib.parse import urlsplit

from ansible.plugins.action import ActionBase

from ..module_utils.errors import IntakeError, Refused
from .database.client import VARIABLE, dsn_of
from .hosts import Host

COLLECTION = "intake.vms"
JOBS = ("awx_job_id", "tower_job_id")


class Controller(ActionBase):
    """An action plugin of this collection; subclasses say `perform`."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        try:
            return {**result, **self.perform(task_vars or {})}
        except IntakeError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}

    def perform(self, task_vars):
        """The keys of the result. Errors are IntakeErrors."""
        raise TypeError("an action plugin says what it performs")

    @property
    def module(self):
        """The module's name without the collection's."""
        return self._task.action.rpartition(".")[2]

    def variable(self, task_vars, name):
        """A variable of the host, else of the one that the task is delegated to, templated."""
        delegated = (task_vars.get("ansible_delegated_vars") or {}).get(self._task.delegate_to) or {}
        value = task_vars.get(name, delegated.get(name))
        return None if value is None else self._templar.template(value)

    def dsn(self, task_vars):
        """The database of the inventory, None where there is none."""
        return dsn_of(self.variable(task_vars, VARIABLE))

    def call(self, module, arguments, task_vars, **more):
        """One call of a module of this collection on the host."""
        return self._execute_module(module_name=f"{COLLECTION}.{module}", module_args=arguments, task_vars=task_vars, **more)

    def names(self, uri, task_vars):
        """(name, address) of the hypervisor as Ansible knows it, or as a URI names another one."""
        remote = urlsplit(uri).hostname
        if remote:
            return remote, remote
        address = None if self._connection.transport == "local" else self._play_context.remote_addr
        return str(self._task.delegate_to or task_vars["inventory_hostname"]), address and str(address)

    def host(self, hypervisor, uri, task_vars):
        """The Host that answered a module. Refused for one that nothing tells from others."""
        name, address = self.names(uri, task_vars)
        if not hypervisor["uuid"]:
            raise Refused(f"the hypervisor {uri} on {name} has no UUID by which the inventory could know it", "host_uuid_missing")
        return Host(hypervisor["uuid"], name, address, hypervisor["hostname"])

    def who(self, task_vars):
        """The columns of a journal entry that say who works: user, machine, play, task, job."""
        jobs = (self.variable(task_vars, name) for name in JOBS)
        return {
            "controller": socket.gethostname(),
            "controller_user": self.variable(task_vars, "awx_user_name") or getpass.getuser(),
            "play": task_vars.get("ansible_play_name"),
            "task": self._task.get_name(),
            "job": next((str(job) for job in jobs if job), None),
        }

    def purpose(self, task_vars):
        """What a session with the database calls itself."""
        who = self.who(task_vars)
        return f"{COLLECTION} {who['controller_user']}@{who['controller']}"


def warned(result, text):
    """A result with one more warning."""
    return {**result, "warnings": [*result.get("warnings", ()), text]}
