# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays that an inventory of their own records: what they said, what the database has, and processes that are killed on the way."""

from __future__ import annotations

import atexit
import contextlib
import functools
import glob
import itertools
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

from ansible_playbook import Playbooks
from results import results
from until import until

from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema

HOSTS = """
[all:vars]
ansible_connection=local
ansible_python_interpreter={}
[all]
virt1
virt2
far ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=9 ansible_ssh_common_args='-o ControlMaster=no -o ConnectTimeout=3'
"""
PASSWORD = "Tr0ub4dor-in-the-dsn"


def task(module, options, **more):
    """A task of a module of this collection that does not end the play."""
    return {f"intake.vms.{module}": options, "ignore_errors": True, "ignore_unreachable": True, **more}


class Recorded:
    """A database of a server, and plays that record in it on hosts virt1 and virt2, which are both this machine."""

    def __init__(self, server, environment, folder, migrated=True):
        self.server, self.folder, self.number = server, folder, itertools.count()
        self.plain = server.dsn()
        self.dsn = f"{self.plain} password={PASSWORD}"
        self.database = self.plain.split("dbname=")[1].split()[0]
        self.hosts = folder / f"{self.database}.hosts"
        self.hosts.write_text(HOSTS.format(sys.executable))
        self.environment = {**environment, "INTAKE_INVENTORY_DSN": self.dsn, "ANSIBLE_RETRY_FILES_ENABLED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        self.playbooks = playbooks_of(self.environment)
        if migrated:
            with client.connected(self.plain) as connection:
                schema.migrate(connection)

    def rows(self, text, *values):
        """Rows of a question, as tuples; a single column as values."""
        with client.connected(self.plain) as connection:
            found = connection.execute(text, values)
            rows = found.fetchall() if found.description else []
        return [row[0] if len(row) == 1 else row for row in rows]

    def journal(self, columns="status", about="%"):
        """The journal's entries, oldest first, whose names hold a text."""
        return self.rows(f"SELECT {columns} FROM operations WHERE array_to_string(names, ' ') LIKE %s ORDER BY id", f"%{about}%")

    def start(self, *tasks, environment=None, **how):
        """A playbook that runs in a session of its own, so that it can be killed with all its processes."""
        return self.run("playbook", *self.words(*tasks, **how), environment=environment)

    def words(self, *tasks, hosts="virt1", words=(), play=None):
        """The words of ansible-playbook for these tasks."""
        path = self.folder / f"{self.database}-{next(self.number)}.json"
        path.write_text(json.dumps([{"name": "recorded play", "hosts": hosts, "gather_facts": False, **(play or {}), "tasks": list(tasks)}]))
        return ["-i", str(self.hosts), *words, str(path)]

    def run(self, *argv, environment=None):
        """An Ansible program, started."""
        env = {key: value for key, value in {**self.environment, **(environment or {})}.items() if value is not None}
        argv = ["nice", "-n", "10", sys.executable, "-m", "ansible", *argv]
        return subprocess.Popen(
            argv, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def play(self, *tasks, **how):
        """The results of the tasks, in their order; in a fork, which nobody kills."""
        done = self.playbooks.run(self.words(*tasks, **how), self.environment, self.folder)
        return [result for _host, result in results(done.stdout)]

    def inventory(self, **options):
        """The result of one task of intake_inventory."""
        return self.play(task("intake_inventory", options))[0]

    @contextlib.contextmanager
    def halted(self, table="vms"):
        """The inventory waits where it writes to a table; wait() returns when somebody does."""
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        with client.connected(self.plain) as connection:
            connection.execute("BEGIN")
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

            def wait():
                until(lambda: self.rows(waiting, f"intake.{table}") != [0])

            yield SimpleNamespace(wait=wait, connection=connection)

    def sessions(self):
        """PIDs of the server's processes that serve plays."""
        return self.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() AND application_name LIKE 'intake.vms %%'", self.database
        )


@functools.lru_cache(maxsize=None)
def forks_for(settings):
    """One process for all plays with these settings of Ansible, until the tests end."""
    playbooks = Playbooks({**os.environ, **dict(settings)})
    atexit.register(playbooks.end)
    return playbooks


def playbooks_of(environment):
    """ansible-playbook in forks."""
    return forks_for(tuple(sorted((key, value) for key, value in environment.items() if key.startswith(("ANSIBLE_", "PATH", "PYTHON")))))


def ended(process):
    """What a play said when it ended: results in their order, all output, exit code."""
    output, _nothing = process.communicate(timeout=150)
    told = results(output)
    return SimpleNamespace(results=[result for _host, result in told], hosts=[host for host, _result in told], output=output, code=process.returncode)


def kill(process):
    """kill -9 of a play with all its processes, its workers' sessions included."""
    doomed = [process.pid]
    for pid in doomed:
        with contextlib.suppress(FileNotFoundError):
            os.kill(pid, signal.SIGSTOP)
            for children in glob.glob(f"/proc/{pid}/task/*/children"):
                with open(children, encoding="ascii") as file:
                    doomed += [int(child) for child in file.read().split()]
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def drift_of(result, beginning):
    """{(name, drift, field)} of what differs, of what a test made."""
    return {(one["where"], one["drift"], one["field"]) for one in result["drift"] if beginning in one["where"]}
