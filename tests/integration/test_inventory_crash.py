# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies, the database goes away, hosts are changed by hand: the journal says so, and a sync puts it right."""

from __future__ import annotations

import os
import subprocess

import pytest
from recorded import PASSWORD, Recorded, drift_of, ended, kill, task, until

BEST_EFFORT = ["-e", "intake_inventory_policy=best_effort"]
SYNC = task("intake_inventory", {"state": "synced"})
CHECK = task("intake_inventory", {"state": "checked"})


@pytest.fixture
def recorded(server, ansible_environment, tmp_path):
    """Plays that are recorded in a database of the test's own; the server runs at its beginning."""
    if server.process.poll() is not None:
        server.start()
    return Recorded(server, ansible_environment, tmp_path)


@pytest.fixture
def vm(unique, forget_vms):
    """Options of a machine that is only defined; it and those whose names begin so are gone afterwards."""
    yield {"name": unique, "memory": "16MiB"}
    forget_vms(unique)


def recorded_vms(recorded, unique):
    """Names of the test's machines in the inventory."""
    return sorted(recorded.rows("SELECT name FROM vms WHERE name LIKE %s", f"{unique}%"))


def exists(connection, name):
    """Whether libvirt has the machine."""
    return name in [domain.name() for domain in connection.listAllDomains(0)]


def test_a_controller_killed_before_it_could_record(recorded, vm, unique, connection):
    with recorded.halted("vms") as halted:
        play = recorded.start(task("intake_vm", vm))
        halted.wait()
        assert exists(connection, unique)
        kill(play)
    until(lambda: not recorded.sessions())
    assert recorded.journal("status, ended_at", unique) == [("started", None)]
    assert recorded_vms(recorded, unique) == []
    checked, predicted, synced, again, same = recorded.play(CHECK, {**SYNC, "check_mode": True}, SYNC, SYNC, task("intake_vm", vm))
    for result in (checked, predicted, synced):
        assert drift_of(result, unique) == {(unique, "unexpected", None)}
        assert [one["names"] for one in result["operations"]] == [[unique]]
    assert not checked["changed"] and predicted["changed"] and synced["changed"]
    assert not again["operations"] and not drift_of(again, unique) and not same["changed"]
    assert recorded_vms(recorded, unique) == [unique]
    assert recorded.journal("status, message IS NOT NULL, ended_at IS NOT NULL", unique)[0] == ("unknown", True, True)


def test_a_controller_killed_before_it_could_forget(recorded, vm, unique, connection):
    recorded.play(task("intake_vm", vm))
    with recorded.halted("vms") as halted:
        play = recorded.start(task("intake_vm", {"name": unique, "state": "absent"}))
        halted.wait()
        kill(play)
    until(lambda: not recorded.sessions())
    assert not exists(connection, unique) and recorded_vms(recorded, unique) == [unique]
    checked, synced, again = recorded.play(CHECK, SYNC, SYNC)
    assert drift_of(checked, unique) == {(unique, "missing", None)} and synced["changed"] and not drift_of(again, unique)
    assert recorded_vms(recorded, unique) == []


def test_a_running_call_is_no_open_entry(recorded, vm, unique):
    with recorded.halted("disks") as halted:
        play = recorded.start(task("intake_vm", vm))
        halted.wait()
        waits = recorded.play(task("intake_inventory", {"state": "synced", "lock_timeout": 2}))[0]
        assert waits["failed"] and waits["reason"] == "locked" and "works on it" in waits["msg"], waits
    assert ended(play).results[0]["changed"]
    assert recorded.journal("status", unique) == ["changed"]


def test_a_session_that_is_cut_is_taken_up_again(recorded, vm, unique):
    with recorded.halted("vms") as halted:
        play = recorded.start(task("intake_vm", vm))
        halted.wait()
        recorded.rows("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", recorded.sessions())
        halted.wait()
    result = ended(play).results[0]
    assert result["changed"] and not result.get("failed"), result
    assert recorded.journal("status", unique) == ["changed"] and recorded_vms(recorded, unique) == [unique]


@pytest.mark.parametrize("policy", ["required", "best_effort"])
def test_the_database_is_away_before(recorded, server, connection, vm, unique, policy):
    server.stop()
    done = ended(recorded.start(task("intake_vm", vm, ignore_errors=False), words=["-vvv", "-e", f"intake_inventory_policy={policy}"]))
    server.start()
    result, goes_on = done.results[0], policy == "best_effort"
    assert bool(result.get("failed")) is not goes_on and (done.code == 0) is goes_on
    assert exists(connection, unique) is goes_on
    assert PASSWORD not in done.output
    if goes_on:
        assert "not recorded" in result["warnings"][0] and "synced" in result["warnings"][0]
    else:
        assert result["reason"] == "inventory_unreachable" and "nothing was done on the host" in result["msg"]
    assert recorded.journal("status", unique) == []
    synced, again = recorded.play(SYNC, SYNC)
    assert recorded_vms(recorded, unique) == ([unique] if goes_on else [])
    assert drift_of(synced, unique) == ({(unique, "unexpected", None)} if goes_on else set()) and not drift_of(again, unique)


