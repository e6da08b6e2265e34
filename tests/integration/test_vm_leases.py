# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of machines on the real hypervisor, whose storage is taken for one that other hosts share."""

from __future__ import annotations

import os

import pytest
from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.host import silence
from ansible_collections.intake.vms.plugins.module_utils.locking.leases import Leases
from ansible_collections.intake.vms.plugins.module_utils.resources.vm.vms import Vms

MODULES = Modules(Vms, {})
THERE = {"host": "00000000-0000-0000-0000-000000000002", "hostname": "hv2"}


@pytest.fixture
def leases(monkeypatch, storage):
    """Those of the storage, which counts as shared."""
    shared = os.path.realpath(storage.path)
    monkeypatch.setattr(silence, "network_mount", lambda path: shared if os.path.realpath(path).startswith(shared) else None)
    return Leases(storage.path)


@pytest.fixture
def machine(storage, unique, forget_vms, leases):
    """Options of a machine with two disks, which is defined."""
    disks = [{"name": name, "storage": storage.name, "volume": f"{name}.qcow2", "size": "1MiB"} for name in ("root", "data")]
    options = {"name": unique, "memory": "16MiB", "disks": disks}
    MODULES.ensure(**options)
    assert sorted(leases.all()) == ["data.qcow2", "root.qcow2"]
    yield options
    forget_vms(unique)


def give_away(leases):
    """Another host takes the machine over."""
    for name, owner in leases.all().items():
        leases.give(name, None, {**owner, **THERE})


def test_a_machine_that_is_off_and_was_taken_over_writes_nothing(leases, machine, storage, unique):
    MODULES.ensure(name=unique, autostart=True)
    give_away(leases)
    before = os.path.getsize(f"{storage.path}/root.qcow2")
    for change in (
        {"disks": [{"name": "root", "size": "2MiB"}]},
        {"disks": [{"name": "more", "storage": storage.name, "size": "1MiB"}]},
        {"cloud_init": {"user_data": "#cloud-config\n"}},
        {"memory": "32MiB"},
        {"state": "running"},
    ):
        assert "hv2" in MODULES.refuse("volume_leased", name=unique, **change)
    assert os.path.getsize(f"{storage.path}/root.qcow2") == before
    assert sorted(name for name in os.listdir(storage.path) if not name.startswith(".")) == ["data.qcow2", "root.qcow2"]
    MODULES.ensure(changed=False, **machine)
    MODULES.ensure(name=unique, autostart=False)  # it shall not start with this host
    assert "hv2" in MODULES.refuse("volume_leased", name=unique, autostart=True)
    MODULES.ensure(name=unique, state="absent")
    assert {owner["hostname"] for owner in leases.all().values()} == {"hv2"}


def test_a_disk_that_stays_until_the_machine_stops_keeps_its_lease_and_its_file(leases, machine, storage, unique):
    MODULES.ensure(name=unique, disks=[{"name": "cold", "storage": storage.name, "size": "1MiB", "bus": "sata"}])
    MODULES.ensure(name=unique, state="running")
    gone = {"name": "cold", "state": "absent"}
    assert "restart: if_needed" in MODULES.refuse("disk_kept", name=unique, disks=[{**gone, "remove": True}])
    done = MODULES.run(name=unique, disks=[gone])
    assert done["changed"] and [one["name"] for one in done["resources"][0]["pending"]] == ["disks.cold"]
    volume = next(name for name in leases.all() if "cold" in name)
    assert not MODULES.run(name=unique, disks=[gone])["changed"] and volume in leases.all()
    MODULES.run(name=unique, state="stopped", force_stop=True, stop_timeout=1)
    MODULES.run(name=unique, memory="24MiB")
    assert volume not in leases.all() and os.path.exists(f"{storage.path}/{volume}")


def test_a_removed_machine_gives_all_back(leases, machine, unique):
    MODULES.ensure(name=unique, state="absent")
    assert leases.all() == {}
