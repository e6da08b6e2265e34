# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run as Ansible's wrapper runs them, from arguments to JSON, in forks of a process that has imported them all.

Ansible's own work around a module takes a second, on an emulated host five; a fork a tenth of that. The process that forks has
neither threads nor a connection to libvirt. Action plugins do not take part.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback

MODULES = "ansible_collections.intake.vms.plugins.modules"
NAMES = [f"intake_{noun}{kind}" for noun in ("storage", "volume", "image", "vm") for kind in ("", "_info")]


class Forks:
    """run_tasks as the fixture of that name, for several threads too; `end()` ends the processes."""

    def __init__(self, collections):
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(collections), os.environ.get("PYTHONPATH")]))}
        self.servers, self.own = [], threading.local()

    def server(self):
        """The forking process of this thread."""
        if not hasattr(self.own, "server"):
            argv = [sys.executable, __file__]
            self.own.server = subprocess.Popen(argv, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.servers.append(self.own.server)
        return self.own.server

    def run_tasks(self, *calls):
        """The whole result of each (module, options, check)."""
        return [self.call(*one) for one in calls]

    def call(self, name, options, check):
        """One module in one process of its own; one that was killed has failed, as under Ansible."""
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_module_name": f"intake.vms.{name}"}
        server = self.server()
        server.stdin.write(json.dumps([name, {"ANSIBLE_MODULE_ARGS": arguments}]) + "\n")
        server.stdin.flush()
        said = json.loads(server.stdout.readline())
        try:
            result = json.loads(said.strip().splitlines()[-1])
        except (IndexError, ValueError):
            result = {"failed": True, "msg": f"no result from {name}: {said}"}
        if "warnings" in result:  # since ansible-core 2.19 objects, which the controller makes words of
            result["warnings"] = [one["event"]["msg"] if isinstance(one, dict) else one for one in result["warnings"]]
        return {"changed": False, **result}  # as Ansible adds it

    def end(self):
        """No more calls."""
        for server in self.servers:
            server.stdin.close()
            server.stdout.close()
            server.wait()


def serve():
    """Each line of the input is a call, each line of the output all that its process said."""
    for name in NAMES:
        importlib.import_module(f"{MODULES}.{name}")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        answers.write(json.dumps(forked(name, json.dumps(arguments).encode())) + "\n")
        answers.flush()


def forked(name, arguments):
    """What one module printed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        child = os.fork()
        if not child:
            perform(importlib.import_module(f"{MODULES}.{name}"), arguments, output)
        os.waitpid(child, 0)
        output.seek(0)
        return output.read()


def perform(module, arguments, output):
    """The child: never returns."""
    from ansible.module_utils import basic

    try:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        sys.stdout = sys.stderr = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stdin = open(os.devnull, encoding="utf-8")
        basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = arguments, "legacy"
        module.main()
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    serve()
