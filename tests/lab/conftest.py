# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture `lab`: two hypervisors over SSH, started at first use, taken down at the end whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import hypervisors
import near
from ansible_playbook import Playbooks
from image import CACHE
from results import results

ROOT = HERE.parents[1]
TOOL = [sys.executable, "-B", str(HERE / "lab.py")]
MISSING = 77  # lab.py: this machine cannot run a lab
STARTED = []  # the Lab, once there is one


class Lab:
    """What tests may do with the hosts lab1, which also serves NFS, and lab2; `warm` are those on which far.py answers."""

    def __init__(self, folder, collections):
        self.folder, self.scratch, self.warm = folder, collections, set()
        self.environment = {
            **os.environ,
            "PATH": f"{os.path.dirname(sys.executable)}:/usr/sbin:/usr/bin:/sbin:/bin",
            "ANSIBLE_CONFIG": str(collections / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "callback"),
            "ANSIBLE_STDOUT_CALLBACK": "host_result",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection"),
        }
        self.playbooks = Playbooks(self.environment)
        self.bring()

    def bring(self):
        """This checkout as it is now to both hosts."""
        hosts = hypervisors.read(self.folder)
        near.bring(hosts)
        self.warm = {host.name for host in hosts}

    def restore(self):
        """Both hosts as they were at first."""
        self.tool("restore")
        self.bring()

    def end(self):
        """No more playbooks."""
        self.playbooks.end()

    def tool(self, *words):
        """lab.py for this lab: tool("reset", "--power-cut", "lab2"), cut, start, freeze, thaw."""
        if words[0] in ("reset", "cut"):
            self.warm.discard(words[-1])
        done = subprocess.run([*TOOL, "--folder", self.folder, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, host, argv, user="root", check=True, timeout=300):
        """A command on a host, or a script when `argv` is text; answers the finished process."""
        words = ["sh", "-c", argv] if isinstance(argv, str) else [str(word) for word in argv]
        described = hypervisors.host_named(self.folder, host)
        if user == "root" and host in self.warm:
            code, output, errors = near.ask(near.socket_of(described), words, timeout=timeout)
            done = subprocess.CompletedProcess(words, code, output.decode(), errors.decode())
        else:
            command = [*described.ssh(user), shlex.join(words)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout)
        assert not check or done.returncode == 0, f"{host}: {argv}: {done.stdout}{done.stderr}"
        return done

    def put(self, host, data, path):
        """Bytes into a file of a host."""
        code, _output, errors = near.ask(near.socket_of(hypervisors.host_named(self.folder, host)), ["dd", "bs=1M", "status=none", f"of={path}"], data)
        assert not code, errors

    def until(self, host, condition, seconds, told="true"):
        """Wait on a host until a condition of the shell holds; where it does not in time, `told` says more."""
        script = f"timeout {seconds} sh -c {shlex.quote(f'until {condition}; do sleep 0.2; done')} || {{ {told}; exit 1; }}"
        return self.run(host, script, timeout=seconds + 120).stdout

    def ansible(self, module, pattern, user=None, check=False, **options):
        """One module on the hosts of a pattern: {host: the whole result}."""
        task = {module: options, "check_mode": check, "ignore_errors": True}
        return {host: results[0] for host, results in self.tasks([task], pattern, user).items()}

    def tasks(self, tasks, pattern, user=None):
        """Tasks on the hosts of a pattern, by one ansible-playbook: {host: [result, ...]}; a failed one with ignore_errors does not end it.

        With a user, root or ops, all the way over SSH, and ops becomes root; a task takes five seconds then rather than half of one.
        """
        play = {"hosts": pattern, "gather_facts": False, "tasks": tasks}
        if user:
            play |= {"become": user != "root", "vars": {"ansible_user": user}}
        with tempfile.NamedTemporaryFile("w", dir=self.scratch, suffix=".json") as file:
            json.dump([play], file)
            file.flush()
            done = self.playbook(file.name, ssh=bool(user))
        told = {}
        for host, result in results(done.stdout):
            told.setdefault(host, []).append(result)
        assert told, f"no result from {tasks}:\n{done.stdout}\n{done.stderr}"
        return told

    def playbook(self, path, *arguments, ssh=False):
        """ansible-playbook on the lab's inventory, changes shown; answers the finished process."""
        cold = [host for host in hypervisors.read(self.folder) if host.name not in self.warm]
        if cold and not ssh:
            near.together(near.start, cold)
            self.warm |= {host.name for host in cold}
        inventory = self.folder / ("inventory.yml" if ssh else "forks.yml")
        return self.playbooks.run(["--diff", "-i", str(inventory), *arguments, str(path)], self.environment)


@pytest.fixture(scope="module", autouse=True)
def clean_after_a_failure(request):
    """What a test that failed left there is nothing that those of the next file could be measured by."""
    before = request.session.testsfailed
    yield
    if request.session.testsfailed > before and STARTED and not os.environ.get("INTAKE_VMS_LAB"):
        STARTED[0].restore()


@pytest.fixture(scope="session")
def lab(tmp_path_factory, pytestconfig):
    """A lab of this run's own; or one that `lab.py --folder FOLDER up` started, named by INTAKE_VMS_LAB, which stays."""
    collections = tmp_path_factory.mktemp("collections")
    (collections / "ansible_collections" / "intake").mkdir(parents=True)
    (collections / "ansible_collections" / "intake" / "vms").symlink_to(ROOT)
    (collections / "ansible.cfg").touch()
    kept = os.environ.get("INTAKE_VMS_LAB")
    folder = Path(kept) if kept else CACHE / "labs" / f"pytest-{os.getpid()}"
    tool, capture = [*TOOL, "--folder", str(folder)], pytestconfig.pluginmanager.getplugin("capturemanager")
    with contextlib.nullcontext() if kept else hypervisors.owned(folder):
        bring_up(tool, capture)
        STARTED.append(Lab(folder, collections))
        yield STARTED[0]
        STARTED.pop().end()


def bring_up(tool, capture):
    """What the tool says goes through at once, so that nobody wonders what takes minutes when it builds."""
    said = []
    with subprocess.Popen([*tool, "up"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as done:
        for line in done.stderr:
            said.append(line)
            with capture.global_and_fixture_disabled():
                sys.stderr.write(f"\n{line.rstrip()}")
    if done.returncode == MISSING:
        pytest.skip(said[-1].strip())
    assert done.returncode == 0, "".join(said)
