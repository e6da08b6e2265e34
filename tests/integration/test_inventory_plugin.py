# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic inventory, as ansible-inventory and ansible-playbook see it, from a real PostgreSQL and from libvirt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace
from xml.sax.saxutils import escape, quoteattr

import pytest
import yaml

from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema
from ansible_collections.intake.vms.plugins.plugin_utils.hosts import Host
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.machines import write_addresses
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records

EVIL = "{{ lookup('pipe', 'touch pwned') }}"
UUID = "00000000-0000-4000-8000-{:012d}"
NOBODY = "qemu+tcp://127.0.0.1:1/system"  # a port on which nothing listens


@pytest.fixture
def dsn(server):
    """A database with the tables of the inventory."""
    made = server.dsn()
    with client.connected(made) as connection:
        schema.migrate(connection)
    return made


@pytest.fixture
def ansible(ansible_environment, tmp_path):
    """ansible("inventory", config, *words) -> what a program of Ansible says of an inventory file with this content, run beside it."""

    def run(program, config, *words, **environment):
        path = tmp_path / "test.intake.yml"
        path.write_text(config if isinstance(config, str) else yaml.safe_dump({"plugin": "intake.vms.intake", **config}))
        environment = {"ANSIBLE_STDOUT_CALLBACK": "default", "COLUMNS": "2000", **environment}
        argv = [sys.executable, "-m", "ansible", program, "-i", str(path), *words]
        return subprocess.run(argv, env={**ansible_environment, **environment}, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def listed(ansible):
    """listed(config) -> `hostvars`, `groups` ({name: hosts}) and `said` (warnings and errors) of ansible-inventory --list."""

    def run(config, **environment):
        done = ansible("inventory", config, "--list", **environment)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        hostvars = found.pop("_meta")["hostvars"]
        groups = {name: sorted(group.get("hosts", ())) for name, group in found.items() if name != "all"}
        return SimpleNamespace(hostvars=hostvars, hosts=sorted(hostvars), groups=groups, said=" ".join(done.stderr.split()))

    return run


@pytest.fixture
def node(tmp_path):
    """node("hv1", {name: labels}) -> the URI of libvirt's test driver with these machines, each with a disk in the storage fast."""

    def make(name, machines):
        domains = (domain(number, name, labels) for number, (name, labels) in enumerate(machines.items(), 1))
        path = tmp_path / f"{name}.xml"
        pool = "<pool type='dir'><name>fast</name><target><path>/fast</path></target></pool>"
        path.write_text(f"<node>{pool}{''.join(domains)}</node>")
        return f"test://{path}"

    return make


def domain(number, name, labels):
    """A domain of the test driver; it runs."""
    words = "".join(f"<i:label key={quoteattr(key)}>{escape(value)}</i:label>" for key, value in labels.items())
    return f"""<domain type='test'><name>{escape(name)}</name><uuid>{UUID.format(number)}</uuid><memory>65536</memory><vcpu>1</vcpu>
        <metadata><i:vm xmlns:i='urn:intake:vms:1'>{words}</i:vm></metadata><os><type>hvm</type></os>
        <devices><disk type='file' device='disk'><source file='/fast/root.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>"""


def machine(number, name, state="running", addresses=(), storage="fast", **more):
    """A machine as intake_vm_info tells it."""
    disks = {"root": {"device": "disk", "path": f"/{storage}/{name}.qcow2", "bus": "virtio", "target": "vda", "format": "qcow2"}}
    cards = {"lan": {"type": "network", "source": "default", "mac": f"52:54:00:00:00:{number:02x}"}}
    found = {"uuid": UUID.format(number), "name": name, "state": state, "cpus": 2, "memory": 1 << 30, "autostart": False, "description": None}
    return {**found, "labels": {}, "disks": disks, "interfaces": cards, "addresses": [{"address": one} for one in addresses], **more}


def fill(dsn, number, name, machines, address=None, storages=("fast", "slow")):
    """Write a hypervisor as the recording modules do."""
    pools = [{"name": one, "type": "localfs", "state": "active", "path": f"/{one}", "uuid": f"{number}-{one}", "autostart": True} for one in storages]
    found = [("storage", one) for one in pools] + [("vm", one) for one in machines]
    with client.connected(dsn) as connection:
        records = Records(connection, Host(UUID.format(900 + number), name, address, f"{name}.example.com"))
        records.write([{"kind": kind, "name": one["name"], "storage": None, "asked": None, "found": one} for kind, one in found])
        write_addresses(records, machines)


def test_machines_of_the_database(dsn, listed):
    web = machine(1, "web1", addresses=["192.0.2.9", "10.0.0.5"], labels={"tier": "web", "ansible_user": "ops", "ansible_port": "2222"})
    fill(dsn, 1, "hv-1", [web, machine(2, "db", "stopped", ["10.0.0.6"], "slow")], "203.0.113.1")
    found = listed({"dsn": dsn, "prefer": ["172.16.0.0/12", "10.0.0.0/8"]})
    told = found.hostvars["web1"]
    assert (told["ansible_host"], told["ansible_port"], told["ansible_user"]) == ("10.0.0.5", 2222, "ops")
    assert told["intake_addresses"] == ["192.0.2.9", "10.0.0.5"]
    assert {key: told[f"intake_{key}"] for key in ("kind", "name", "uuid", "state", "hypervisor", "cpus", "memory", "labels", "storages")} == {
        "kind": "vm", "name": "web1", "uuid": UUID.format(1), "state": "running", "hypervisor": "hv-1", "cpus": 2, "memory": 1 << 30,
        "labels": web["labels"], "storages": ["fast"],
    }  # fmt: skip
    assert told["intake_disks"] == web["disks"]
    assert told["intake_interfaces"] == web["interfaces"]
    assert "ansible_host" not in found.hostvars["db"] and found.hostvars["db"]["intake_addresses"] == []
    assert found.groups == {
        "vms": ["db", "web1"], "state_running": ["web1"], "state_stopped": ["db"], "hypervisor_hv_1": ["db", "web1"], "storage_fast": ["web1"],
        "storage_slow": ["db"], "label_tier_web": ["web1"], "label_ansible_user_ops": ["web1"], "label_ansible_port_2222": ["web1"],
    }  # fmt: skip
    assert not found.said


def test_hypervisors_of_the_database(dsn, listed):
    fill(dsn, 1, "hv1", [machine(1, "web1")], "203.0.113.1")
    fill(dsn, 2, "hv2", [], storages=["fast"])
    found = listed({"dsn": dsn, "hosts": "hypervisors"})
    assert found.hostvars["hv1"] == {
        "ansible_host": "203.0.113.1", "intake_addresses": ["203.0.113.1"], "intake_hostname": "hv1.example.com", "intake_kind": "hypervisor",
        "intake_name": "hv1", "intake_storages": ["fast", "slow"], "intake_uuid": UUID.format(901), "intake_vms": ["web1"],
    }  # fmt: skip
    assert found.groups == {"hypervisors": ["hv1", "hv2"], "storage_fast": ["hv1", "hv2"], "storage_slow": ["hv1"]}
    both = listed({"dsn": dsn, "hosts": "both", "group_by": ["kind"]})
    assert both.groups == {"hypervisors": ["hv1", "hv2"], "vms": ["web1"]}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"names": ["web*"]}, ["web1", "web2"]),
        ({"names": ["web[2-9]", "db"]}, ["db", "web2"]),
        ({"states": ["running"]}, ["web1"]),
        ({"states": ["stopped", "paused"]}, ["db", "web2"]),
        ({"labels": {"tier": "web"}}, ["web1", "web2"]),
        ({"labels": {"tier": "web", "number": 1}}, ["web1"]),
        ({"labels": {"no_such": ""}}, []),
        ({"hypervisors": ["hv2"]}, ["db"]),
        ({"hypervisors": ["hv*"], "storages": ["fa*"]}, ["web1", "web2"]),
        ({"names": ["WEB1"]}, []),
    ],
)
def test_filters(dsn, listed, filters, expected):
    web = [machine(1, "web1", labels={"tier": "web", "number": "1"}), machine(2, "web2", "paused", labels={"tier": "web", "number": "2"})]
    fill(dsn, 1, "hv1", web)
    fill(dsn, 2, "hv2", [machine(3, "db", "stopped", storage="slow")])
    assert listed({"dsn": dsn, **filters}).hosts == expected


