# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing machines: filters, and what each group of figures tells of machines that run, are held and are off."""

from __future__ import annotations

import os
import subprocess

import pytest


@pytest.fixture
def bridge(prefix):
    """A bridge of the host that leads nowhere and has no address."""
    name = f"{prefix[:9]}br"
    path = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    if os.path.exists(path):
        with open(path, "w", encoding="ascii") as file:
            file.write("1")
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=True)


@pytest.fixture
def machines(unique, storage, bridge, forget_vms, run_module, tiny_guest, connection):
    """Three machines: `up` booted with disk and interfaces, `held` on hold, `off`; their common beginning."""
    disks = [{"name": "root", "size": "8MiB", "storage": storage.name}]
    cards = [{"name": "nat", "user": True}, {"name": "lan", "bridge": bridge}]
    up = {"name": f"{unique}-up", "disks": disks, "interfaces": cards, "labels": {"tier": "web", "site": "berlin"}, "wait_for": "ip"}
    held = {"name": f"{unique}-held", "state": "paused", "labels": {"tier": "web"}, "description": "on hold"}
    off = {"name": f"{unique}-off", "state": "stopped", "labels": {"tier": "db"}, "cpus": 2}
    done = run_module("intake_vm", vms=[up, held, off], state="running", **tiny_guest.options)
    assert not done.get("failed"), done["msg"]
    yield unique
    forget_vms(unique)


@pytest.fixture
def listed(run_tasks, machines):
    """listed({options}, ...) -> for each call the machines of this test by the last part of their names."""

    def run(*calls):
        results = run_tasks(*[("intake_vm_info", call, False) for call in calls])
        assert not any(result.get("failed") or result["changed"] for result in results), results
        found = [[vm for vm in result["vms"] if vm["name"].startswith(machines)] for result in results]
        return [{vm["name"].rsplit("-", 1)[1]: vm for vm in vms} for vms in found]

    return run


def test_filters(machines, listed, storage):
    calls = [
        ({}, ["held", "off", "up"]),
        ({"names": [f"{machines}-up", f"{machines}-off", "no-such"]}, ["off", "up"]),
        ({"labels": {"tier": "web"}}, ["held", "up"]),
        ({"labels": {"tier": "web", "site": "berlin"}}, ["up"]),
        ({"labels": {"tier": "mail"}}, []),
        ({"state": "running"}, ["up"]),
        ({"state": "paused"}, ["held"]),
        ({"state": "stopped"}, ["off"]),
        ({"state": "crashed"}, []),
        ({"storage": storage.name}, ["up"]),
        ({"storage": storage.name, "state": "stopped"}, []),
        ({"names": [f"{machines}-up"], "labels": {"tier": "db"}}, []),
    ]
    for (options, names), vms in zip(calls, listed(*[{"gather": [], **options} for options, _names in calls])):
        assert list(vms) == names, options  # sorted by name


def test_a_storage_that_is_not_there_is_an_error(run_module, unique):
    done = run_module("intake_vm_info", storage=unique)
    assert done["failed"] and done["reason"] == "storage_not_found" and unique in done["msg"]


def test_definition_state_and_reason(machines, listed, connection):
    vms = listed({"gather": []})[0]
    assert {name: (vm["state"], vm["reason"]) for name, vm in vms.items()} == {
        "up": ("running", "booted"),
        "held": ("paused", "user"),
        "off": ("stopped", "unknown"),
    }
    assert vms["held"]["description"] == "on hold" and vms["off"]["cpus"] == 2 and vms["off"]["memory"] == 128 * 2**20
    assert vms["up"]["uuid"] == connection.lookupByName(f"{machines}-up").UUIDString()
    assert list(vms["up"]["disks"]) == ["root"] and sorted(vms["up"]["interfaces"]) == ["lan", "nat"]
    for key in ("uptime", "cpu_time", "addresses", "pending", "disk_stats"):
        assert key not in vms["up"]
    connection.lookupByName(f"{machines}-up").destroy()
    assert listed({"gather": []})[0]["up"]["reason"] == "destroyed"


def test_figures(listed):
    vms = listed({"gather": ["stats"]})[0]
    up, held, off = vms["up"], vms["held"], vms["off"]
    assert up["uptime"] > 0 and up["cpu_time"] > 0 and up["memory_rss"] > 2**20
    assert list(up["disk_stats"]) == ["root"] and up["disk_stats"]["root"]["rd_bytes"] > 0 and up["disk_stats"]["root"]["rd_reqs"] > 0
    assert list(up["interface_stats"]) == ["lan"]  # QEMU counts nothing for a user-mode interface
    assert up["interface_stats"]["lan"]["rx_bytes"] + up["interface_stats"]["lan"]["tx_bytes"] > 0
    assert held["uptime"] > 0 and held["disk_stats"] == {} and held["memory_rss"] > 0
    assert off["uptime"] is None and off["memory_rss"] is None and off["disk_stats"] == off["interface_stats"] == {}
    assert "addresses" not in up and "pending" not in up


def test_addresses(listed, machines, connection):
    vms = listed({"gather": ["addresses"]})[0]
    nat = [one for one in vms["up"]["addresses"] if one["address"] == vms["up"]["address"]][0]
    assert nat["address"].startswith("10.0.2.") and nat["prefix"] == 24 and nat["source"] == "agent"
    assert nat["mac"] == vms["up"]["interfaces"]["nat"]["mac"] and nat["interface"] == "eth0"
    assert not [one for one in vms["up"]["addresses"] if one["address"].startswith(("127.", "fe80", "::1"))]
    for name in ("held", "off"):
        assert (vms[name]["address"], vms[name]["addresses"]) == (None, [])
    assert "uptime" not in vms["up"]
    connection.lookupByName(f"{machines}-up").suspend()
    assert listed({"gather": ["addresses"], "timeout": 1})[0]["up"]["address"] is None


def test_what_waits_for_the_next_boot(listed, machines, run_module):
    run_module("intake_vm", name=f"{machines}-up", rng=False)
    run_module("intake_vm", name=f"{machines}-off", rng=False)
    vms = listed({"gather": ["pending"]})[0]
    assert vms["up"]["pending"] == [{"name": "rng", "have": True, "want": False}]
    assert vms["held"]["pending"] == vms["off"]["pending"] == []


def test_a_mute_guest_costs_its_time_and_hides_nothing(unique, forget_vms, run_module, tiny_guest):
    try:
        run_module("intake_vm", name=unique, state="running", graphics={"type": "vnc", "password": "s3cr3t"}, **tiny_guest.saying("mute"))
        seen = run_module("intake_vm_info", names=[unique], timeout=1)["vms"][0]
        assert seen["addresses"] == [] and seen["uptime"] > 0 and seen["pending"] == []
        assert seen["graphics"]["type"] == "vnc" and "s3cr3t" not in str(seen)
    finally:
        forget_vms(unique)
