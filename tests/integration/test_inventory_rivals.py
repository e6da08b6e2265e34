# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many at once on one inventory: jobs that want the same, processes that migrate, and roles with few rights."""

from __future__ import annotations

import getpass
import threading
from collections import Counter

import psycopg
import pytest
from recorded import PASSWORD, Recorded, ended, task

from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema
from ansible_collections.intake.vms.plugins.plugin_utils.record.ledger import Ledger

PROCESSES = 20
DENIED = (
    "DROP TABLE vms", "DELETE FROM schema_versions", "INSERT INTO schema_versions VALUES (7, 'x')", "UPDATE schema_versions SET version = 7", "TRUNCATE vms",
    "ALTER TABLE vms ADD COLUMN x int", "CREATE TABLE more (x int)", "DROP SCHEMA intake CASCADE",
)  # fmt: skip

WRITING = ("DELETE FROM vms", "INSERT INTO operations DEFAULT VALUES", "UPDATE hosts SET name = 'x'")


@pytest.fixture
def recorded(server, ansible_environment, tmp_path):
    """Plays that are recorded in a database of the test's own."""
    return Recorded(server, ansible_environment, tmp_path)


@pytest.fixture
def empty(server, ansible_environment, tmp_path):
    """The same in a database without tables."""
    return Recorded(server, ansible_environment, tmp_path, migrated=False)


@pytest.fixture
def vm(unique, forget_vms):
    """Options of a machine that is only defined; it and those whose names begin so are gone afterwards."""
    yield {"name": unique, "memory": "16MiB"}
    forget_vms(unique)


@pytest.mark.parametrize("known", [False, True])
def test_two_jobs_that_want_the_same_machine(recorded, vm, unique, known):
    if known:
        recorded.play(task("intake_vm", {**vm, "name": f"{unique}-before"}))
    with recorded.halted("vms") as halted:
        first = recorded.start(task("intake_vm", vm), words=["-e", "awx_job_id=7"])
        halted.wait()
        late, other, checked = ended(
            recorded.start(
                task("intake_vm", {**vm, "memory": "24MiB", "lock_timeout": 1}),
                task("intake_storage", {"name": f"{unique}-none", "state": "absent"}),
                task("intake_vm", {**vm, "memory": "24MiB", "lock_timeout": 1}, check_mode=True),
            )
        ).results
        patient = recorded.start(task("intake_vm", {**vm, "memory": "24MiB"}))
    assert ended(first).results[0]["changed"]
    assert late["failed"] and late["reason"] == "locked"
    assert f"{getpass.getuser()}@" in late["msg"] and "job 7" in late["msg"] and unique in late["msg"]
    assert not other.get("failed") and checked["changed"]
    assert ended(patient).results[0]["changed"]
    assert recorded.rows("SELECT memory FROM vms WHERE name = %s", unique) == [24 << 20]
    mine = [one for one in recorded.journal("status, job", unique) if one[1] or one[0] == "changed"]
    assert sorted(mine, key=str) == sorted(([("changed", None)] if known else []) + [("changed", "7"), ("changed", None)], key=str)


def test_many_controllers_that_want_the_same_machines(recorded, unique, vm, connection):
    names = [f"{unique}-{number}" for number in range(5)]
    orders = [names[shift:] + names[:shift] for shift in range(5)]
    wanted = [{"memory": "16MiB", "lock_timeout": 300, "vms": [{"name": name} for name in orders[number % 5]]} for number in range(PROCESSES)]
    done = [ended(play) for play in [recorded.start(task("intake_vm", one)) for one in wanted]]
    results = [one.results[0] for one in done]
    assert not [one["msg"] for one in results if one.get("failed")]
    changes = Counter(report["name"] for result in results for report in result["resources"] if report["changed"])
    assert changes == dict.fromkeys(names, 1)
    assert all(len(result["resources"]) == 5 and all(report["state"] for report in result["resources"]) for result in results)
    assert sorted(domain.name() for domain in connection.listAllDomains(0) if domain.name().startswith(unique)) == names
    assert sorted(recorded.rows("SELECT name FROM vms WHERE name LIKE %s", f"{unique}-%")) == names
    statuses = Counter(recorded.journal("status", unique))
    assert statuses == Counter("changed" if result["changed"] else "unchanged" for result in results)


def test_locks_of_overlapping_calls_end_in_time(recorded):
    """Calls that lock some of the same names in any order neither stop each other for ever nor hold together."""
    inside, seen, faults = Counter(), [], []

    def work(number):
        names = [f"m{(number + step) % 6}" for step in range(4)]
        try:
            for _again in range(5):
                with client.connected(recorded.plain) as connection:
                    Ledger(connection, recorded.plain).lock(["h", "uuid"] if number % 2 else ["h"], "vm", names if number else None, 60)
                    inside.update(names)
                    seen.append(max(inside.values()))
                    inside.subtract(names)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert faults == [] and set(seen) == {1} and len(seen) == 40