def test_what_the_file_composes(dsn, listed):
    fill(dsn, 1, "hv1", [machine(1, "web1", addresses=["10.0.0.5"], labels={"site": "berlin"}), machine(2, "web2")])
    composed = {
        "compose": {"mib": "vms_memory // 1024 ** 2", "ansible_host": "vms_name ~ '.example.com'", "site": "vms_labels.site"},
        "groups": {"reachable": "vms_addresses | length > 0"},
        "keyed_groups": [{"key": "vms_labels.site", "prefix": "site"}],
    }
    found = listed({"dsn": dsn, "variable_prefix": "vms_", "group_by": [], **composed})
    assert str(found.hostvars["web1"]["mib"]) == "1024"  # before ansible-core 2.19 it is a text
    assert found.hostvars["web1"]["ansible_host"] == "web1.example.com"
    assert found.groups == {"ungrouped": ["web2"], "reachable": ["web1"], "site_berlin": ["web1"]}
    strict = listed({"dsn": dsn, "variable_prefix": "vms_", "strict": True, **composed})
    assert not strict.hosts and "Could not set site for host web2" in strict.said


def test_machines_of_one_name(dsn, listed):
    fill(dsn, 1, "hv1", [machine(1, "web1"), machine(2, "localhost"), machine(3, "hv2")])
    fill(dsn, 2, "hv2", [machine(4, "web1", "stopped"), machine(5, "web1_hv2")])
    found = listed({"dsn": dsn, "hosts": "both"})
    assert found.hosts == ["hv1", "hv2", "hv2_hv1", "localhost_hv1", "web1", "web1_hv2", "web1_hv2_hv2"]
    assert found.hostvars["web1"]["intake_uuid"] == UUID.format(1)
    assert found.hostvars["web1_hv2"]["intake_uuid"] == UUID.format(4)
    for told in ("vm web1 on hv2 is listed as web1_hv2", "vm localhost on hv1 is listed as localhost_hv1", "vm hv2 on hv1 is listed as hv2_hv1"):
        assert told in found.said
    stopped = listed({"dsn": dsn, "states": ["stopped"]})
    assert stopped.hosts == ["web1_hv2"]  # the filter gives no machine another's name
    assert listed({"dsn": dsn, "hostname": "uuid"}).hosts == [UUID.format(number) for number in range(1, 6)]
    assert "web1_hv1" in listed({"dsn": dsn, "hostname": "name_hypervisor"}).hosts