@pytest.mark.parametrize("policy", ["required", "best_effort"])
def test_the_database_goes_away_during(recorded, server, connection, vm, unique, policy):
    with pytest.raises(Exception, match="(?i)terminat|closed|lost"), recorded.halted("vms") as halted:
        play = recorded.start(task("intake_vm", vm, ignore_errors=False), words=["-vvv", "-e", f"intake_inventory_policy={policy}"])
        halted.wait()
        server.stop()
        done = ended(play)
        halted.connection.execute("SELECT 1")
    server.start()
    result, goes_on = done.results[0], policy == "best_effort"
    assert exists(connection, unique) and result["changed"] and PASSWORD not in done.output
    assert bool(result.get("failed")) is not goes_on and (done.code == 0) is goes_on
    said = result["warnings"][0] if goes_on else result["msg"]
    assert "not recorded" in said and "synced" in said
    assert recorded.journal("status", unique) == ["started"] and recorded_vms(recorded, unique) == []
    recorded.play(SYNC)
    assert recorded.journal("status", unique) == ["unknown"] and recorded_vms(recorded, unique) == [unique]


def test_the_database_goes_away_after(recorded, server, vm, unique):
    recorded.play(task("intake_vm", vm))
    server.stop()
    refused = recorded.play(CHECK)[0]
    assert refused["failed"] and refused["reason"] == "inventory_unreachable"
    server.start()
    again = recorded.play(task("intake_vm", vm), CHECK)
    assert not again[0]["changed"] and not drift_of(again[1], unique)
    assert recorded.journal("status", unique) == ["changed", "unchanged"]


def virsh(*words):
    """virsh, which says nothing where it works."""
    subprocess.run(["virsh", "-q", *words], check=True, stdout=subprocess.DEVNULL)


def test_what_is_changed_by_hand_is_found(recorded, vm, unique, folder, tmp_path, forget_pool):
    os.mkdir(f"{folder}/second")
    memory, other = {**vm, "memory": "32MiB"}, f"{unique}-2"
    try:
        recorded.play(
            task("intake_storage", {"storages": [{"name": unique, "path": folder}, {"name": other, "path": f"{folder}/second"}]}),
            task("intake_volume", {"storage": unique, "size": "1MiB", "volumes": [{"name": "a.qcow2"}, {"name": "b.qcow2"}]}),
            task("intake_vm", memory),
            task("intake_vm", {**vm, "name": f"{unique}-gone"}),
        )
        virsh("setmaxmem", unique, "65536", "--config")
        virsh("setmem", unique, "49152", "--config")
        virsh("undefine", f"{unique}-gone")
        os.unlink(f"{folder}/a.qcow2")
        virsh("pool-refresh", unique)
        virsh("pool-destroy", other)
        (tmp_path / "new.xml").write_text(f"<domain type='qemu'><name>{unique}-new</name><memory unit='MiB'>16</memory><os><type>hvm</type></os></domain>")
        virsh("define", str(tmp_path / "new.xml"))
        expected = {
            (unique, "changed", "memory"),
            (unique, "changed", "maximum_memory"),
            (f"{unique}-gone", "missing", None),
            (f"{unique}/a.qcow2", "missing", None),
            (other, "changed", "state"),
            (f"{unique}-new", "unexpected", None),
        }
        checked, ignored, synced, again, after = recorded.play(
            CHECK, task("intake_inventory", {"state": "checked", "ignore": ["memory", "state"]}), SYNC, SYNC, CHECK
        )
        assert drift_of(checked, unique) == expected and not checked["changed"]
        assert drift_of(ignored, unique) == {one for one in expected if one[2] not in ("memory", "state")}
        field = next(one for one in checked["drift"] if one["field"] == "memory" and one["name"] == unique)
        assert (field["asked"], field["recorded"], field["found"]) == ("32MiB", 32 << 20, 48 << 20) and field["since"]
        assert any(unique in line and "memory" in line for line in checked["table"])
        assert drift_of(synced, unique) == expected and synced["changed"]
        assert not drift_of(again, unique) and not drift_of(after, unique)
        assert recorded_vms(recorded, unique) == [unique, f"{unique}-new"]
        assert recorded.rows("SELECT volumes.name FROM volumes JOIN storages ON storage_id = storages.id WHERE storages.name = %s", unique) == ["b.qcow2"]
        assert recorded.rows("SELECT memory, asked ->> 'memory' FROM vms WHERE name = %s", unique) == [(48 << 20, "32MiB")]
    finally:
        forget_pool(other)
        forget_pool(unique)


def test_what_cannot_be_looked_into_is_not_forgotten(recorded, unique, storage):
    recorded.play(SYNC, task("intake_volume", {"name": "kept.qcow2", "storage": storage.name, "size": "1MiB"}))
    virsh("pool-destroy", storage.name)
    synced = recorded.play(SYNC)[0]
    assert storage.name in synced["unseen"]
    assert recorded.rows("SELECT name FROM volumes WHERE name = 'kept.qcow2'") == ["kept.qcow2"]
    virsh("pool-start", storage.name)
    assert drift_of(recorded.play(SYNC)[0], storage.name) == {(storage.name, "changed", "state")}
