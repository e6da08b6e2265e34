# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""intake_vm_migrate the whole way through Ansible, as far as one host goes: the other one is libvirt's test driver, which has what a file says."""

from __future__ import annotations

import pytest
from through import Machine, Play, said

NODE = """<node><cpu><mhz>2000</mhz><model>i686</model><active>2</active><nodes>1</nodes><sockets>1</sockets><cores>2</cores><threads>1</threads></cpu>
<memory>8388608</memory><domain type='test'><name>{}</name><uuid>{}</uuid><memory>16384</memory><os><type>hvm</type></os></domain></node>"""


@pytest.fixture
def play(playbooks, ansible_environment, tmp_path):
    """Plays on hosts of this test."""
    return Play(playbooks, ansible_environment, tmp_path)


@pytest.fixture
def machine(connection, folder, unique, forget_vms):
    """A machine that is only defined, under the name of the test."""
    kind = Machine(connection, folder, None)
    kind.connection.defineXML(
        f"<domain type='qemu'><name>{unique}</name><memory unit='MiB'>16</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    yield kind
    forget_vms(unique)


@pytest.fixture
def other(tmp_path, unique):
    """The URI of a host that has the machine NAME-there."""
    path = tmp_path / "node.xml"
    path.write_text(NODE.format(f"{unique}-there", "4f1b8a0e-5f3a-4a65-8a3e-1d2c3b4a5f60"))
    return f"test://{path}"


def task(options, **keywords):
    """A task of intake_vm_migrate."""
    return {"intake.vms.intake_vm_migrate": options, **keywords}


REFUSALS = {
    "destination_missing": {},
    "same_host": {"destination_uri": "qemu:///system"},
    "destination_not_reachable": {"destination_uri": "qemu+tcp://127.0.0.1:1/system"},
    "invalid_number": {"destination_uri": "OTHER", "timeout": 0},
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refusal_is_the_same_in_check_mode_and_moves_nothing(reason, machine, play, unique, other, connection):
    options = {"name": unique, **{key: other if value == "OTHER" else value for key, value in REFUSALS[reason].items()}}
    before = connection.lookupByName(unique).XMLDesc(2)
    told, done = play(task(options, check_mode=True, ignore_errors=True), task(options, ignore_errors=True), recorded=True).results
    assert said([told, done]) == [reason, reason] and told["msg"] == done["msg"]
    assert connection.lookupByName(unique).XMLDesc(2) == before
    assert play.journal("module, status, message", unique) == [("intake_vm_migrate", "failed", done["msg"])]


def test_what_is_there_already_is_left_alone(play, unique, other):
    options = {"name": f"{unique}-there", "destination_uri": other}
    done = play(task(options, check_mode=True), task(options, diff=True), recorded=True).results
    assert said(done) == [False, False] and done[1]["diff"] == []
    assert [(one["vm"]["name"], one["vm"]["state"], one["resources"][0]["steps"]) for one in done] == [(f"{unique}-there", "running", [])] * 2
    assert play.journal("status, names, arguments", unique) == [("unchanged", [f"{unique}-there"], options)]


def test_a_list_with_one_refused_moves_nothing(machine, play, unique, other, connection):
    names = [f"{unique}-there", f"{unique}-none", unique]
    done = play(task({"destination_uri": other, "vms": [{"name": name} for name in names]}), code=2).results
    assert said(done) == ["vm_not_found"] and [one["changed"] for one in done[0]["resources"]] == [False] * 3
    assert f"{unique}-none: is neither on" in done[0]["msg"] and connection.lookupByName(unique)


def test_a_loop_by_a_delegate_with_defaults_of_the_play(machine, play, unique, other):
    defaults = {"intake.vms.intake_vm_migrate": {"destination_uri": other}}
    names = [f"{unique}-none", f"{unique}-there"]
    (done,) = play(
        task({"name": "{{ item }}"}, loop=names, delegate_to="two", ignore_errors=True), hosts="away", module_defaults=defaults, recorded=True
    ).results
    assert said(done["results"]) == ["vm_not_found", False]
    assert play.journal("host_name, status", unique) == [("two", "failed"), ("two", "unchanged")]


def test_a_play_is_rescued_by_the_reason(machine, play, unique):
    bad = task({"name": unique, "destination_uri": "qemu:///system"})
    rescue = [{"ansible.builtin.debug": {"msg": "stays for {{ ansible_failed_result.reason }}"}}]
    done = play({"block": [bad], "rescue": rescue}).results
    assert said(done[:1]) == ["same_host"] and done[1]["msg"] == "stays for same_host" and machine.description(unique) == ""


def test_ad_hoc(machine, play, unique):
    done = play.adhoc("intake_vm_migrate", f"name={unique} destination_uri=qemu:///system", "--check", code=2)
    assert said(done.results) == ["same_host"] and machine.description(unique) == ""
