# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypervisors that are forgotten: which rows go and which stay, names that fit none or two, and jobs that still work on them."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from recorded import Recorded, task, until

from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.plugin_utils.compare import forgetting
from ansible_collections.intake.vms.plugins.plugin_utils.database import client
from ansible_collections.intake.vms.plugins.plugin_utils.hosts import Host
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.kind import entry
from ansible_collections.intake.vms.plugins.plugin_utils.record.ledger import Ledger
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records

TABLES = ("hosts", "host_names", "host_storages", "storages", "volumes", "images", "vms", "disks", "interfaces", "operations")


@pytest.fixture
def recorded(server, ansible_environment, tmp_path):
    """Plays on a database of the test's own."""
    return Recorded(server, ansible_environment, tmp_path)


def pool(name, **more):
    """A storage, as intake_storage tells it."""
    return {"name": name, "type": "localfs", "uuid": str(uuid.uuid4()), "state": "active", "path": f"/srv/{name}", "autostart": True, **more}


def machine(name):
    """A machine with a disk and an interface, as intake_vm tells it."""
    disks = {"root": {"device": "disk", "target": "vda", "bus": "virtio", "path": f"/srv/own/{name}.qcow2"}}
    found = {"uuid": str(uuid.uuid4()), "name": name, "state": "stopped", "cpus": 1, "memory": 1 << 24, "disks": disks}
    return {**found, "interfaces": {"lan": {"mac": "52:54:00:00:00:01", "type": "user"}}}


def host(connection, name, *names, shared=True):
    """A hypervisor with two storages, one of which others have too, and what is in them; answers its UUID."""
    known = str(uuid.uuid4())
    storages = [pool("own"), *([pool("shared", type="nfs", server="nas", export="/vms")] if shared else [])]
    files = [entry("volume", "a.qcow2", one["name"], {"name": "a.qcow2", "storage": one["name"], "size": 1}) for one in storages]
    files.append(entry("image", "golden.qcow2", "own", {"name": "golden.qcow2", "storage": "own", "size": 1}))
    for called in (*names, name):
        records = Records(connection, Host(known, called, hostname=f"{name}.example.com"))
    records.write([entry("storage", one["name"], None, one) for one in storages] + files)
    records.write([entry("vm", f"{name}-{number}", None, machine(f"{name}-{number}")) for number in range(2)])
    connection.execute(
        "INSERT INTO operations (status, ended_at, host_id, host_name, module, kind, names, controller, controller_user)"
        " VALUES ('changed', now(), %s, %s, 'intake_vm', 'vm', '{x}', 'c', 'u')",
        (records.host.id, name),
    )
    return known


def counts(recorded):
    """How many rows each table has."""
    return {table: recorded.rows(f"SELECT count(*) FROM {table}")[0] for table in TABLES}


def forgotten(*hosts, **more):
    """A task that forgets hosts."""
    return task("intake_inventory", {"state": "forgotten", "hosts": list(hosts), **more})


def test_what_a_host_alone_had_goes_and_the_journal_stays(recorded):
    with client.connected(recorded.plain) as connection:
        old, kept = host(connection, "old", "older"), host(connection, "kept")
    before = counts(recorded)
    tasks = [{**forgotten("older"), "check_mode": True}, forgotten("older"), forgotten("older", "old", old)]
    checked, gone, again = recorded.play(*tasks, hosts="far", words=["--diff"])  # of a host that does not answer
    for result in (checked, gone):
        assert result["changed"] and not result.get("failed")
        assert result["hosts"] == [{"name": "old", "uuid": old, "vms": 2, "storages": 2}]
        assert [(one["name"], one["volumes"], one["images"]) for one in result["storages"]] == [("own", 1, 1)]
        text = result["diff"]["before"]
        assert f"host old ({old}): 2 vms, 2 storages\nstorage own (pool:" in text and "which no other host has: 1 volumes, 1 images\n" in text
        assert result["diff"]["after"] == "" and result["table"] == text.splitlines() and result["unknown"] == []
    assert not again["changed"] and again["unknown"] == sorted(["older", "old", old]) and "no host" in again["msg"] and not again["diff"]["before"]
    rest = {"hosts": 1, "host_names": 1, "host_storages": 2, "storages": 2, "volumes": 2, "images": 1, "vms": 2, "disks": 2, "interfaces": 2, "operations": 2}
    assert before != rest and counts(recorded) == rest
    assert recorded.rows("SELECT uuid::text FROM hosts") == [kept]
    assert recorded.rows("SELECT host_name, host_id IS NULL, status FROM operations ORDER BY id") == [("old", True, "changed"), ("kept", False, "changed")]
    last = recorded.inventory(state="forgotten", hosts=[kept, "never"])
    assert last["changed"] and last["unknown"] == ["never"] and {one["name"] for one in last["storages"]} == {"own", "shared"}
    assert {table for table, rows in counts(recorded).items() if rows} == {"operations"}


def test_check_mode_changes_nothing(recorded):
    with client.connected(recorded.plain) as connection:
        host(connection, "old")
    before = counts(recorded)
    result = recorded.play({**forgotten("old"), "check_mode": True})[0]
    assert result["changed"] and counts(recorded) == before


