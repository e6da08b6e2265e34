# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running machine cannot take: reported until it is gone, applied by a restart only with consent."""

from __future__ import annotations

import pytest


@pytest.fixture
def machine(unique, forget_vms, tiny_guest, run_module, connection):
    """A booted machine, without random numbers from the host."""
    done = run_module("intake_vm", name=unique, state="running", wait_for="agent", rng=False, **tiny_guest.options)
    assert not done.get("failed"), done["msg"]
    yield connection.lookupByName(unique)
    forget_vms(unique)


def pending(result):
    """What waits, by field: (what the running machine has, what it will have)."""
    return {one["name"]: (one["have"], one["want"]) for one in result["resources"][0]["pending"]}


def test_pending_is_reported_on_every_run_until_the_machine_was_off(machine, ensure, run_module, run_tasks):
    name, number = machine.name(), machine.ID()
    done = ensure("intake_vm", name=name, rng=True)
    assert pending(done) == {"rng": (False, True)} and [step["verb"] for step in done["resources"][0]["steps"]] == ["edit"]
    orders = [{"rng": True}, {"restart": "never"}, {"state": "running"}]
    for result in run_tasks(*[("intake_vm", {"name": name, **order}, False) for order in orders]):
        assert not result["changed"] and pending(result) == {"rng": (False, True)}
    seen = run_module("intake_vm_info", names=[name], gather=["pending"])["vms"][0]
    assert seen["pending"] == done["resources"][0]["pending"]
    assert machine.isActive() and machine.connect().lookupByName(name).ID() == number
    assert pending(ensure("intake_vm", name=name, state="stopped")) == {}
    assert pending(ensure("intake_vm", name=name, state="running", wait_for="agent")) == {}
    assert run_module("intake_vm_info", names=[name])["vms"][0]["pending"] == []


def test_taking_the_change_back_leaves_nothing_pending(machine, ensure):
    assert "rng" in pending(ensure("intake_vm", name=machine.name(), rng=True))
    assert pending(ensure("intake_vm", name=machine.name(), rng=False)) == {}


def test_restart_if_needed_restarts_once_and_only_for_what_needs_it(machine, ensure):
    name, number = machine.name(), machine.ID()
    ensure("intake_vm", name=name, restart="if_needed", description="taken live")
    assert machine.connect().lookupByName(name).ID() == number
    done = ensure("intake_vm", name=name, restart="if_needed", rng=True, wait_for="agent")
    assert [(step["verb"], step["risk"]) for step in done["resources"][0]["steps"]] == [("edit", "live"), ("restart", "restart")]
    assert pending(done) == {} and "<rng" in machine.XMLDesc()
    assert machine.connect().lookupByName(name).ID() > number


def test_restart_if_needed_works_off_what_an_earlier_run_left(machine, ensure):
    name = machine.name()
    ensure("intake_vm", name=name, rng=True)
    done = ensure("intake_vm", name=name, restart="if_needed", wait_for="agent")
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["restart"] and pending(done) == {}


def test_restart_if_needed_wakes_a_held_machine_only_if_it_shall_run(machine, ensure):
    name = machine.name()
    ensure("intake_vm", name=name, rng=True, state="paused")
    assert pending(ensure("intake_vm", name=name, changed=False, restart="if_needed")) == {"rng": (False, True)}
    done = ensure("intake_vm", name=name, restart="if_needed", state="running")
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["resume", "restart"] and pending(done) == {}


def test_a_restart_that_the_guest_refuses_leaves_it_running_with_the_change_pending(unique, forget_vms, tiny_guest, run_tasks):
    try:
        made, done, again = run_tasks(
            ("intake_vm", {"name": unique, "state": "running", "wait_for": "agent", **tiny_guest.saying("deaf")}, False),
            ("intake_vm", {"name": unique, "rng": False, "restart": "if_needed", "stop_timeout": 1}, False),
            ("intake_vm", {"name": unique}, False),
        )
        assert not made.get("failed"), made["msg"]
        assert done["failed"] and done["reason"] == "stop_timeout" and done["changed"] and done["vm"]["state"] == "running"
        assert pending(done) == pending(again) == {"rng": (True, False)}
    finally:
        forget_vms(unique)
