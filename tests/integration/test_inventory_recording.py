# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What writing modules record: who, what and where, the state afterwards, and nothing that is secret or only looked at."""

from __future__ import annotations

import getpass
import json
import socket

import pytest
from recorded import PASSWORD, Recorded, drift_of, ended, task, until

from ansible_collections.intake.vms.plugins.plugin_utils.database import client

HOSTILE = ["'; DROP TABLE intake.vms; --", "{{ 7*7 }} {% if %}", "%s %(x)s %", "back\\slash \\u0000 \\", "two\nlines", "\U0001f600 \u00e9 \u202e", "\"'`$(x)"]


def unsafe(value):
    """A value as the variables of a play hold it where it is no template."""
    if isinstance(value, dict):
        return {key: unsafe(inner) for key, inner in value.items()}
    return [unsafe(inner) for inner in value] if isinstance(value, list) else {"__ansible_unsafe": value}


@pytest.fixture(scope="module")
def recorded(server, ansible_environment, tmp_path_factory):
    """Plays that are recorded."""
    return Recorded(server, ansible_environment, tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def vm(unique, forget_vms):
    """Options of a machine that is only defined; it and those whose names begin so are gone afterwards."""
    yield {"name": unique, "memory": "16MiB"}
    forget_vms(unique)


def test_a_life_is_recorded(recorded, unique, folder, forget_vms, forget_pool):
    disk = {"name": "root", "storage": unique, "volume": "root.qcow2", "size": "1MiB"}
    with open(f"{folder}/content", "wb") as file:
        file.write(b"\0" * 4096)
    made = [
        task("intake_storage", {"name": unique, "path": folder, "labels": {"tier": "fast"}}),
        task("intake_volume", {"name": "data.raw", "storage": unique, "size": "1MiB", "format": "raw"}),
        task("intake_image", {"name": "golden.raw", "storage": unique, "path": f"{folder}/content", "format": "raw"}),
        task("intake_vm", {"name": unique, "memory": "32MiB", "disks": [disk], "interfaces": [{"name": "lan", "mac": "52:54:00:00:99:01", "user": True}]}),
        task("intake_vm", {"name": unique, "memory": "32MiB"}, name="Again"),
        task("intake_vm", {"name": unique, "memory": "48MiB"}, check_mode=True),
    ]
    try:
        results = recorded.play(*made, words=["-e", "awx_job_id=42"])
        assert not [one["msg"] for one in results if one.get("failed")]
        assert recorded.journal("module, status, names, changed") == [
            ("intake_storage", "changed", [unique], [unique]),
            ("intake_volume", "changed", [f"{unique}/data.raw"], [f"{unique}/data.raw"]),
            ("intake_image", "changed", [f"{unique}/golden.raw"], [f"{unique}/golden.raw"]),
            ("intake_vm", "changed", [unique], [unique]),
            ("intake_vm", "unchanged", [unique], []),
        ]
        who = recorded.journal("controller, controller_user, play, job, host_name, ended_at >= started_at")
        assert set(who) == {(socket.gethostname(), getpass.getuser(), "recorded play", "42", "virt1", True)}
        assert recorded.journal("task")[-1] == "Again"
        assert recorded.journal("arguments")[-1] == {"name": unique, "memory": "32MiB"}
        assert recorded.rows("SELECT name, state, memory FROM vms") == [(unique, "stopped", 32 << 20)]
        assert recorded.rows("SELECT disks.name, storages.name, path FROM disks JOIN storages ON storage_id = storages.id") == [
            ("root", unique, f"{folder}/root.qcow2")
        ]
        assert recorded.rows("SELECT name, mac::text FROM interfaces") == [("lan", "52:54:00:00:99:01")]
        assert sorted(recorded.rows("SELECT name, size FROM volumes")) == [("data.raw", 1 << 20), ("root.qcow2", 1 << 20)]
        assert recorded.rows("SELECT name FROM images") == ["golden.raw"]
        assert recorded.rows("SELECT name, type, labels FROM storages") == [(unique, "localfs", {"tier": "fast"})]
        gone = recorded.play(
            task("intake_vm", {"name": unique, "state": "absent", "remove_disks": ["root"]}),
            task("intake_volume", {"name": "data.raw", "storage": unique, "state": "absent"}),
            task("intake_image", {"name": "golden.raw", "storage": unique, "state": "absent"}),
            task("intake_storage", {"name": unique, "state": "absent"}),
        )
        assert not [one["msg"] for one in gone if one.get("failed")]
        assert recorded.journal()[5:] == ["changed"] * 4
        for table in ("vms", "disks", "interfaces", "volumes", "images", "storages", "host_storages"):
            assert recorded.rows(f"SELECT count(*) FROM {table}") == [0], table
    finally:
        forget_vms(unique)
        forget_pool(unique)


def test_what_is_renamed_moved_or_made_anew_is_one_row(recorded, unique, storage, vm, forget_vms):
    place = {"storage": storage.name, "format": "raw"}
    results = recorded.play(
        task("intake_volume", {**place, "name": "old.raw", "size": "1MiB", "description": "same"}),
        task("intake_volume", {**place, "name": "old.raw", "size": "2MiB", "new_name": "new.raw"}),
        task("intake_volume", {**place, "name": "old.raw", "size": "2MiB", "new_name": "new.raw"}),
        task("intake_vm", {**vm, "disks": [{"name": "root", "storage": storage.name, "volume": "new.raw"}]}),
        {"ansible.builtin.command": f"virsh undefine {unique}"},
        task("intake_vm", {**vm, "memory": "24MiB"}),
        task("intake_inventory", {"state": "checked"}),
    )
    assert not [one["msg"] for one in results if one.get("failed")]
    assert recorded.rows("SELECT name, size, description FROM volumes") == [("new.raw", 2 << 20, "same")]
    assert recorded.rows("SELECT memory FROM vms WHERE name = %s", unique) == [24 << 20]
    assert recorded.rows("SELECT count(*) FROM disks") == [0]
    assert not drift_of(results[-1], unique) and not drift_of(results[-1], storage.name)


def test_check_mode_and_plays_without_an_inventory_touch_no_database(recorded, vm, tmp_path):
    before = recorded.rows("SELECT count(*) FROM operations")
    (tmp_path / "psycopg").mkdir()
    (tmp_path / "psycopg" / "__init__.py").write_text("raise ImportError('psycopg is not here')")
    lacking = {"PYTHONPATH": str(tmp_path)}
    plays = [
        recorded.start(task("intake_vm", vm), words=["--check"], environment={"INTAKE_INVENTORY_DSN": "host=/nonexistent"}),
        recorded.start(task("intake_vm", vm), environment=lacking),
    ]
    checked, asked = (ended(play).results[0] for play in plays)
    assert checked["changed"] and not checked.get("failed")
    assert asked["failed"] and asked["reason"] == "psycopg_missing"
    without = ended(recorded.start(task("intake_vm", vm), environment={**lacking, "INTAKE_INVENTORY_DSN": None})).results[0]
    assert without["changed"] and not without.get("failed")
    assert recorded.rows("SELECT count(*) FROM operations") == before


def test_every_way_of_running_a_task(recorded, vm, unique):
    names = [f"{unique}-{number}" for number in range(2)]
    results = recorded.play(
        task("intake_vm", {**vm, "name": "{{ item }}"}, loop=names),
        task("intake_vm", {**vm, "name": f"{unique}-far"}, delegate_to="virt2"),
        task("intake_vm", {**vm, "name": f"{unique}-root"}, become=True),
        task("intake_vm", {"memory": "16MiB", "vms": [{"name": f"{unique}-a"}, {"name": f"{unique}-b"}]}),
    )
    assert [one["changed"] for one in results] == [True] * 4
    assert [one["vm"]["name"] for one in results[0]["results"]] == names
    assert recorded.journal("host_name, names", unique) == [
        *(("virt1", [name]) for name in names), ("virt2", [f"{unique}-far"]), ("virt1", [f"{unique}-root"]), ("virt1", [f"{unique}-a", f"{unique}-b"])
    ]  # fmt: skip
    serial = ended(recorded.start(task("intake_vm", {**vm, "name": f"{unique}-{{{{ inventory_hostname }}}}"}), hosts="virt1,virt2", play={"serial": 1}))
    assert serial.hosts == ["virt1", "virt2"] and [one["changed"] for one in serial.results] == [True, True]
    adhoc = recorded.run("adhoc", "virt2", "-i", str(recorded.hosts), "-m", "intake.vms.intake_vm", "-a", f"name={unique}-adhoc memory=16MiB")
    assert ended(adhoc).results[0]["changed"]
    assert recorded.journal("host_name, status, play", f"{unique}-adhoc") == [("virt2", "changed", "Ansible Ad-Hoc")]
    assert sorted(recorded.rows("SELECT name FROM vms WHERE name LIKE %s", f"{unique}%")) == sorted(
        [*names, *(f"{unique}-{end}" for end in ("far", "root", "a", "b", "virt1", "virt2", "adhoc"))]
    )
    assert recorded.rows("SELECT count(*) FROM hosts") == [1]
    assert sorted(recorded.rows("SELECT name FROM host_names")) == ["virt1", "virt2"]
    assert recorded.rows("SELECT uuid::text FROM hosts") == [results[2]["hypervisor"]["uuid"]]


def test_an_async_task_stays_open_until_a_sync(recorded, vm, unique):
    recorded.play(task("intake_vm", vm, **{"async": 60, "poll": 0}))
    assert recorded.journal("status, ended_at", unique) == [("started", None)]
    until(lambda: drift_of(recorded.inventory(state="checked"), unique) == {(unique, "unexpected", None)})
    synced, again = recorded.play(task("intake_inventory", {"state": "synced"}), task("intake_inventory", {"state": "synced"}))
    assert [one["names"] for one in synced["operations"]] == [[unique]]
    assert synced["changed"] and not again["operations"]
    assert recorded.journal("status, ended_at IS NOT NULL", unique) == [("unknown", True)]
    assert recorded.rows("SELECT count(*) FROM vms WHERE name = %s", unique) == [1]


def test_an_async_task_that_is_waited_for(recorded, vm, unique):
    result = recorded.play(task("intake_vm", vm, **{"async": 60, "poll": 1}))[-1]
    assert result["changed"] and result["vm"]["name"] == unique
    recorded.inventory(state="synced", kinds=["vm"])
    assert recorded.journal("status", unique) == ["unknown"]
    assert recorded.rows("SELECT count(*) FROM vms WHERE name = %s", unique) == [1]


def test_failures_are_recorded_with_what_was_done(recorded, vm, unique):
    bad = {"name": f"{unique}-bad", "kernel": "/nonexistent/kernel", "state": "running"}
    invalid, refused, partly = recorded.play(
        task("intake_vm", {**vm, "no_such_option": 1}),
        task("intake_vm", {"memory": "16MiB", "vms": [{"name": f"{unique}-1"}, {"name": f"{unique}-2", "memory": "much"}]}),
        task("intake_vm", {"memory": "16MiB", "virt_type": "qemu", "vms": [{"name": f"{unique}-good"}, bad]}),
    )
    assert "no_such_option" in invalid["msg"] and recorded.journal("id", f"{unique}") and refused["failed"] and partly["failed"]
    assert recorded.journal("status, message, changed", f"{unique}-2") == [("failed", refused["msg"], [])]
    assert recorded.rows("SELECT name FROM vms WHERE name LIKE %s", f"{unique}-_") == []
    done = {report["name"]: report["changed"] for report in partly["resources"]}
    status, message, changed = recorded.journal("status, message, changed", f"{unique}-bad")[0]
    assert (status, message) == ("failed", partly["msg"])
    assert changed == [name for name, moved in done.items() if moved] and f"{unique}-good" in changed, partly
    there = {report["name"] for report in partly["resources"] if report["state"]}
    assert set(recorded.rows("SELECT name FROM vms WHERE name LIKE %s", f"{unique}%")) == there


def test_an_unreachable_host_is_recorded(recorded, vm, unique):
    done = ended(recorded.start(task("intake_vm", vm), task("intake_vm", {**vm, "name": f"{unique}-later"}), hosts="far,virt1"))
    assert sorted(done.hosts) == ["far", "far", "virt1", "virt1"], done.output
    told = [(status, "refused" in message.lower()) for status, message in recorded.rows(
        "SELECT status, message FROM operations WHERE host_name = 'far' ORDER BY id"
    )]  # fmt: skip
    assert told == [("unreachable", True)] * 2
    assert recorded.rows("SELECT count(*) FROM host_names WHERE name = 'far'") == [0]
    assert sorted(recorded.journal("status", f"{unique}-later")) == ["changed", "unreachable"]  # both hosts at the same time


def test_a_refused_migration_is_recorded(recorded, vm, unique):
    made, refused = recorded.play(task("intake_vm", vm), task("intake_vm_migrate", {"name": unique, "destination": "127.0.0.1"}))
    assert made["changed"] and refused["failed"]
    assert recorded.journal("module, status, message", unique)[1:] == [("intake_vm_migrate", "failed", refused["msg"])]
    assert recorded.rows("SELECT asked ->> 'memory' FROM vms WHERE name = %s", unique) == ["16MiB"]


def test_listeners_hear_of_the_end(recorded, vm, unique):
    with client.connected(recorded.plain) as connection:
        connection.execute("LISTEN intake_vms")
        recorded.play(task("intake_vm", vm), task("intake_vm", vm, check_mode=True), task("intake_vm", vm))
        heard = [json.loads(one.payload) for one in connection.notifies(timeout=1)]
    assert [(one["kind"], one["host_name"], one["status"]) for one in heard] == [("vm", "virt1", "changed"), ("vm", "virt1", "unchanged")]
    assert [one["id"] for one in heard] == recorded.journal("id", unique)


def test_text_is_data(recorded, unique, forget_vms):
    labels = {f"l{number}": text for number, text in enumerate(HOSTILE)}
    vms = [{"name": f"{unique}-{number}", "description": text, "labels": {**labels, "own": text}} for number, text in enumerate(HOSTILE)]
    odd = [f"{unique}'; DROP TABLE intake.vms; --", f"{unique} %s %(x)s", f'{unique} "\\ {{ 7*7 }}']
    try:
        made = recorded.play(
            task("intake_vm", {"memory": "16MiB", "vms": "{{ vms }}"}),
            *(task("intake_vm", {"memory": "16MiB", "name": f"{{{{ odd[{number}] }}}}"}) for number in range(len(odd))),
            play={"vars": {"vms": unsafe(vms), "odd": unsafe(odd)}},
        )
        assert not [one["msg"] for one in made[:1] if one.get("failed")]
        assert dict(recorded.rows("SELECT name, description FROM vms WHERE name LIKE %s", f"{unique}-%")) == {one["name"]: one["description"] for one in vms}
        assert recorded.rows("SELECT count(*) FROM vms WHERE name LIKE %s AND labels @> %s", f"{unique}-%", json.dumps(labels)) == [len(HOSTILE)]
        assert recorded.rows("SELECT arguments -> 'vms' FROM operations WHERE names[1] = %s", f"{unique}-0") == [[{**one, "memory": "16MiB"} for one in vms]]
        for name, result in zip(odd, made[1:]):
            refused = bool(result.get("failed"))
            assert recorded.rows("SELECT count(*) FROM vms WHERE name = %s", name) == [0 if refused else 1], result
            assert recorded.rows("SELECT status FROM operations WHERE names[1] = %s", name) == ["failed" if refused else "changed"]
        assert not [one for one in recorded.inventory(state="checked")["drift"] if unique in one["where"]]
    finally:
        forget_vms(unique)


def test_no_secret_is_kept(recorded, unique, storage, vm, forget_vms):
    secrets = [f"s3cret{number}-{unique}" for number in range(9)]
    secrets[0] = f"Zq{unique[-5:]}x"
    clouds = [{"user_data": f"#cloud-config\nchpasswd: {secrets[1]}\n"}, {"users": [{"name": "joe", "plain_text_passwd": secrets[2]}]}]
    disk = {"name": "root", "storage": storage.name, "size": "1MiB"}
    url = f"http://joe:{secrets[3]}@127.0.0.1:9/image.raw?signature={secrets[4]}"
    play = recorded.start(
        task("intake_vm", {**vm, "graphics": {"type": "vnc", "password": secrets[0]}}),
        *(task("intake_vm", {**vm, "name": f"{unique}-c{n}", "disks": [disk], "cloud_init": cloud}) for n, cloud in enumerate(clouds)),
        task("intake_image", {"name": "a", "storage": storage.name, "url": url, "url_username": "joe", "url_password": secrets[5]}),
        task("intake_image", {"storage": storage.name, "images": [{"name": "b", "url": url, "url_password": secrets[6]}]}),
        task("intake_vm", {**vm, "memory": secrets[7], "name": f"{unique}-n"}, no_log=True),
        words=["-vvv"],
    )
    done = ended(play)
    assert [bool(one.get("failed")) for one in done.results] == [False, False, False, True, True, True]
    assert recorded.journal("arguments, status", f"{unique}-n") == [(None, "failed")]
    dump = recorded.server.run("pg_dump", "-h", recorded.server.folder, recorded.database)
    assert unique in dump and [secret for secret in secrets if secret in dump] == []
    assert PASSWORD not in done.output and PASSWORD not in dump