def test_a_name_that_fits_two_hosts_is_refused(recorded):
    with client.connected(recorded.plain) as connection:
        old = host(connection, "virt1")
        new = host(connection, "virt1")  # installed anew
    before = counts(recorded)
    unsure, lacking, sure = recorded.play(forgotten("virt1", "other"), task("intake_inventory", {"state": "forgotten"}), forgotten(old.upper()))
    assert unsure["failed"] and unsure["reason"] == "ambiguous_host"
    assert all(f"{known} (virt1.example.com, never synced)" in unsure["msg"] for known in (old, new)) and "by its UUID" in unsure["msg"]
    assert lacking["failed"] and lacking["reason"] == "invalid_options" and "hosts" in lacking["msg"]
    assert sure["changed"] and recorded.rows("SELECT uuid::text FROM hosts") == [new]
    assert recorded.rows("SELECT name FROM host_names") == ["virt1"] and before["hosts"] == 2


@pytest.mark.parametrize("held", [(["old"], "volume", ["own/a.qcow2"]), (["older"], "vm", None), (["uuid"], "storage", ["own"])])
def test_a_host_that_is_worked_on_is_waited_for(recorded, held):
    with client.connected(recorded.plain) as connection:
        known = host(connection, "old", "older")
    names, kind, resources = held
    with client.connected(recorded.plain, "intake.vms ops@one") as busy:
        Ledger(busy, recorded.plain).lock([known if name == "uuid" else name for name in names], kind, resources, 1)
        start = time.monotonic()
        said = rf"old \({known}\): every {kind} .* ops@one works on it"
        with client.connected(recorded.plain) as connection, pytest.raises(Refused, match=said) as refused:
            forgetting.lock(Ledger(connection, recorded.plain), forgetting.named(connection, ["old"])[0], 1)
        assert refused.value.reason == "locked" and time.monotonic() - start < 5
        assert counts(recorded)["hosts"] == 1
    assert recorded.inventory(state="forgotten", hosts=["old"], lock_timeout=1)["changed"]


def test_open_entries_end_with_the_host(recorded):
    with client.connected(recorded.plain) as connection:
        host(connection, "old")
        connection.execute(
            "INSERT INTO operations (host_name, module, kind, names, controller, controller_user, session)"
            " VALUES ('old', 'intake_vm', 'vm', '{web1}', 'c', 'u', 0)"
        )
    result = recorded.inventory(state="forgotten", hosts=["old"])
    assert [one["names"] for one in result["operations"]] == [["web1"]] and "intake_vm web1" in result["diff"]["before"]
    assert recorded.rows("SELECT status, message FROM operations WHERE names = '{web1}'") == [("unknown", forgetting.ORPHANED)]


def test_a_host_that_is_still_in_use_comes_back(recorded, storage, vm_info):
    synced, gone, back = recorded.play(task("intake_inventory", vm_info), forgotten("virt1"), task("intake_inventory", vm_info))
    assert not synced.get("failed") and gone["changed"] and back["changed"]
    assert recorded.rows("SELECT name FROM hosts") == ["virt1"]


@pytest.fixture
def vm_info():
    """Options of a sync that looks at storages alone."""
    return {"state": "synced", "kinds": ["storage"]}


def forget(connection, word):
    """One host, in a transaction."""
    with connection.transaction():
        hosts, _unknown = forgetting.named(connection, [word])
        return forgetting.forget(connection, hosts, [word])[0]


def test_hosts_that_share_a_storage_are_forgotten_at_once(recorded):
    with client.connected(recorded.plain) as connection:
        host(connection, "one"), host(connection, "two")
    gone = []

    def work():
        with client.connected(recorded.plain) as connection:
            gone.append(forget(connection, "two"))

    with client.connected(recorded.plain) as first:
        with first.transaction():
            gone.append(forgetting.forget(first, forgetting.named(first, ["one"])[0], ["one"])[0])
            second = threading.Thread(target=work)
            second.start()
            until(lambda: recorded.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s", recorded.database) != [0])
        second.join(30)
    assert [sorted(one["name"] for one in each.storages) for each in gone] == [["own"], ["own", "shared"]]
    assert {table for table, rows in counts(recorded).items() if rows} == {"operations"}


def test_a_storage_that_another_host_takes_up_meanwhile_stays(recorded):
    with client.connected(recorded.plain) as connection:
        host(connection, "one")
    gone = []

    def work():
        with client.connected(recorded.plain) as connection:
            gone.append(forget(connection, "one"))

    with client.connected(recorded.plain) as other:
        with other.transaction():
            host(other, "two")
            first = threading.Thread(target=work)
            first.start()
            until(lambda: recorded.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s", recorded.database) != [0])
        first.join(30)
    assert [one["name"] for one in gone[0].storages] == ["own"]
    assert recorded.rows("SELECT name FROM storages ORDER BY name") == ["own", "shared"]
    assert recorded.rows("SELECT count(*) FROM volumes") == [2]


def test_a_host_that_takes_the_name_meanwhile_is_not_forgotten_with_it(recorded):
    with client.connected(recorded.plain) as connection:
        old = host(connection, "virt1")
        locked, _unknown = forgetting.named(connection, [old])
        new = host(connection, "virt2")
        with pytest.raises(Refused, match=new) as refused, connection.transaction():
            forgetting.forget(connection, locked, [old, "virt2"])
    assert refused.value.reason == "changed_meanwhile" and counts(recorded)["hosts"] == 2


def test_a_writer_may_forget(recorded, server):
    server.sql("CREATE ROLE forgetful LOGIN")
    with client.connected(recorded.plain) as connection:
        host(connection, "old")
    writer = task("intake_inventory", {"writers": ["forgetful"]})
    forget_it = task("intake_inventory", {"state": "forgotten", "hosts": ["old"], "dsn": recorded.dsn.replace("user=postgres", "user=forgetful")})
    given, gone = recorded.play(writer, forget_it)
    assert given["changed"] and gone["changed"], gone
