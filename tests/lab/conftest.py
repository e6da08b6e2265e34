# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture `lab`: two hypervisors over SSH, started at first use, taken down at the end whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import hypervisors
from image import CACHE
from results import results

ROOT = HERE.parents[1]
TOOL = [sys.executable, "-B", str(HERE / "lab.py")]
MISSING = 77  # lab.py: this machine cannot run a lab


class Lab:
    """What tests may do with the hosts lab1, which also serves NFS, and lab2."""

    def __init__(self, folder, collections):
        self.folder, self.inventory = folder, folder / "inventory.yml"
        self.environment = {
            **os.environ,
            "PATH": f"{os.path.dirname(sys.executable)}:/usr/sbin:/usr/bin:/sbin:/bin",
            "ANSIBLE_CONFIG": str(collections / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "callback"),
            "ANSIBLE_STDOUT_CALLBACK": "host_result",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_INVENTORY": str(self.inventory),
        }
        self.scratch = collections

    def tool(self, *words):
        """lab.py for this lab: tool("reset", "--power-cut", "lab2"), cut, start, freeze, thaw."""
        done = subprocess.run([*TOOL, "--folder", self.folder, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, host, argv, user="root", check=True, timeout=300):
        """A command on a host, or a script when `argv` is text; answers the finished process."""
        words = ["sh", "-c", argv] if isinstance(argv, str) else argv
        script = " ".join("'" + str(word).replace("'", "'\\''") + "'" for word in words)
        command = [*TOOL, "--folder", self.folder, "ssh", "--user", user, host, script]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout)
        assert not check or done.returncode == 0, f"{host}: {argv}: {done.stdout}{done.stderr}"
        return done

    def ansible(self, module, pattern, user="root", check=False, **options):
        """One module on the hosts of a pattern, as root or as ops with become: {host: the whole result}."""
        task = {module: options, "check_mode": check, "ignore_errors": True}
        return {host: results[0] for host, results in self.tasks([task], pattern, user).items()}

    def tasks(self, tasks, pattern, user="root"):
        """Tasks on the hosts of a pattern, by one ansible-playbook: {host: [result, ...]}; a failed one with ignore_errors does not end it."""
        play = {"hosts": pattern, "gather_facts": False, "become": user != "root", "vars": {"ansible_user": user}, "tasks": tasks}
        with tempfile.NamedTemporaryFile("w", dir=self.scratch, suffix=".json") as file:
            json.dump([play], file)
            file.flush()
            done = self.playbook(file.name)
        told = {}
        for host, result in results(done.stdout):
            told.setdefault(host, []).append(result)
        assert told, f"no result from {tasks}:\n{done.stdout}\n{done.stderr}"
        return told

    def playbook(self, path, *arguments):
        """ansible-playbook on the lab's inventory, changes shown; answers the finished process."""
        command = [sys.executable, "-m", "ansible", "playbook", "--diff", *arguments, str(path)]
        return subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


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
        yield Lab(folder, collections)


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
