# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that are made and removed while the run is killed, and while another play wants the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from disks import files
from results import results
from until import until

MANY = 60


@pytest.fixture
def name(unique, forget_vms, storage):
    """Begins the names of machines that are gone before the storage is."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def background(ansible_environment):
    """background(**options): intake_vm by a play beside the test; wait for it, or kill its module."""
    running = []

    def run(**options):
        argv = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-c", "local", "-m", "intake.vms.intake_vm", "-a", json.dumps(options)]
        argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
        running.append(subprocess.Popen(argv, env=ansible_environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def result(play):
    """What the play's task returned."""
    return results(play.communicate()[0])[0][1]


@pytest.fixture
def holder():
    """holder(name) -> the process that changes this machine now, or None."""
    from ansible_collections.intake.vms.plugins.module_utils.locking import locks

    return lambda name: locks.holder(f"vm/{name}")


def count(connection, name):
    return sum(domain.name().startswith(f"{name}-") for domain in connection.listAllDomains(0))


def many(name, storage, tiny_guest):
    """An order for many machines, each with a disk and a seed."""
    vms = [{"name": f"{name}-{number}"} for number in range(MANY)]
    return {"vms": vms, "disks": [{"name": "root", "size": "1MiB", "storage": storage.name}], "cloud_init": {}, **tiny_guest.options}


def test_a_killed_creation_is_finished_by_the_next_run(name, storage, background, holder, run_tasks, connection, tiny_guest):
    order = many(name, storage, tiny_guest)
    play = background(**order)
    until(lambda: count(connection, name) >= 3)
    os.kill(holder(f"{name}-0"), signal.SIGKILL)
    play.communicate()
    assert 3 <= count(connection, name) < MANY
    done, again = run_tasks(("intake_vm", order, False), ("intake_vm", order, False))
    assert not done.get("failed") and done["changed"] and not again["changed"], done.get("msg")
    assert count(connection, name) == MANY
    volumes = sorted(f"{name}-{number}-{part}" for number in range(MANY) for part in ("root.qcow2", "seed.iso"))
    assert files(storage.path) == volumes


def test_a_killed_removal_is_finished_by_the_next_run(name, storage, background, holder, run_tasks, run_module, connection, tiny_guest):
    made = run_module("intake_vm", **many(name, storage, tiny_guest))
    assert not made.get("failed"), made["msg"]
    order = {"vms": [{"name": f"{name}-{number}"} for number in range(MANY)], "state": "absent", "remove_disks": ["root"]}
    play = background(**order)
    until(lambda: count(connection, name) <= MANY - 3)
    os.kill(holder(f"{name}-0"), signal.SIGKILL)
    play.communicate()
    assert 0 < count(connection, name) <= MANY - 3
    done, again = run_tasks(("intake_vm", order, False), ("intake_vm", order, False))
    assert not done.get("failed") and done["changed"] and not again["changed"], done.get("msg")
    assert count(connection, name) == 0 and files(storage.path) == []
    assert not [record for record in os.listdir(f"{storage.path}/.intake") if name in record]


def test_one_whose_disk_went_before_the_kill_is_undefined(name, storage, ensure, run_module, connection, tiny_guest):
    run_module("intake_vm", name=f"{name}-0", disks=[{"name": "root", "size": "1MiB", "storage": storage.name}], **tiny_guest.options)
    os.unlink(f"{storage.path}/{name}-0-root.qcow2")
    ensure("intake_vm", name=f"{name}-0", state="absent", remove_disks=["root"])
    assert count(connection, name) == 0


def test_two_plays_make_one_machine(name, storage, background, connection, tiny_guest):
    order = {"name": f"{name}-0", "disks": [{"name": "root", "size": "1MiB", "storage": storage.name}], **tiny_guest.options}
    plays = [background(**order, cloud_init={"hostname": "one"}) for _number in range(2)]
    said = [result(play) for play in plays]
    assert not any(one.get("failed") for one in said), said
    assert sorted(one["changed"] for one in said) == [False, True]
    assert count(connection, name) == 1 and not [entry for entry in os.listdir(storage.path) if entry.startswith(".intake-")]


def test_a_play_waits_for_its_turn_as_long_as_it_may(name, background, holder, run_module, tiny_guest, unrecorded):
    machine = f"{name}-0"
    made = run_module("intake_vm", name=machine, state="running", wait_for="agent", **tiny_guest.saying("deaf"))
    assert not made.get("failed"), made["msg"]
    first = background(name=machine, state="stopped", stop_timeout=12, force_stop=True)
    process = until(lambda: holder(machine))
    hurried = run_module("intake_vm", name=machine, description="second", lock_timeout=1)
    assert hurried["failed"] and hurried["reason"] == "locked" and not hurried["changed"]
    assert hurried["msg"].startswith(f"vm {machine}: another run is changing it (process {process});")
    patient = run_module("intake_vm", name=machine, description="second")
    assert not patient.get("failed") and patient["vm"]["description"] == "second" and patient["vm"]["state"] == "stopped"
    assert result(first)["vm"]["state"] == "stopped"
