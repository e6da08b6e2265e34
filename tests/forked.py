# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run as Ansible's wrapper runs them, from arguments to JSON, in a fork of this process: what a machine without speed can afford.

An emulated host takes five seconds for Ansible's own work around a module, and a third of one for a fork that has imported everything.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback

from ansible.module_utils import basic

MODULES = "ansible_collections.intake.vms.plugins.modules"


def run_tasks(*calls):
    """The whole result of each (module, options, check), as the fixture of that name gives it."""
    return [call(*one) for one in calls]


def call(name, options, check):
    """One module in one process of its own."""
    module = importlib.import_module(f"{MODULES}.{name}")
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_module_name": f"intake.vms.{name}"}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            perform(module, json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode(), output)
        os.waitpid(child, 0)
        output.seek(0)
        said = output.read()
    try:
        return json.loads(said.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise AssertionError(f"no result from {name} {options}:\n{said}") from error


def perform(module, arguments, output):
    """The child: never returns."""
    try:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        sys.stdout = sys.stderr = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = arguments, "legacy"
        module.main()
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(0)