def test_a_lock_of_the_kind_keeps_single_ones_off(recorded):
    with client.connected(recorded.plain, "intake.vms ops@one") as one, client.connected(recorded.plain) as two:
        Ledger(one, recorded.plain).lock(["h"], "vm", None, 1)
        Ledger(two, recorded.plain).lock(["h"], "volume", ["m"], 1)
        with pytest.raises(Refused, match="vm m: intake.vms ops@one works on it, after 1 s still"):
            Ledger(two, recorded.plain).lock(["h"], "vm", ["m"], 1)


def test_tables_are_made_kept_and_removed(empty, server):
    refused = empty.play(task("intake_vm", {"name": "never"}))[0]
    assert refused["failed"] and refused["reason"] == "schema_old" and "state: present" in refused["msg"]
    present = task("intake_inventory", {"state": "present"})
    predicted, made, again = empty.play({**present, "check_mode": True}, present, present)
    assert predicted["changed"] and made["changed"] and not again["changed"] and predicted["migrations"] == made["migrations"] and not again["migrations"]
    absent = task("intake_inventory", {"state": "absent", "confirm": empty.database})
    unsure, wrong, gone_check, there, gone, still = empty.play(
        task("intake_inventory", {"state": "absent"}),
        task("intake_inventory", {"state": "absent", "confirm": "yes"}),
        {**absent, "check_mode": True},
        present,
        absent,
        absent,
    )
    assert [one["reason"] for one in (unsure, wrong)] == ["confirm_missing"] * 2
    assert gone_check["changed"] and not there["changed"] and gone["changed"] and not still["changed"]
    assert server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'intake'", empty.database) == ["0"]


def test_a_newer_schema_is_left_alone(recorded, connection):
    recorded.rows("INSERT INTO schema_versions (version, name) VALUES (999, 'of the future')")
    for result in recorded.play(
        task("intake_inventory", {"state": "present"}), task("intake_inventory", {"state": "synced"}), task("intake_vm", {"name": "never-made"})
    ):
        assert result["failed"] and result["reason"] == "schema_newer" and "999" in result["msg"]
    assert "never-made" not in [domain.name() for domain in connection.listAllDomains(0)]


def test_processes_that_migrate_at_once(empty):
    results = [ended(play).results[0] for play in [empty.start(task("intake_inventory", {})) for _number in range(3)]]
    assert not [one["msg"] for one in results if one.get("failed")]
    assert sorted(one["changed"] for one in results) == [False, False, True]
    assert empty.rows("SELECT count(*), max(version) FROM schema_versions") == [(schema.newest(), schema.newest())]


def test_rights_of_readers_and_writers(empty, server, vm, unique):
    server.sql("CREATE ROLE looks LOGIN")
    server.sql('CREATE ROLE "writes; DROP" LOGIN')
    rights = task("intake_inventory", {"readers": ["looks"], "writers": ["writes; DROP"]})
    missing, predicted, given, again = empty.play(task("intake_inventory", {"readers": ["nobody here"]}), {**rights, "check_mode": True}, rights, rights)
    assert missing["failed"] and missing["reason"] == "role_missing"
    assert predicted["changed"] and given["changed"] and not again["changed"]
    writer = {"INTAKE_INVENTORY_DSN": f"{empty.dsn.replace('user=postgres', '')} user='writes; DROP'"}
    reader = {"INTAKE_INVENTORY_DSN": empty.dsn.replace("user=postgres", "user=looks")}
    made, synced = ended(empty.start(task("intake_vm", vm), task("intake_inventory", {"state": "synced"}), environment=writer)).results
    assert made["changed"] and not made.get("failed") and not synced.get("failed")
    assert empty.journal("status", unique) == ["changed"]
    refused, asked = ended(
        empty.start(task("intake_vm", {**vm, "name": f"{unique}-r"}), task("intake_inventory_info", {"kind": "vm_overview"}), environment=reader)
    ).results
    assert refused["failed"] and "permission denied" in refused["msg"] and PASSWORD not in refused["msg"]
    assert unique in [row["name"] for row in asked["rows"]]
    for user, statements in (("writes; DROP", DENIED), ("looks", (*DENIED, *WRITING))):
        with psycopg.connect(empty.plain, user=user, autocommit=True, options="-c search_path=intake") as there:
            for statement in statements:
                with pytest.raises(psycopg.Error):
                    there.execute(statement)
    assert empty.rows("SELECT count(*) FROM vms WHERE name = %s", unique) == [1]