def test_a_label_that_is_no_port(dsn, listed):
    fill(dsn, 1, "hv1", [machine(number, f"vm{number}", labels={"ssh": text}) for number, text in enumerate(("22; reboot", "0", "70000", "٢٢", ""), 1)])
    found = listed({"dsn": dsn, "port_label": "ssh"})
    assert len(found.hosts) == 5 and not any("ansible_port" in told for told in found.hostvars.values())
    assert found.said.count("its label ssh is no port") == 4
    assert not listed({"dsn": dsn, "port_label": "ssh", "strict": True}).hosts
    assert not listed({"dsn": dsn, "port_label": ""}).said


@pytest.mark.parametrize("source", ["database", "libvirt"])
def test_templates_in_names_and_labels_are_text(dsn, node, listed, ansible, tmp_path, source):
    labels = {"tier": EVIL, EVIL: "x", "ansible_user": EVIL, "sql": "'; DROP TABLE vms; --"}
    fill(dsn, 1, "hv1", [machine(1, EVIL, labels=labels, description=EVIL)])
    config = {"dsn": dsn} if source == "database" else {"uris": [node("hv1", {EVIL: labels})]}
    config.update(compose={"mine": "intake_labels.tier"}, keyed_groups=[{"key": "intake_labels.tier"}], groups={"evil": "intake_name == 'x'"})
    found = listed(config)
    assert found.hosts == [EVIL]
    assert found.hostvars[EVIL]["intake_labels"]["tier"] == {"__ansible_unsafe": EVIL}
    assert found.hostvars[EVIL]["ansible_user"] == {"__ansible_unsafe": EVIL}
    text = "{{ inventory_hostname }} {{ intake_name }} {{ intake_labels.tier }} {{ intake_labels }} {{ mine }} {{ groups.all }} {{ intake_description }}"
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": text}}, {"ansible.builtin.debug": {"var": "mine"}}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = ansible("playbook", config, "play.yml")
    assert done.returncode == 0 and "touch pwned" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "pwned").exists()


