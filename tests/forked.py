# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run as Ansible's wrapper runs them, from arguments to JSON, in forks of a process that has imported them all.

Ansible's own work around a module takes a second, on an emulated host five; a fork a tenth of that. Action plugins do not take part.
"""

from __future__ import annotations

import importlib
import json
import os

from forking import Servers, forked, serve

MODULES = "ansible_collections.intake.vms.plugins.modules"
NAMES = [*(f"intake_{noun}{kind}" for noun in ("storage", "volume", "image", "vm") for kind in ("", "_info")), "intake_vm_migrate"]


class Forks(Servers):
    """Calls of modules by several threads; `end()` ends the processes."""

    def __init__(self, collections):
        path = os.pathsep.join(filter(None, [str(collections), os.environ.get("PYTHONPATH")]))
        super().__init__(__file__, {**os.environ, "PYTHONPATH": path})

    def call(self, name, options, check):
        """One module in one process of its own; one that was killed has failed, as under Ansible."""
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_module_name": f"intake.vms.{name}"}
        _code, said, errors = self.ask(name, {"ANSIBLE_MODULE_ARGS": arguments})
        return result_of(name, said, errors)


def result_of(name, said, errors):
    """What a module printed, as the controller makes it."""
    try:
        result = json.loads(said.strip().splitlines()[-1])
    except (IndexError, ValueError):
        result = {"failed": True, "msg": f"no result from {name}: {said}{errors}"}
    if "warnings" in result:  # since ansible-core 2.19 objects, which the controller makes words of
        result["warnings"] = [one["event"]["msg"] if isinstance(one, dict) else one for one in result["warnings"]]
    return {"changed": False, **result}  # as Ansible adds it


def perform(name, arguments):
    """What Ansible's wrapper does around a module."""
    from ansible.module_utils import basic

    basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = json.dumps(arguments).encode(), "legacy"
    importlib.import_module(f"{MODULES}.{name}").main()


if __name__ == "__main__":
    for module in NAMES:
        importlib.import_module(f"{MODULES}.{module}")
    serve(lambda name, arguments: forked(perform, name, arguments))
