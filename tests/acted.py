# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugins as a task on this host runs them, in forks of a process that has imported Ansible and all modules; it records.

What Ansible does around them is left out: templates, its packing of a module, callbacks. The module runs in a fork of the fork.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys

from forked import MODULES, NAMES, perform, result_of
from forking import Servers, forked, serve

ACTIONS = "ansible_collections.intake.vms.plugins.action"


class Actions(Servers):
    """Tasks of several threads; `end()` ends the processes."""

    def __init__(self, environment):
        super().__init__(__file__, environment)

    def call(self, name, options, check, dsn=None):
        """The whole result of one task, recorded in a database; without an action plugin of its own it is the module alone."""
        _code, said, errors = self.ask(name, options, check, dsn)
        return result_of(name, said, errors)


def act(name, options, check, dsn):
    """What the worker of a task does, for a host that is this one."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.playbook.play_context import PlayContext
    from ansible.playbook.task import Task
    from ansible.plugins import loader as loaders
    from ansible.template import Templar

    os.environ.pop("INTAKE_INVENTORY_DSN", None)
    os.environ.update({"INTAKE_INVENTORY_DSN": dsn} if dsn else {})
    task, context, loader = Task(), PlayContext(), DataLoader()
    task.action, task.args, task.check_mode, task.diff = f"intake.vms.{name}", options, check, True
    connection = loaders.connection_loader.get("ansible.builtin.local", context, os.devnull)
    words = {"task": task, "connection": connection, "play_context": context, "loader": loader, "shared_loader_obj": loaders}
    if f"{ACTIONS}.{name}" in sys.modules:
        plugin = sys.modules[f"{ACTIONS}.{name}"].ActionModule(templar=Templar(loader, variables={}), **words)
        plugin._execute_module = lambda **how: module(task, **how)
        told = plugin.run(task_vars={"inventory_hostname": "localhost", "ansible_play_name": "tests"})
    else:
        told = module(task, task.action, options)
    print(json.dumps(told, default=str))


def module(task, module_name, module_args, **_more):
    """The result of a module, without what Ansible adds to make it run elsewhere."""
    name = module_name.rpartition(".")[2]
    arguments = {**json.loads(json.dumps(module_args)), "_ansible_check_mode": task.check_mode, "_ansible_diff": True, "_ansible_module_name": module_name}
    _code, said, errors = forked(perform, name, {"ANSIBLE_MODULE_ARGS": arguments})
    return result_of(name, said, errors)


if __name__ == "__main__":
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    for found in (*(f"{MODULES}.{name}" for name in NAMES), "psycopg", "ansible.template", "ansible.plugins.action"):
        importlib.import_module(found)
    for found in pkgutil.iter_modules(importlib.import_module(ACTIONS).__path__):
        importlib.import_module(f"{ACTIONS}.{found.name}")
    serve(lambda *task: forked(act, *task))
