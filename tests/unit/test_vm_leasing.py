# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leases a machine takes, keeps and gives back, and what it is told when another host has one."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import NotReachable, Refused
from ansible_collections.intake.vms.plugins.module_utils.host import silence
from ansible_collections.intake.vms.plugins.module_utils.locking.leases import Leases
from ansible_collections.intake.vms.plugins.module_utils.resources.vm import leasing

HERE, THERE = {"host": "h1", "hostname": "hv1"}, {"host": "h2", "hostname": "hv2"}
WEB = {"vm": "web", "uuid": "u1"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The mount point of a storage that other hosts share."""
    monkeypatch.setattr(silence, "network_mount", lambda path: str(tmp_path))
    monkeypatch.setattr(silence, "silent", lambda path: None)
    return str(tmp_path)


@pytest.fixture
def vms(root):
    """A hypervisor hv1 on which nothing is defined."""
    hypervisor = SimpleNamespace(
        is_local=True, identity=lambda: HERE, domains=dict, storage_paths=lambda: {"shared": root}, once=lambda key, reader: reader()
    )
    return SimpleNamespace(hypervisor=hypervisor)


def machine(root, is_active):
    """A machine of hv1 with a disk."""
    disk = {"path": os.path.join(root, "web.qcow2"), "shareable": False, "read_only": False, "device": "disk"}
    return SimpleNamespace(name="web", uuid="u1", is_active=is_active, description={"disks": {"root": disk}})


def take(vms, have, **want):
    """Plan the same machine again, and do what is planned."""
    steps = []
    releases = leasing.plan(vms, steps, have, {"name": "web", **want}, have.description)
    assert not releases
    for step in steps:
        step.apply()
    return [step.verb for step in steps]


def test_a_running_machine_keeps_its_disks_when_its_host_gets_another_uuid(vms, root):
    Leases(root).take("web.qcow2", {**WEB, **HERE, "host": "h0"})
    with pytest.raises(Refused, match="UUID h0; this host has h1"):
        take(vms, machine(root, False))
    assert take(vms, machine(root, True)) == ["lease"]
    assert Leases(root).holder("web.qcow2")["host"] == "h1" and take(vms, machine(root, True)) == []


def test_a_disk_of_another_host_is_refused_to_a_running_machine_too(vms, root):
    Leases(root).take("web.qcow2", {**WEB, **THERE})
    with pytest.raises(Refused, match="on host hv2"):
        take(vms, machine(root, True))
    assert "on host hv2" in leasing.foreign(vms, machine(root, False))


def test_a_machine_that_is_to_be_off_takes_what_is_free_and_is_refused_nothing(vms, root):
    assert [step.verb for step in leasing.unheld(vms, machine(root, False))] == ["lease"]
    Leases(root).take("web.qcow2", {**WEB, **THERE})
    assert leasing.unheld(vms, machine(root, True)) == []


def test_a_storage_that_does_not_answer_is_named_and_not_looked_at(vms, root, monkeypatch):
    monkeypatch.setattr(silence, "silent", lambda path: root)
    monkeypatch.setattr(Leases, "holder", lambda *_words: pytest.fail("looked at"))
    for question in (take, leasing.releases, leasing.foreign):
        with pytest.raises(NotReachable, match="does not answer"):
            question(vms, machine(root, False))
    assert leasing.unheld(vms, machine(root, True)) == []


def test_leases_of_a_machine_that_is_gone_are_given_back(vms, root, monkeypatch):
    leases = Leases(root)
    leases.take("web.qcow2", {**WEB, **HERE})
    leases.take("data.qcow2", {**WEB, **THERE})
    leases.take("db.qcow2", {"vm": "db", "uuid": "u2", **HERE})
    leases.take("moved.qcow2", {**WEB, **HERE})
    monkeypatch.setattr(leasing.qcow2, "is_in_use", lambda path: "moved" in path)  # a killed migration took it along
    warnings = []
    for step in leasing.left_behind(vms, "web", warnings):
        step.apply()
    assert sorted(leases.all()) == ["data.qcow2", "db.qcow2", "moved.qcow2"]
    assert warnings == ["vm web: volume moved.qcow2 is open on some host, so its lease stays"]


def test_leases_that_cannot_be_read_are_named_and_stop_nothing(vms, root, monkeypatch):
    def stale(*_words):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Leases, "all", stale)
    warnings = []
    assert leasing.left_behind(vms, "web", warnings) == [] and warnings == [f"the leases in {root} cannot be read: Stale file handle"]


def test_a_disk_that_left_the_definition_is_given_back_when_nothing_has_it_open_any_more(vms, root, monkeypatch):
    leases, have = Leases(root), machine(root, True)
    for name in ("web.qcow2", "old.qcow2", "base.qcow2"):
        leases.take(name, {**WEB, **HERE})
    monkeypatch.setattr(leasing, "Graph", lambda _hypervisor: SimpleNamespace(users=lambda path: ["an overlay"] if "base" in path else []))
    monkeypatch.setattr(leasing.qcow2, "is_in_use", lambda path: True)
    assert leasing.plan(vms, [], have, {"name": "web"}, have.description) == {}
    monkeypatch.setattr(leasing.qcow2, "is_in_use", lambda path: False)
    for step in leasing.plan(vms, [], have, {"name": "web"}, have.description).values():
        step.apply()
    assert sorted(leases.all()) == ["base.qcow2", "web.qcow2"]