def test_graph(dsn, ansible):
    fill(dsn, 1, "hv1", [machine(1, "web1")])
    done = ansible("inventory", {"dsn": dsn, "group_by": ["state"]}, "--graph")
    assert done.stdout.split() == ["@all:", "|--@ungrouped:", "|--@state_running:", "|", "|--web1"]


def test_the_environment_names_the_database(dsn, listed, node):
    fill(dsn, 1, "hv1", [machine(1, "web1")])
    assert listed({}, INTAKE_INVENTORY_DSN=dsn).hosts == ["web1"]
    assert listed({"uris": [node("hv1", {"other": {}})]}, INTAKE_INVENTORY_DSN=dsn).hosts == ["other"]


def test_machines_of_libvirt(node, listed):
    uri = node("hv1", {"web1": {"tier": "web"}, "db": {}})
    found = listed({"uris": [uri, uri], "labels": {"tier": "web"}})
    assert found.hosts == ["web1"] and not found.said
    assert found.hostvars["web1"]["intake_storages"] == ["fast"]
    assert {"vms", "state_running", "storage_fast", "label_tier_web"} < set(found.groups)


def test_the_same_from_the_database_and_from_libvirt(dsn, listed, run_tasks, unique, storage, forget_vms):
    described = {"name": unique, "state": "stopped", "memory": "64MiB", "labels": {"tier": "web"}, "description": "text", "virt_type": "qemu"}
    disks = [{"name": "root", "size": "1MiB", "storage": storage.name}]
    try:
        made, machines, storages = run_tasks(
            ("intake_vm", {**described, "disks": disks, "interfaces": [{"name": "lan", "user": True}]}, False),
            ("intake_vm_info", {"names": [unique], "gather": ["addresses"]}, False),
            ("intake_storage_info", {}, False),
        )
        assert not made.get("failed"), made["msg"]
        host = made["hypervisor"]
        with client.connected(dsn) as connection:
            entries = [("storage", one) for one in storages["storages"]] + [("vm", one) for one in machines["vms"]]
            records = Records(connection, Host(host["uuid"], host["hostname"], None, host["hostname"]))
            records.write([{"kind": kind, "name": one["name"], "storage": None, "asked": None, "found": one} for kind, one in entries])
        ways = [listed({**source, "names": [unique]}) for source in ({"dsn": dsn}, {"uris": ["qemu:///system"]})]
    finally:
        forget_vms(unique)
    assert ways[0].hostvars == ways[1].hostvars and ways[0].groups == ways[1].groups
    assert ways[0].hostvars[unique]["intake_storages"] == [storage.name]
    assert ways[0].hostvars[unique]["intake_labels"] == {"tier": "web"}


