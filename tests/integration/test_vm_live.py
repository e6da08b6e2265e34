# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of a machine that runs: what takes effect at once, in the live XML and in the definition alike."""

from __future__ import annotations

import json
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

LIVE, DEFINED = 1, 3  # virDomainXMLFlags: secrets; and the inactive definition
MIB = 2**20


@pytest.fixture
def edit(run_tasks):
    """edit(**options): a check run, a real run that did what was predicted, and one more without change; pending is the same in all.

    Returns the entry of the real run.
    """

    def run(changed=True, **options):
        predicted, done, again = run_tasks(*(("intake_vm", options, check) for check in (True, False, False)))
        assert not done.get("failed"), done["msg"]
        assert (predicted["changed"], done["changed"], again["changed"]) == (changed, changed, False), (predicted["resources"], again["resources"])
        entries = [result["resources"][0] for result in (predicted, done, again)]
        assert entries[0]["steps"] == entries[1]["steps"] and predicted["diff"] == done["diff"]
        assert entries[0]["pending"] == entries[1]["pending"] == entries[2]["pending"]
        return entries[1]

    return run


@pytest.fixture(scope="module")
def guest(prefix, tiny_guest, module_folder, connection, forget_pool, forget_vms, run_module):
    """A running machine whose agent answers, with a virtio and a SCSI disk, a cdrom, a card and a screen."""
    name, path = f"{prefix}-live", module_folder
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>").create()
    for iso in ("one.iso", "two.iso"):
        (path / iso).write_bytes(bytes(MIB))
    disks = [{"name": "root", "size": "4MiB"}, {"name": "slow", "size": "1MiB", "bus": "scsi"}, {"name": "media", "device": "cdrom", "volume": "one.iso"}]
    options = {**tiny_guest.options, "maximum_memory": "192MiB", "maximum_cpus": 3, "graphics": {"password": "first-pw"}}
    options.update(disks=[{"storage": name, **disk} for disk in disks], interfaces=[{"name": "lan", "user": True}])
    try:
        made = run_module("intake_vm", name=name, state="running", wait_for="agent", wait_timeout=120, **options)
        assert made["changed"] and not made.get("failed"), made.get("msg")
        yield SimpleNamespace(name=name, storage=name, path=path, domain=connection.lookupByName(name))
    finally:
        forget_vms(name)
        forget_pool(name)


def both(guest, path):
    """What the live XML and the definition say at path::attribute; they agree."""
    path, _colons, attribute = path.partition("::")
    found = [ET.fromstring(guest.domain.XMLDesc(flags)).find(path) for flags in (LIVE, DEFINED)]
    values = [None if one is None else one.get(attribute) if attribute else one.text for one in found]
    assert values[0] == values[1], path
    return values[0]


def device(kind, name, part):
    """The path of a part of a named device."""
    return f"devices/{kind}/alias[@name='ua-{name}']/../{part}"


def verbs(entry):
    return [(step["verb"], step["name"]) for step in entry["steps"]]


def test_nothing_is_pending_after_the_start(guest, edit):
    assert edit(changed=False, name=guest.name)["pending"] == []


@pytest.mark.parametrize("bus", ["virtio", "scsi", "usb"])
def test_disks_are_plugged_and_unplugged(bus, guest, edit):
    disk = {"name": f"plug-{bus}", "size": "1MiB", "storage": guest.storage, "bus": bus, "serial": "hot", "iops": 100}
    done = edit(name=guest.name, disks=[disk])
    assert verbs(done)[-2:] == [("edit", "definition"), ("attach live", f"disks.plug-{bus}")] and done["pending"] == []
    assert both(guest, device("disk", f"plug-{bus}", "target::bus")) == bus
    assert both(guest, device("disk", f"plug-{bus}", "serial")) == "hot"
    assert both(guest, device("disk", f"plug-{bus}", "iotune/total_iops_sec")) == "100"
    done = edit(name=guest.name, disks=[{"name": f"plug-{bus}", "state": "absent", "remove": True}])
    assert ("detach live", f"disks.plug-{bus}") in verbs(done) and done["pending"] == []
    assert both(guest, device("disk", f"plug-{bus}", "target::bus")) is None
    assert not (guest.path / f"{guest.name}-plug-{bus}.qcow2").exists()


def test_one_disk_takes_the_place_of_another(guest, edit):
    """What goes is unplugged before what comes is plugged in, whatever their names: both have the same target."""
    edit(name=guest.name, disks=[{"name": "zz", "size": "1MiB", "storage": guest.storage}])
    target = both(guest, device("disk", "zz", "target::dev"))
    done = edit(name=guest.name, disks=[{"name": "zz", "state": "absent"}, {"name": "aa", "size": "1MiB", "storage": guest.storage}])
    assert verbs(done)[2:] == [("detach live", "disks.zz"), ("attach live", "disks.aa")] and done["pending"] == []
    assert both(guest, device("disk", "aa", "target::dev")) == target
    edit(name=guest.name, disks=[{"name": "aa", "state": "absent"}])


