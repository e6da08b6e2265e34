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
from recorded import Recorded

from ansible_collections.intake.vms.plugins.plugin_utils import database
from ansible_collections.intake.vms.plugins.plugin_utils.records import Host, Records


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
    with database.connected(recorded.plain) as connection:
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
    with database.connected(recorded.plain) as connection:
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
            with database.connected(recorded.plain) as connection:
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