def test_a_hypervisor_that_is_away(node, listed):
    uri = node("hv1", {"web1": {}})
    found = listed({"uris": [NOBODY, uri]})
    assert found.hosts == ["web1"]
    assert f"{NOBODY} does not answer" in found.said and "the others are listed" in found.said
    for strict in ({"strict_sources": True}, {"strict": True}):
        refused = listed({"uris": [NOBODY, uri], **strict})
        assert not refused.hosts and "does not answer" in refused.said
    assert listed({"uris": [NOBODY, uri], "strict": True, "strict_sources": False}).hosts == ["web1"]
    assert "Failed to parse" in listed({"uris": [NOBODY]}).said


def test_a_hypervisor_that_is_mute(node, listed, tmp_path):
    """Its connection is a program that says nothing."""
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 8\n")
    mute.chmod(0o755)
    start = time.monotonic()
    found = listed({"uris": [f"qemu+ext:///system?command={mute}", node("hv1", {"web1": {}})], "timeout": 2})
    assert found.hosts == ["web1"] and "does not answer within 2 s" in found.said
    assert time.monotonic() - start < 8


@pytest.mark.parametrize("words", ["host=/no/such password=s3cret", "postgresql://me:s3cret@127.0.0.1:1/x", "postgresql://me:s3cret@[", "password=s3cret x"])
@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_database_that_is_away(listed, words, place):
    found = listed({"dsn": words}) if place == "file" else listed({}, INTAKE_INVENTORY_DSN=words)
    assert not found.hosts and "s3cret" not in found.said
    assert "is not reached" in found.said or "is not a connection string" in found.said


def test_a_database_without_tables(server, listed):
    assert "has no inventory yet" in listed({"dsn": server.dsn()}).said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "give dsn (or INTAKE_INVENTORY_DSN) or uris"),
        ({"dsn": "dbname=x", "uris": ["test:///default"]}, "dsn and uris are both given"),
        ({"uris": ["test:///default"], "prefer": ["10.0.0.0/33"]}, "write networks such as 10.0.0.0/8"),
        ({"uris": ["test:///default"], "variable_prefix": "a-"}, "begins no name of a variable"),
        ({"uris": ["test:///default"], "states": ["on"]}, "states"),
    ],
)
def test_nonsense(listed, config, said):
    found = listed(config, INTAKE_INVENTORY_DSN="")
    assert not found.hosts and said in found.said


def test_the_cache(dsn, server, listed, tmp_path):
    fill(dsn, 1, "hv1", [machine(1, "web1", labels={"evil": EVIL})])
    cached = {"dsn": dsn, "cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = listed(cached)
    server.stop()
    try:
        again = listed(cached)
        assert again.hostvars == first.hostvars and again.groups == first.groups
        assert listed({**cached, "names": ["other"]}).hosts == []  # filters are not cached
        assert "is not reached" in listed({**cached, "dsn": f"{dsn} connect_timeout=3"}).said  # another source has its own
    finally:
        server.start()
    for name in os.listdir(tmp_path / "cache"):
        assert dsn not in (tmp_path / "cache" / name).read_text()


def test_the_cache_keeps_no_halves(node, listed, tmp_path):
    cached = {"uris": [NOBODY, node("hv1", {"web1": {}})], "cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    assert listed(cached).hosts == ["web1"]
    assert not (tmp_path / "cache").exists() or not os.listdir(tmp_path / "cache")


def test_files_of_other_names_are_left_alone(ansible, tmp_path):
    other = tmp_path / "other.yml"
    other.write_text(yaml.safe_dump({"plugin": "intake.vms.intake", "uris": ["test:///default"]}))
    done = ansible("inventory", {"uris": ["test:///default"]}, "-i", str(other), "--list")
    assert "could not be verified by inventory plugin" in " ".join(done.stderr.split())
