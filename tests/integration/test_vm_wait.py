# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a machine runs, has an address or answers by its agent; with a limit, and words for what was missing."""

from __future__ import annotations

import pytest

USER = [{"name": "nat", "user": True}]


@pytest.fixture
def name(unique, forget_vms):
    """A machine's name; it is gone afterwards."""
    yield unique
    forget_vms(unique)


def test_the_agent_has_answered_when_the_task_returns(name, ensure, tiny_guest, connection):
    done = ensure("intake_vm", name=name, state="running", wait_for="agent", **tiny_guest.options)
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["define", "start"]
    assert connection.lookupByName(name).getTime(0)["seconds"] > 0
    assert not ensure("intake_vm", name=name, changed=False, wait_for="agent")["diff"]  # also without saying that it shall run


def test_an_address_is_known_when_the_task_returns(name, ensure, run_module, tiny_guest):
    ensure("intake_vm", name=name, state="running", wait_for="ip", interfaces=USER, **tiny_guest.options)
    assert run_module("intake_vm_info", names=[name])["vms"][0]["address"].startswith("10.0.2.")


def test_running_is_waited_for_after_a_pause_and_never_for_a_machine_that_shall_be_off(name, ensure, tiny_guest, connection):
    ensure("intake_vm", name=name, state="running", wait_for="running", **tiny_guest.options)
    connection.lookupByName(name).suspend()
    ensure("intake_vm", name=name, state="running", wait_for="running")
    ensure("intake_vm", name=name, state="paused", wait_for="agent", wait_timeout=1)
    ensure("intake_vm", name=name, changed=False, wait_for="agent", wait_timeout=1)
    ensure("intake_vm", name=name, state="stopped", wait_for="agent", force_stop=True, stop_timeout=1, wait_timeout=1)
    ensure("intake_vm", name=name, changed=False, wait_for="ip", wait_timeout=1)


def test_what_did_not_come_in_time_is_said_and_what_was_done_stays(name, run_tasks, tiny_guest, connection):
    order = {"name": name, "wait_timeout": 1}
    new = {**order, "state": "running", "wait_for": "agent", **tiny_guest.saying("mute")}
    predicted, agent, ip = run_tasks(("intake_vm", new, True), ("intake_vm", new, False), ("intake_vm", {**order, "wait_for": "ip"}, False))
    assert not predicted.get("failed") and predicted["changed"]
    assert agent["failed"] and agent["reason"] == "wait_timeout" and agent["changed"] and agent["vm"]["state"] == "running"
    assert agent["msg"] == f"vm {name}: is running, but its guest agent did not answer within 1 s; is qemu-guest-agent installed in the guest?"
    assert ip["failed"] and ip["reason"] == "wait_timeout" and not ip["changed"]
    assert ip["msg"].startswith(f"vm {name}: is running, but no address of it became known within 1 s")
    assert connection.lookupByName(name).isActive()


def test_a_machine_without_the_agents_channel_does_not_answer_either(name, run_module, tiny_guest):
    order = {"state": "running", "wait_for": "agent", "wait_timeout": 1, "agent": False}
    assert run_module("intake_vm", name=name, **order, **tiny_guest.options)["reason"] == "wait_timeout"


def test_a_machine_that_goes_off_ends_the_waiting(name, run_module, tiny_guest):
    """With an hour to wait: were this not at once, the test would say so by its patience."""
    done = run_module("intake_vm", name=name, state="running", wait_for="agent", wait_timeout=3600, **tiny_guest.saying("mute", "dies=1"))
    assert done["failed"] and done["reason"] == "wait_stopped" and done["vm"]["state"] == "stopped"
    assert done["msg"] == f"vm {name}: went off (shutdown) while it was waited for"


def test_a_machine_that_someone_holds_is_no_running_one(name, run_tasks, tiny_guest, connection):
    """Nobody resumes it behind the administrator's back: state present leaves its power alone."""
    made = run_tasks(("intake_vm", {"name": name, "state": "paused", **tiny_guest.options}, False))[0]
    assert made["vm"]["state"] == "paused"
    again = run_tasks(("intake_vm", {"name": name, "wait_for": "running", "wait_timeout": 1}, False))[0]
    assert not again.get("failed") and not again["changed"] and again["vm"]["state"] == "paused"


def test_one_mute_guest_among_many_fails_alone(name, run_module, tiny_guest):
    vms = [{"name": f"{name}-fine"}, {"name": f"{name}-mute", "cmdline": tiny_guest.saying("mute")["cmdline"], "wait_timeout": 1}]
    done = run_module("intake_vm", vms=vms, state="running", wait_for="agent", wait_timeout=120, **tiny_guest.options)
    fine, mute = done["resources"]
    assert fine["error"] is None and fine["state"]["state"] == "running" and fine["changed"]
    assert mute["reason"] == "wait_timeout" and mute["changed"] and mute["error"] == done["msg"]
