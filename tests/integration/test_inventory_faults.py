# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database refuses, and what an info module cannot tell: the work is done, the journal ends, and the result says what was not recorded."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest
from recorded import Recorded, drift_of, ended, task

from ansible_collections.intake.vms.plugins.action.intake_vm import ActionModule
from ansible_collections.intake.vms.plugins.plugin_utils.database import client
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.kind import entry
from ansible_collections.intake.vms.plugins.plugin_utils.record.ledger import Ledger
from ansible_collections.intake.vms.plugins.plugin_utils.record.order import Order
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records


@pytest.fixture
def recorded(server, ansible_environment, tmp_path):
    """Plays that are recorded."""
    return Recorded(server, ansible_environment, tmp_path)


@pytest.fixture
def vm(unique, forget_vms):
    """Options of a machine that is only defined; it is gone afterwards."""
    yield {"name": unique, "memory": "16MiB"}
    forget_vms(unique)


@pytest.mark.parametrize("policy", ["required", "best_effort"])
def test_rows_that_the_database_refuses_end_the_entry_with_the_fault(recorded, vm, unique, policy):
    recorded.rows("ALTER TABLE vms ADD CONSTRAINT never CHECK (memory < 0)")
    result = ended(recorded.start(task("intake_vm", vm), words=["-e", f"intake_inventory_policy={policy}"])).results[0]
    said = result["msg"] if policy == "required" else "\n".join(result["warnings"])
    assert result["changed"] and bool(result.get("failed")) == (policy == "required") and "not recorded" in said and "never" in said
    assert recorded.journal("status, changed, ended_at IS NOT NULL") == [("changed", [unique], True)]
    assert "not recorded: the inventory's database said:" in recorded.journal("message")[0]
    assert recorded.rows("SELECT count(*) FROM vms") == [0]
    recorded.rows("ALTER TABLE vms DROP CONSTRAINT never")
    recorded.inventory(state="synced")
    assert not drift_of(recorded.inventory(state="checked"), unique)


def test_an_error_of_the_plugin_ends_the_entry(recorded, storage, tmp_path):
    options = {"name": "x", "storage": storage.name, "src": str(tmp_path)}  # a folder, which the plugin cannot read
    result = recorded.play(task("intake_image", options))[0]
    assert result["failed"] and recorded.journal("status, ended_at IS NOT NULL") == [("failed", True)]


def test_a_machine_is_recorded_though_its_volumes_cannot_be_listed(recorded):
    """What a task is to a plugin is said here by hand, since no info module of a host that works fails when it is asked."""
    pool = {"name": "s", "type": "localfs", "uuid": str(uuid.uuid4()), "state": "active", "path": "/s", "autostart": True}
    found = {"uuid": str(uuid.uuid4()), "name": "m", "state": "stopped", "cpus": 1, "memory": 1 << 24, "disks": {"root": {"path": "/s/a"}}, "interfaces": {}}
    report = {"name": "m", "changed": True, "error": None, "state": found, "steps": [{"name": "root.volume"}]}
    result = {"changed": True, "hypervisor": {"uuid": str(uuid.uuid4()), "hostname": "h"}, "resources": [report]}
    order = Order("vm", [{"name": "m", "storage": None, "asked": {"name": "m"}}], {"name": "m"}, uri="qemu:///system")
    plugin = ActionModule.__new__(ActionModule)
    plugin._task = SimpleNamespace(args={}, delegate_to=None)
    plugin._connection, plugin._play_context = SimpleNamespace(transport="local"), None
    plugin.call = lambda *_words: {"failed": True, "msg": "the catalogue is gone", "reason": "x"}
    with client.connected(recorded.plain) as connection:
        ledger = Ledger(connection, recorded.plain)
        ledger.begin({"host_name": "hv1", "module": "intake_vm", "kind": "vm", "names": ["m"], "controller": "c", "controller_user": "u"})
        host = plugin.host(result["hypervisor"], order.uri, {"inventory_hostname": "hv1"})
        Records(connection, host).write([entry("storage", "s", found=pool)])
        fault = plugin.ended(ledger, order, result, {"inventory_hostname": "hv1"})
    assert str(fault) == "intake_volume_info: the catalogue is gone"
    assert recorded.journal("status, message") == [("changed", f"not recorded: {fault}")]
    assert recorded.rows("SELECT name FROM vms") == ["m"] and recorded.rows("SELECT count(*) FROM volumes") == [0]


def test_what_cannot_be_read_is_neither_drift_nor_forgotten(recorded, storage):
    made = recorded.play(task("intake_volume", {"name": "torn.qcow2", "storage": storage.name, "size": "1MiB"}), task("intake_inventory", {"state": "synced"}))
    assert not [one["msg"] for one in made if one.get("failed")]
    with open(f"{storage.path}/torn.qcow2", "r+b") as file:
        file.truncate(30)
    listed, checked, synced = recorded.play(
        task("intake_volume_info", {"storage": storage.name}),
        task("intake_inventory", {"state": "checked"}),
        task("intake_inventory", {"state": "synced"}),
    )
    assert [(one["storage"], one["name"]) for one in listed["unreadable"]] == [(storage.name, "torn.qcow2")]
    assert listed["volumes"] == [] and listed["unreadable"][0]["msg"] in "\n".join(listed["warnings"])
    for one in (checked, synced):
        assert f"{storage.name}/torn.qcow2" in one["unseen"] and not drift_of(one, "torn.qcow2")
    assert recorded.rows("SELECT name FROM volumes WHERE name = 'torn.qcow2'") == ["torn.qcow2"]


def test_a_delegated_task_is_recorded_where_only_the_other_host_has_an_inventory(recorded, vm, unique):
    with open(recorded.hosts, "a", encoding="utf-8") as file:
        file.write(f"\n[kept]\nvirt2\n[kept:vars]\nintake_inventory_dsn={recorded.plain}\n")
    play = recorded.start(task("intake_vm", vm, delegate_to="virt2"), environment={"INTAKE_INVENTORY_DSN": None})
    assert not ended(play).results[0].get("failed")
    assert recorded.journal("host_name, status", unique) == [("virt2", "changed")]
