# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic inventory as AWX uses it: listed once with --export from a file without secrets, kept, and given to jobs by a script."""

from __future__ import annotations

import json

import ansible_runner
import pytest
from postgres import Postgres

from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema
from ansible_collections.intake.vms.plugins.plugin_utils.hosts import Host
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.kind import entry
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records

UUID = "00000000-0000-4000-8000-{:012d}"
SOURCE = "plugin: intake.vms.intake\nprefer: [10.0.0.0/8]\ncompose: {size: intake_memory // 1048576}\n"
SCRIPT = "#!/bin/sh\ncat <<'JSON'\n{}\nJSON\n"
TEMPLATE = "{{ 7 * 7 }}"  # a label of somebody who wants it calculated


@pytest.fixture
def dsn():
    """A database with two machines, one of them running."""
    server = Postgres()
    try:
        made = server.dsn()
        with client.connected(made) as connection:
            schema.migrate(connection)
            Records(connection, Host(UUID.format(9), "hv1", "192.0.2.1", "hv1.example.com")).write(
                [
                    entry("vm", one["name"], found=one)
                    for one in (machine(1, "web1", "running", {"tier": "web", "note": TEMPLATE}), machine(2, "db1", "stopped"))
                ]
            )
        yield made
    finally:
        server.end()


def machine(number, name, state, labels=None):
    """A machine as intake_vm_info tells it."""
    size = {"cpus": 1, "memory": 1 << 30}
    return {"uuid": UUID.format(number), "name": name, "state": state, "autostart": False, "description": None, "labels": labels or {}, **size}


def test_an_inventory_source_of_awx(dsn, tmp_path, monkeypatch):
    monkeypatch.setenv("INTAKE_INVENTORY_DSN", dsn)
    source = tmp_path / "machines.intake.yml"
    source.write_text(SOURCE)
    listed, said = ansible_runner.get_inventory("list", [str(source)], response_format="json", export=True, quiet=True, private_data_dir=str(tmp_path))
    assert not said, said
    hosts = listed["_meta"]["hostvars"]
    assert sorted(hosts) == ["db1", "web1"] and listed["label_tier_web"]["hosts"] == ["web1"]
    assert (hosts["web1"]["intake_state"], hosts["db1"]["intake_state"], hosts["web1"]["size"]) == ("running", "stopped", 1024)

    monkeypatch.delenv("INTAKE_INVENTORY_DSN")
    folder = tmp_path / "job" / "inventory"
    folder.mkdir(parents=True)
    (folder / "hosts").write_text(SCRIPT.format(json.dumps(listed)))
    (folder / "hosts").chmod(0o700)
    shown = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} on {{ intake_hypervisor }}: {{ intake_labels.tier }}"}}
    play = [{"hosts": "label_tier_web", "gather_facts": False, "tasks": [shown, {"ansible.builtin.debug": {"var": "intake_labels.note"}}]}]
    done = ansible_runner.run(private_data_dir=str(tmp_path / "job"), playbook=play, quiet=True)
    output = done.stdout.read()
    assert done.status == "successful", output
    assert "web1 on hv1: web" in output and "49" not in output
