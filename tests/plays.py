# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks as people run them, in a folder with an inventory of this host."""

from __future__ import annotations

import sys

import yaml
from recorded import playbooks_of

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


class Plays:
    """play(playbook, arguments...): ansible-playbook on this host under the name virt-host, in the group hypervisors."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, {**environment, "ANSIBLE_STDOUT_CALLBACK": "default", "PWD": str(folder)}
        self.hosts("hosts.yml", {"virt-host": LOCAL})

    def hosts(self, name, hosts, group="hypervisors"):
        """An inventory of more, or other, hosts; its path."""
        path = self.folder / name
        path.write_text(yaml.safe_dump({group: {"hosts": {host: dict(variables) for host, variables in hosts.items()}}}))
        return str(path)

    def __call__(self, playbook, *arguments, code=0, hosts="hosts.yml", **environment):
        """What it printed. `code` is the exit code that is expected, None for any: other tests change this host at the same time."""
        words = ["-i", self.folder / hosts, *arguments, playbook]
        done = playbooks_of(self.environment).run(words, {**self.environment, **environment}, self.folder)
        assert code in (None, done.returncode), done.stdout + done.stderr
        return done.stdout

    def tasks(self, *wanted, code=0):
        """Tasks as a playbook; what it printed."""
        path = self.folder / "play.yml"
        path.write_text(yaml.safe_dump([{"hosts": "hypervisors", "gather_facts": False, "tasks": list(wanted)}]))
        return self(path, code=code)
