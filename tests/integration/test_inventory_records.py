# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as they are written: a thousand at once, storages that many hosts have, and hosts that write at the same time."""

from __future__ import annotations

import re
import threading
import uuid
from collections import Counter

import pytest
from recorded import Recorded, until

from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError
from ansible_collections.intake.vms.plugins.plugin_utils.compare import survey
from ansible_collections.intake.vms.plugins.plugin_utils.database import client
from ansible_collections.intake.vms.plugins.plugin_utils.hosts import Host
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.machines import disk_paths
from ansible_collections.intake.vms.plugins.plugin_utils.record.ledger import orphans
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records


@pytest.fixture
def recorded(server, tmp_path):
    """A database with tables."""
    return Recorded(server, {}, tmp_path)


class Counting:
    """A connection that keeps what it was asked."""

    def __init__(self, connection):
        self.connection, self.statements = connection, []

    def execute(self, text, *values):
        self.statements.append(re.search(r"(INSERT INTO|UPDATE|DELETE FROM|FROM) (\w+)", text).groups())
        return self.connection.execute(text, *values)


def machine(number):
    """A machine with a disk and an interface, as intake_vm tells it."""
    disks = {"root": {"device": "disk", "target": "vda", "bus": "virtio", "path": f"/srv/{number}.qcow2"}}
    found = {"uuid": str(uuid.UUID(int=number)), "name": f"m{number}", "state": "stopped", "cpus": 1, "memory": 1 << 24, "disks": disks}
    return {**found, "interfaces": {"lan": {"mac": f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}", "type": "user"}}}


def entries(kind, found, asked=None):
    """Entries of what a module found."""
    return [{"kind": kind, "name": one["name"], "storage": one.get("storage"), "asked": asked, "found": one} for one in found]


def pool(name, **more):
    """A storage, as intake_storage tells it."""
    return {"name": name, "type": "localfs", "uuid": str(uuid.uuid4()), "state": "active", "path": "/srv", "autostart": True, **more}


def test_a_thousand_resources_are_one_round_trip_for_each_table(recorded):
    with client.connected(recorded.plain) as connection:
        counting = Counting(connection)
        records = Records(counting, Host(str(uuid.uuid4()), "hv1"))
        records.write(entries("storage", [pool("fast")]))
        volumes = [{"name": f"{n}.qcow2", "storage": "fast", "format": "qcow2", "size": 1} for n in range(1000)]
        counting.statements.clear()
        with connection.transaction():
            records.write(entries("volume", volumes, {"size": "1"}) + entries("vm", map(machine, range(1000)), {"memory": "16MiB"}))
        assert max(Counter(counting.statements).values()) == 1 and len(counting.statements) <= 8, counting.statements
        for table in ("volumes", "vms", "disks", "interfaces"):
            assert recorded.rows(f"SELECT count(*) FROM {table}") == [1000]
        assert recorded.rows("SELECT count(*) FROM disks WHERE storage_id IS NOT NULL") == [1000]
        recorded_at = recorded.rows("SELECT max(recorded_at) FROM vms")
        records.write(entries("vm", map(machine, range(1000))))
        assert recorded.rows("SELECT max(recorded_at) FROM vms") == recorded_at


def test_an_export_is_one_storage_of_many_hosts(recorded):
    with client.connected(recorded.plain) as connection:
        nfs = {"type": "nfs", "server": "nas", "export": "/vms"}
        hosts = [Records(connection, Host(str(uuid.uuid4()), f"hv{number}")) for number in range(3)]
        for number, records in enumerate(hosts):
            records.write(entries("storage", [pool(f"shared{number}", **nfs), pool("local")]))
            records.write(entries("volume", [{"name": "a.qcow2", "storage": f"shared{number}", "size": 1}]) + entries("vm", [machine(1)]))
        assert recorded.rows("SELECT count(*) FROM storages WHERE type = 'nfs'") == [1]
        assert recorded.rows("SELECT count(*) FROM storages") == [4] and recorded.rows("SELECT count(*) FROM host_storages") == [6]
        assert recorded.rows("SELECT count(*) FROM volumes") == [1] and recorded.rows("SELECT count(*) FROM vms") == [3]
        for left, records in enumerate(hosts):
            assert recorded.rows("SELECT count(*) FROM volumes") == [1]
            records.write([{"kind": "storage", "name": f"shared{left}", "storage": None, "asked": None, "found": None}])
        assert recorded.rows("SELECT count(*) FROM storages WHERE type = 'nfs'") == [0] and recorded.rows("SELECT count(*) FROM volumes") == [0]


def test_hosts_that_share_storages_record_at_the_same_time(recorded):
    shared = [pool(f"s{number}", type="nfs", server="nas", export=f"/{number}") for number in range(6)]
    files = [{"name": f"{number}.qcow2", "storage": f"s{number % 6}", "size": 1} for number in range(120)]
    faults, together = [], threading.Barrier(4)

    def work(number):
        try:
            with client.connected(recorded.plain) as connection:
                records = Records(connection, Host(str(uuid.uuid4()), f"hv{number}"))
                records.write(entries("storage", shared))
                for turn in range(8):
                    together.wait(60)
                    now = [{**one, "size": number * 100 + turn} for one in files][:: 1 if number % 2 else -1]
                    with connection.transaction():
                        records.write(entries("volume", now))
                    together.wait(60)
                    with connection.transaction():
                        records.write(entries("storage", [{**one, "description": f"{number} {turn}"} for one in shared][:: 1 if number % 2 else -1]))
        except Exception as error:
            faults.append(error)
            together.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert faults == []


def test_a_storage_stays_where_a_host_begins_to_have_it_while_another_ceases(recorded):
    shared = {"type": "nfs", "server": "nas", "export": "/vms"}
    gone = {"kind": "storage", "name": "a", "storage": None, "asked": None, "found": None}
    with client.connected(recorded.plain) as first, client.connected(recorded.plain) as second:
        leaving = Records(first, Host(str(uuid.uuid4()), "hv1"))
        leaving.write(entries("storage", [pool("a", **shared)]) + entries("volume", [{"name": "kept.qcow2", "storage": "a", "size": 1}]))
        coming = Records(second, Host(str(uuid.uuid4()), "hv2"))
        worker = threading.Thread(target=leaving.write, args=([gone],))
        with second.transaction():
            coming.write(entries("storage", [pool("b", **shared)]))
            worker.start()
            until(lambda: recorded.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") != [0])
        worker.join(60)
    assert recorded.rows("SELECT name FROM volumes") == ["kept.qcow2"] and recorded.rows("SELECT name FROM host_storages") == ["b"]


def test_a_storage_that_is_another_one_now_leaves_nothing_behind(recorded):
    with client.connected(recorded.plain) as connection:
        records = Records(connection, Host(str(uuid.uuid4()), "hv1"))
        records.write(entries("storage", [pool("s"), pool("t")]) + entries("volume", [{"name": "v", "storage": "s"}, {"name": "w", "storage": "t"}]))
        records.write(entries("storage", [pool("s")]))  # made anew: another UUID
        assert recorded.rows("SELECT name FROM volumes") == ["w"] and recorded.rows("SELECT count(*) FROM storages") == [2]


def test_names_of_files_that_are_no_texts_are_kept_as_far_as_they_can(recorded):
    with client.connected(recorded.plain) as connection:
        records = Records(connection, Host(str(uuid.uuid4()), "hv1"))
        odd = [{"name": name, "storage": "s", "size": number} for number, name in enumerate(("a\udc80", "a\udc81", "b\0", "c"))]
        records.write(entries("storage", [pool("s")]) + entries("volume", odd))
        assert recorded.rows("SELECT name, size FROM volumes ORDER BY size") == [("a?", 1), ("b\ufffd", 2), ("c", 3)]
        records.write([{"kind": "volume", "name": "a\udc80", "storage": "s", "asked": None, "found": None}])
        records.write([{"kind": kind, "name": "x\udc80\0", "storage": None, "asked": None, "found": None} for kind in ("vm", "storage")])
        assert recorded.rows("SELECT name FROM volumes ORDER BY name") == ["b\ufffd", "c"] and disk_paths(records, ["\udc80"]) == []


def test_nothing_is_written_of_a_storage_that_is_not_known(recorded):
    with client.connected(recorded.plain) as connection:
        records = Records(connection, Host(str(uuid.uuid4()), "hv1"))
        with pytest.raises(IntakeError, match="nowhere/v: the inventory does not know the storage"):
            records.write(entries("volume", [{"name": "v", "storage": "nowhere"}]))


def test_open_entries_are_of_the_host_and_the_kinds_that_were_looked_at(recorded):
    with client.connected(recorded.plain) as connection:
        mine, other = (Records(connection, Host(str(uuid.uuid4()), "hv1")).host for _again in range(2))  # the name went to another machine
        recorded.rows("UPDATE host_names SET host_id = %s WHERE name = 'hv1'", mine.id)
        columns = "host_id, host_name, module, kind, names, controller, controller_user, session"
        opened = f"INSERT INTO operations ({columns}) VALUES (%s, 'hv1', 'm', %s, %s, 'c', 'u', %s)"
        for host, kind, name, session in ((mine.id, "vm", "lost", 0), (None, "vm", "new", 0), (other.id, "vm", "elsewhere", 0), (mine.id, "image", "i", 0)):
            connection.execute(opened, (host, kind, [name], session))
        connection.execute(opened, (mine.id, "vm", ["alive"], connection.info.backend_pid))
        assert [one["names"] for one in orphans(connection, mine.id, ["vm"])] == [["lost"], ["new"]]
        seen = survey.Survey({}, [], [])
        for kinds, synced in ((["storage", "vm"], False), (["storage", "volume", "image", "vm"], True)):
            survey.take_in(Records(connection, Host(mine.uuid, "hv1")), [], seen, kinds, [])
            assert recorded.rows("SELECT synced_at IS NOT NULL FROM hosts WHERE id = %s", mine.id) == [synced]
