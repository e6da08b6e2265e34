# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphics, console, agent, random numbers and autostart; twenty machines in one call, and calls of which one is refused."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
import shared_storage

SECURE_INACTIVE = 3
SECRET = "Qx7Pvw9z"


@pytest.fixture
def name(forget_vms, unique):
    """A name whose machines go away."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def definition(connection):
    """definition(name) -> the persistent XML, secrets included."""
    return lambda name: ET.fromstring(connection.lookupByName(name).XMLDesc(SECURE_INACTIVE))


def graphics_of(root):
    """(type, listen, port, password) of each screen."""
    return [
        (one.get("type"), one.get("listen"), None if one.get("autoport") == "yes" else one.get("port"), one.get("passwd")) for one in root.iter("graphics")
    ]


@pytest.mark.parametrize("switch, path", [("console", "devices/serial"), ("agent", "devices/channel/target[@name='org.qemu.guest_agent.0']")])
def test_a_switch_is_on_unless_said_and_can_be_turned(switch, path, name, ensure, definition):
    ensure("intake_vm", vms=[{"name": f"{name}-on"}, {"name": f"{name}-off", switch: False}])
    assert [definition(f"{name}-{end}").find(path) is not None for end in ("on", "off")] == [True, False]
    done = ensure("intake_vm", vms=[{"name": f"{name}-on", switch: False}, {"name": f"{name}-off", switch: True}])
    assert [definition(f"{name}-{end}").find(path) is not None for end in ("on", "off")] == [False, True]
    assert [entry["state"][switch] for entry in done["resources"]] == [False, True]
    assert definition(f"{name}-on").find("devices/console") is None or switch != "console"


def test_random_numbers(name, ensure, definition):
    for options, source in (({}, "/dev/urandom"), ({"rng": False}, None), ({"rng": True}, "/dev/urandom")):
        ensure("intake_vm", name=name, **options)
        assert definition(name).findtext("devices/rng/backend") == source


def test_autostart(name, ensure, connection):
    """Set at creation, changed, and kept where it is not said."""
    for options, value in (({"autostart": True}, 1), ({"description": "x"}, 1), ({"autostart": False}, 0), ({"autostart": True}, 1)):
        done = ensure("intake_vm", name=name, **options)
        assert connection.lookupByName(name).autostart() == value == int(done["vm"]["autostart"])


def test_graphics(name, ensure, definition):
    """Each of its options; what is not said stays, also when the protocol changes."""
    assert not ensure("intake_vm", name=name)["vm"]["graphics"]
    stages = [
        ({}, ("vnc", "127.0.0.1", None, None)),
        ({"listen": "127.0.0.2"}, ("vnc", "127.0.0.2", None, None)),
        ({"port": 5999}, ("vnc", "127.0.0.2", "5999", None)),
        ({"type": "spice"}, ("spice", "127.0.0.2", "5999", None)),
        ({"type": "spice", "port": 0, "listen": "127.0.0.1"}, ("spice", "127.0.0.1", None, None)),
        ({"type": "vnc"}, ("vnc", "127.0.0.1", None, None)),
    ]
    for options, expected in stages:
        ensure("intake_vm", name=name, graphics=options)
        assert graphics_of(definition(name)) == [expected], options
    assert definition(name).find("devices/video") is not None
    ensure("intake_vm", name=name, graphics={"type": "none"})
    assert graphics_of(definition(name)) == [] and definition(name).find("devices/video") is None
    ensure("intake_vm", name=name, graphics={"type": "spice", "listen": "127.0.0.1"})
    assert graphics_of(definition(name)) == [("spice", "127.0.0.1", None, None)]


def test_a_password_of_graphics_is_in_no_output(name, run_tasks, run_module, definition):
    """Neither when it is set, changed, taken away, nor when the machine is shown or removed."""
    stages = [SECRET, "other-pw", "", SECRET]
    calls = [("intake_vm", {"name": name, "graphics": {"password": password}}, check) for password in stages for check in (True, False, False)]
    results = run_tasks(*calls)
    assert [result["changed"] for result in results] == [True, True, False] * 4, [result.get("msg") for result in results]
    assert graphics_of(definition(name))[0][3] == SECRET
    results += [run_module("intake_vm_info", names=[name]), run_module("intake_vm", True, vms=[{"name": name, "graphics": {"password": "x" * 8}}])]
    results += [run_module("intake_vm", True, name=name, graphics={"password": f"{SECRET}-too-long"}), run_module("intake_vm", name=name, state="absent")]
    text = json.dumps(results)
    assert SECRET not in text and "other-pw" not in text and "x" * 8 not in text
    assert results[-1]["changed"]


TWENTY = 8 if shared_storage.ASKED else 20  # an emulated host is slow


def test_twenty_machines_in_one_call(name, storage, ensure, run_module, definition):
    """Shared defaults, exceptions of items, results in the order of the call; a second run is one look."""
    wants = [{"name": f"{name}-{index:02}"} for index in range(TWENTY)]
    wants[3].update(memory="512MiB", labels={"role": "db"})
    wants[7].update(disks=[], cpus=3)
    shared = {
        "memory": "128MiB",
        "cpus": 2,
        "labels": {"role": "web"},
        "disks": [{"name": "root", "size": "1MiB", "storage": storage.name}],
        "interfaces": [{"name": "lan", "user": True}],
    }
    done = ensure("intake_vm", vms=wants, **shared)
    assert [entry["name"] for entry in done["resources"]] == [want["name"] for want in wants]
    states = [entry["state"] for entry in done["resources"]]
    assert [state["memory"] >> 20 for state in states] == [512 if index == 3 else 128 for index in range(TWENTY)]
    assert [state["cpus"] for state in states] == [3 if index == 7 else 2 for index in range(TWENTY)]
    assert [len(state["disks"]) for state in states] == [0 if index == 7 else 1 for index in range(TWENTY)]
    assert {state["labels"]["role"] for state in states} == {"web", "db"}
    for unlike in ("uuid", "name"):
        assert len({state[unlike] for state in states}) == TWENTY
    assert len({state["interfaces"]["lan"]["mac"] for state in states}) == TWENTY
    again = run_module("intake_vm", vms=wants, **{**shared, "cpus": 3})
    assert [entry["changed"] for entry in again["resources"]] == [index != 7 for index in range(TWENTY)]
    gone = ensure("intake_vm", vms=[{"name": want["name"]} for want in wants], state="absent", remove_disks=["all"])
    assert [entry["state"] for entry in gone["resources"]] == [None] * TWENTY


def test_one_refused_machine_stops_the_call_before_anything_has_moved(name, storage, ensure, run_module, definition):
    ensure("intake_vm", name=f"{name}-there", memory="128MiB")
    wants = [
        {"name": f"{name}-there", "memory": "256MiB"},
        {"name": f"{name}-new", "disks": [{"name": "root", "size": "1MiB", "storage": storage.name}]},
        {"name": f"{name}-bad", "memory": "1"},
    ]
    done = run_module("intake_vm", vms=wants)
    assert done["failed"] and not done["changed"] and done["reason"] == "invalid_size"
    assert done["msg"].startswith(f"vm {name}-bad: memory 1 is 1 B")
    assert [(entry["changed"], entry["steps"], entry.get("reason")) for entry in done["resources"]] == [(False, [], None)] * 2 + [(False, [], "invalid_size")]
    assert definition(f"{name}-there").findtext("memory") == str(128 << 10)
    assert run_module("intake_vm_info", names=[f"{name}-new", f"{name}-bad"])["vms"] == []
    assert run_module("intake_volume_info", storage=storage.name)["volumes"] == []


def test_lists_that_cannot_be_meant_are_refused(name, refuse):
    refuse("intake_vm", "duplicate_name", vms=[{"name": name}, {"name": f"{name}-x"}, {"name": name}])
    refuse("intake_vm", "ambiguous_name", name=name, vms=[{"name": f"{name}-x"}])
    refuse("intake_vm", "name_missing", vms=[{"name": name}, {"memory": "1GiB"}])
    refuse("intake_vm", "name_missing", memory="1GiB")
    refuse("intake_vm", "invalid_options", vms=[{"name": name, "memroy": "1GiB"}])
    refuse("intake_vm", "invalid_options", vms=[{"name": name, "disks": [{"size": "1GiB"}]}])
    refuse("intake_vm", "invalid_options", vms=[{"name": name, "cpus": "many"}])
