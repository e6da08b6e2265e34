# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic inventory of 1,000 machines in the database, beside a static YAML inventory that says the same."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from postgres import Postgres
from workbench import Workbench

from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema
from ansible_collections.intake.vms.plugins.plugin_utils.hosts import Host
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.machines import write_addresses
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records

COUNT, HOSTS, TURNS = 1000, 20, 5
AIM = 1.5


def measure(bench):
    """The median of some turns of each, one after the other."""
    print(f"inventory of {COUNT} machines on {HOSTS} hypervisors, ansible-inventory --list")
    dynamic, static = (os.path.join(bench.folder, name) for name in ("bench.intake.yml", "static.yml"))
    server = Postgres()
    try:
        write(dynamic, json.dumps({"plugin": "intake.vms.intake", "dsn": filled(server), "prefer": ["10.0.0.0/8"]}))
        write(static, listed(dynamic, "--yaml")[1])
        assert json.loads(listed(dynamic)[1])["_meta"] == json.loads(listed(static)[1])["_meta"]
        turns = [(listed(dynamic)[0], listed(static)[0]) for _turn in range(TURNS)]
    finally:
        server.end()
    ours, theirs = (statistics.median(seconds) for seconds in zip(*turns))
    bench.row(f"inventory of {COUNT} VMs", ours, static=theirs)
    bench.note(f"the dynamic inventory takes {ours / theirs:.2f} times a static one of {os.path.getsize(static) >> 10} KiB (aim: at most {AIM})")


def listed(path, *words):
    """(seconds, output) of ansible-inventory --list."""
    start = time.monotonic()
    done = subprocess.run(["ansible-inventory", "-i", path, "--list", *words], capture_output=True, text=True, check=True)
    return time.monotonic() - start, done.stdout


def write(path, text):
    """A file with this text."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def filled(server):
    """A database with the machines."""
    dsn = server.dsn()
    with client.connected(dsn) as connection:
        schema.migrate(connection)
        for host in range(HOSTS):
            records = Records(connection, Host(f"00000000-0000-4000-9000-{host:012d}", f"hv{host}", f"192.0.2.{host}", f"hv{host}"))
            pools = [{"name": name, "type": "localfs", "state": "active", "path": f"/{name}", "uuid": f"{host}-{name}"} for name in ("fast", "slow")]
            machines = [machine(number) for number in range(host, COUNT, HOSTS)]
            found = [("storage", one) for one in pools] + [("vm", one) for one in machines]
            records.write([{"kind": kind, "name": one["name"], "storage": None, "asked": None, "found": one} for kind, one in found])
            write_addresses(records, machines)
    return dsn


def machine(number):
    """A machine as intake_vm_info tells it."""
    name = f"bench-{number}"
    disks = {disk: {"device": "disk", "path": f"/{disk}/{name}.qcow2", "bus": "virtio", "target": disk, "format": "qcow2"} for disk in ("fast", "slow")}
    lan = {"type": "network", "source": "default", "mac": f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}", "model": "virtio", "link": "up"}
    return {
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "name": name,
        "state": "running" if number % 10 else "stopped",
        "cpus": 2, "maximum_cpus": 2, "memory": 2 << 30, "maximum_memory": 2 << 30, "autostart": True, "virt_type": "kvm", "firmware": "uefi",
        "machine": "pc-q35-7.2",
        "description": f"machine {number}",
        "labels": {"tier": f"tier{number % 7}", "owner": f"team{number % 20}", "ansible_user": "ops"},
        "disks": disks,
        "interfaces": {"lan": lan},
        "addresses": [{"address": f"10.0.{number >> 8}.{number & 255}"}],
    }


if __name__ == "__main__":
    with Workbench() as workbench:
        measure(workbench)
        workbench.print_table()