def test_interfaces_are_plugged_and_unplugged(guest, edit):
    done = edit(name=guest.name, interfaces=[{"name": "hot", "user": True, "link": "down"}])
    assert verbs(done) == [("edit", "definition"), ("attach live", "interfaces.hot")]
    assert both(guest, device("interface", "hot", "mac::address")) and both(guest, device("interface", "hot", "link::state")) == "down"
    done = edit(name=guest.name, interfaces=[{"name": "hot", "state": "absent"}])
    assert verbs(done) == [("edit", "definition"), ("detach live", "interfaces.hot")]
    assert both(guest, device("interface", "hot", "mac::address")) is None


def test_the_cable_is_pulled_and_plugged_in(guest, edit):
    for link in ("down", "up"):
        done = edit(name=guest.name, interfaces=[{"name": "lan", "link": link}])
        assert verbs(done) == [("edit", "definition"), ("set live", "interfaces.lan.link")] and done["pending"] == []
        assert both(guest, device("interface", "lan", "link::state")) == link


def test_media_are_changed(guest, edit):
    for volume in ("two.iso", "", "one.iso"):
        done = edit(name=guest.name, disks=[{"name": "media", "device": "cdrom", "volume": volume, "storage": guest.storage}])
        assert ("set live", "disks.media.path") in verbs(done) and done["pending"] == []
        assert both(guest, device("disk", "media", "source::file")) == (str(guest.path / volume) if volume else None)


LIMITS = [
    ({"iops": 200, "bandwidth": "1MiB"}, {"total_iops_sec": "200", "total_bytes_sec": str(MIB)}),
    ({"iops": 0, "read_iops": 50, "write_iops": 60}, {"total_iops_sec": None, "read_iops_sec": "50", "write_iops_sec": "60"}),
    ({"bandwidth": "0", "read_bandwidth": "2MiB", "write_bandwidth": "3MiB"}, {"total_bytes_sec": None, "write_bytes_sec": str(3 * MIB)}),
    ({"read_iops": 0, "write_iops": 0, "read_bandwidth": "0", "write_bandwidth": "0"}, {"read_iops_sec": None, "write_bytes_sec": None}),
]


def test_limits_are_set_changed_and_taken_away(guest, edit):
    for limits, expected in LIMITS:
        done = edit(name=guest.name, disks=[{"name": "root", **limits}])
        assert set(verbs(done)) == {("edit", "definition"), *(("set live", f"disks.root.{key}") for key in limits)}
        assert {key: both(guest, device("disk", "root", f"iotune/{key}")) for key in expected} == expected
        assert done["pending"] == []


def test_texts(guest, edit):
    for text, labels in (("<b>&'\"\nx", {"a": "<b>&'\"", "<k>": "x"}), ("other", {"a": "c"}), ("", {})):
        done = edit(name=guest.name, description=text, labels=labels)
        assert verbs(done) == [("edit", "definition"), ("set live", "description"), ("set live", "labels")] and done["pending"] == []
        assert both(guest, "description") == (text or None)
        assert both(guest, "metadata/{urn:intake:vms:1}vm/*[@key='a']") == labels.get("a")


def test_memory_and_cpus_within_their_maximum(guest, edit):
    for memory in ("96MiB", "160MiB", "128MiB"):
        done = edit(name=guest.name, memory=memory)
        assert verbs(done) == [("edit", "definition"), ("set live", "memory")] and done["pending"] == []
    for cpus in (2, 3):
        done = edit(name=guest.name, cpus=cpus)
        assert verbs(done) == [("edit", "definition"), ("set live", "cpus")] and done["pending"] == []
        assert guest.domain.vcpusFlags(1) == guest.domain.vcpusFlags(2) == cpus


def test_a_volume_grows_while_it_is_used(guest, edit):
    done = edit(name=guest.name, disks=[{"name": "root", "size": "8MiB"}])
    assert verbs(done) == [("grow", "disks.root.size")] and done["pending"] == []
    assert guest.domain.blockInfo("vda")[0] == 8 * MIB


def test_the_password_of_the_screen(guest, edit):
    done = edit(name=guest.name, graphics={"password": "other-pw"})
    assert verbs(done) == [("edit", "definition"), ("set live", "graphics.password")] and done["pending"] == []
    assert both(guest, "devices/graphics::passwd") == "other-pw"
    assert "other-pw" not in json.dumps(done) and "first-pw" not in json.dumps(done)


def test_more_devices_than_ports_wait_for_the_next_boot(guest, edit):
    """A running machine has a few spare ports; what finds none is predicted as pending, not tried."""
    names = [f"many{index}" for index in range(12)]
    done = edit(name=guest.name, interfaces=[{"name": name, "user": True} for name in names])
    attached = [name for verb, name in verbs(done) if verb == "attach live"]
    waiting = [one["name"] for one in done["pending"]]
    assert attached and waiting and sorted(attached + waiting) == sorted(f"interfaces.{name}" for name in names)
    done = edit(name=guest.name, interfaces=[{"name": name, "state": "absent"} for name in names])
    assert done["pending"] == [] and len([verb for verb, _name in verbs(done) if verb == "detach live"]) == len(attached)
