# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every state of a machine from every other, and stopping that has really stopped, on guests that really boot."""

from __future__ import annotations

import pytest

RUNNING, PAUSED, OFF = 1, 3, 5  # virDomainState


@pytest.fixture
def name(unique, forget_vms):
    """Begins the names of machines that are gone afterwards."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def bring(name, tiny_guest, run_module, connection):
    """bring(state, *suffixes): defined machines, booted ones, or booted ones that are held."""

    def to(state, *suffixes, options=tiny_guest.options):
        wants = [{"name": f"{name}-{suffix}"} for suffix in suffixes]
        order = {"state": "present"} if state == "stopped" else {"state": "running", "wait_for": "agent", "wait_timeout": 120}
        done = run_module("intake_vm", vms=wants, **order, **options)
        assert not done.get("failed"), done["msg"]
        for want in wants if state == "paused" else ():
            connection.lookupByName(want["name"]).suspend()

    return to


def states(connection, beginning):
    """{suffix: number of the state} of the machines there are."""
    found = [domain for domain in connection.listAllDomains(0) if domain.name().startswith(f"{beginning}-")]
    return {domain.name()[len(beginning) + 1 :]: domain.state()[0] for domain in found}


def verbs(result):
    """{name's last part: its steps' verbs}."""
    return {entry["name"].rsplit("-", 1)[1]: [step["verb"] for step in entry["steps"]] for entry in result["resources"]}


def each(name, *wanted):
    """One item for each state, named after it."""
    return [{"name": f"{name}-{state}", "state": state} for state in wanted]


def test_from_nothing(name, ensure, tiny_guest, connection):
    done = ensure("intake_vm", vms=each(name, "present", "running", "stopped", "paused", "absent"), **tiny_guest.options)
    assert states(connection, name) == {"present": OFF, "running": RUNNING, "stopped": OFF, "paused": PAUSED}
    shown = {entry["name"].rsplit("-", 1)[1]: entry["state"] and entry["state"]["state"] for entry in done["resources"]}
    assert shown == {"present": "stopped", "running": "running", "stopped": "stopped", "paused": "paused", "absent": None}
    assert verbs(done)["present"] == ["define"] and verbs(done)["running"] == ["define", "start"] and verbs(done)["absent"] == []


def test_from_stopped(name, bring, ensure, connection):
    bring("stopped", "present", "running", "stopped", "paused", "absent")
    done = ensure("intake_vm", vms=each(name, "present", "running", "stopped", "paused", "absent"))
    assert states(connection, name) == {"present": OFF, "running": RUNNING, "stopped": OFF, "paused": PAUSED}
    assert verbs(done)["present"] == verbs(done)["stopped"] == [] and verbs(done)["running"] == ["start"]


def test_from_running(name, bring, ensure, connection):
    bring("running", "present", "running", "stopped", "paused", "absent")
    done = ensure("intake_vm", vms=each(name, "present", "running", "stopped", "paused", "absent"))
    assert states(connection, name) == {"present": RUNNING, "running": RUNNING, "stopped": OFF, "paused": PAUSED}
    assert verbs(done)["present"] == verbs(done)["running"] == [] and verbs(done)["paused"] == ["pause"]
    stopping = [step for entry in done["resources"] for step in entry["steps"] if step["verb"] == "stop"]
    assert {step["risk"] for step in stopping} == {"restart"} and len(stopping) == 2


def test_from_paused(name, bring, ensure, connection):
    """A guest that is held hears no power button: it has to go on before it can shut down."""
    bring("paused", "present", "running", "stopped", "paused", "absent")
    done = ensure("intake_vm", vms=each(name, "present", "running", "stopped", "paused", "absent"), stop_timeout=60)
    assert states(connection, name) == {"present": PAUSED, "running": RUNNING, "stopped": OFF, "paused": PAUSED}
    assert verbs(done)["present"] == verbs(done)["paused"] == [] and verbs(done)["running"] == ["resume"]
    assert verbs(done)["stopped"] == ["resume", "stop"] and verbs(done)["absent"] == ["resume", "stop", "undefine"]


def test_restarted_from_every_state(name, bring, run_tasks, tiny_guest, connection):
    bring("stopped", "stopped")
    bring("running", "running")
    bring("paused", "paused")
    before = {suffix: connection.lookupByName(f"{name}-{suffix}").ID() for suffix in ("running", "paused")}
    vms = [{"name": f"{name}-{suffix}"} for suffix in ("stopped", "running", "paused", "nothing")]
    order = {"vms": vms, "state": "restarted", "stop_timeout": 60, **tiny_guest.options}
    predicted, done = run_tasks(("intake_vm", order, True), ("intake_vm", order, False))
    assert not done.get("failed"), done["msg"]
    assert verbs(predicted) == verbs(done) and predicted["diff"] == done["diff"]
    assert states(connection, name) == dict.fromkeys(("stopped", "running", "paused", "nothing"), RUNNING)
    assert verbs(done)["stopped"] == ["start"] and verbs(done)["running"] == ["restart"] and verbs(done)["nothing"] == ["define", "start"]
    for suffix, number in before.items():  # libvirt numbers every start
        assert connection.lookupByName(f"{name}-{suffix}").ID() > number


@pytest.mark.parametrize("state", ["stopped", "running", "paused", "restarted"])
def test_a_machine_that_is_not_there_takes_no_orders(state, unique, refuse, connection):
    sentence = refuse("intake_vm", "vm_not_found", name=unique, state=state)
    assert sentence.startswith(f"vm {unique}: does not exist, so it cannot be {state};") and "Traceback" not in sentence
    assert unique not in [domain.name() for domain in connection.listAllDomains(0)]


def test_one_that_is_not_there_holds_back_the_whole_call(name, bring, refuse, connection):
    bring("stopped", "there")
    refuse("intake_vm", "vm_not_found", vms=[{"name": f"{name}-there"}, {"name": f"{name}-gone"}], state="running")
    assert states(connection, name) == {"there": OFF}


def test_stopped_means_off_when_the_task_returns(name, bring, run_module, connection, tiny_guest):
    bring("running", "lazy", options=tiny_guest.saying("lazy=3"))
    done = run_module("intake_vm", name=f"{name}-lazy", state="stopped")
    assert connection.lookupByName(f"{name}-lazy").state() == [OFF, 1]  # shut off by its shutdown
    assert done["vm"]["state"] == "stopped"


def test_a_guest_that_does_not_obey_keeps_running_until_the_plug_may_be_pulled(name, bring, run_tasks, connection, tiny_guest):
    bring("running", "deaf", options=tiny_guest.saying("deaf"))
    domain = connection.lookupByName(f"{name}-deaf")
    order = {"name": domain.name(), "stop_timeout": 2}
    calls = [{**order, "state": state} for state in ("stopped", "absent", "restarted")]
    for result in run_tasks(*[("intake_vm", call, False) for call in calls]):
        assert result["failed"] and result["reason"] == "stop_timeout" and not result["changed"]
        assert result["msg"].startswith(f"vm {domain.name()}: did not stop within 2 s and still runs;") and "force_stop: true" in result["msg"]
        assert result["vm"]["state"] == "running"
    assert domain.state()[0] == RUNNING
    predicted, done, again = run_tasks(*[("intake_vm", {**order, "state": "stopped", "force_stop": True}, check) for check in (True, False, False)])
    assert predicted["changed"] and done["changed"] and not done.get("failed") and not again["changed"]
    assert domain.state() == [OFF, 2]  # destroyed


def test_a_deaf_guest_is_removed_and_restarted_by_force(name, bring, run_module, connection, tiny_guest):
    bring("running", "deaf", options=tiny_guest.saying("deaf"))
    number = connection.lookupByName(f"{name}-deaf").ID()
    done = run_module("intake_vm", name=f"{name}-deaf", state="restarted", stop_timeout=1, force_stop=True)
    assert done["changed"] and connection.lookupByName(f"{name}-deaf").ID() > number
    assert run_module("intake_vm", name=f"{name}-deaf", state="absent", stop_timeout=1, force_stop=True)["changed"]
    assert states(connection, name) == {}


def test_a_guest_without_an_agent_stops_by_its_button_even_while_it_boots(name, ensure, tiny_guest, connection):
    vms = [{"name": f"{name}-mute"}, {"name": f"{name}-none", "agent": False}]
    ensure("intake_vm", vms=vms, state="running", **tiny_guest.saying("mute"))
    ensure("intake_vm", vms=vms, state="stopped")
    assert [connection.lookupByName(vm["name"]).state() for vm in vms] == [[OFF, 1]] * 2


def test_autostart(name, ensure, tiny_guest, connection):
    ensure("intake_vm", name=f"{name}-auto", autostart=True, **tiny_guest.options)
    domain = connection.lookupByName(f"{name}-auto")
    assert domain.autostart()
    ensure("intake_vm", name=domain.name(), changed=False, autostart=True)
    ensure("intake_vm", name=domain.name(), changed=False, description=None)
    assert ensure("intake_vm", name=domain.name(), autostart=False)["vm"]["autostart"] is False
    assert not domain.autostart()
    ensure("intake_vm", name=domain.name(), autostart=True)
    ensure("intake_vm", name=domain.name(), state="absent")


@pytest.mark.parametrize("option", ["stop_timeout", "wait_timeout"])
def test_time_limits_are_at_least_a_second(option, unique, refuse):
    assert option in refuse("intake_vm", "invalid_number", name=unique, **{option: 0})
