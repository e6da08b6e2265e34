# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the inventory: what was made by hand is exported and changes nothing; what differs is found; what exists is adopted."""

from __future__ import annotations

import datetime
import subprocess

import pytest
import yaml
from plays import LOCAL, Plays

DOMAIN = """<domain type='qemu'><name>{name}-xml</name><memory unit='MiB'>96</memory><currentMemory unit='MiB'>64</currentMemory>
<vcpu current='1'>2</vcpu><os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><features><acpi/></features>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='{path}'/><target dev='vdb' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk><controller type='sata'/>
<interface type='user'><mac address='52:54:00:00:00:77'/><model type='e1000'/></interface>
<graphics type='vnc' port='-1' passwd='s3cr3t'/><video><model type='vga'/></video></devices></domain>"""


@pytest.fixture(scope="module")
def play(ansible_environment, server, tmp_path_factory):
    """Playbooks on this host under the name virt-host, recorded."""
    return Plays(tmp_path_factory.mktemp("play"), {**ansible_environment, "INTAKE_INVENTORY_DSN": server.dsn()})


@pytest.fixture(scope="module")
def by_hand(play, prefix, module_folder, forget_vms, forget_pool, connection):
    """Machines of virsh and virt-install, in a pool of virsh."""
    subprocess.run(["virsh", "-q", "pool-create-as", f"{prefix}-hand-pool", "dir", "--target", module_folder], check=True)
    subprocess.run(["truncate", "-s", "3M", f"{module_folder}/disk.raw"], check=True)
    connection.defineXML(DOMAIN.format(name=f"{prefix}-hand", path=f"{module_folder}/disk.raw"))
    argv = ["virt-install", "--connect", "qemu:///system", "--name", f"{prefix}-hand-inst", "--memory", "64", "--import", "--noreboot", "--noautoconsole"]
    argv += ["--disk", f"path={module_folder}/inst.qcow2,size=0.01,bus=virtio", "--network", "none", "--osinfo", "generic", "--virt-type", "qemu"]
    done = subprocess.run([*argv, "--print-xml", "1"], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{module_folder}/inst.qcow2", "10M"], check=True)
    connection.defineXML(done.stdout)
    subprocess.run(["virsh", "-q", "pool-refresh", f"{prefix}-hand-pool"], check=True)
    play.tasks({"intake.vms.intake_inventory": {"state": "present"}})
    yield f"{prefix}-hand"
    forget_vms(f"{prefix}-hand")
    forget_pool(f"{prefix}-hand-pool")


def test_what_was_made_by_hand_is_exported_and_changes_nothing(play, by_hand):
    play("intake.vms.export", "-e", "export_folder=out")
    said = yaml.safe_load((play.folder / "out" / "virt-host.yml").read_text())
    machines = {one["name"]: one for one in said["provision_vms"]}
    assert machines[f"{by_hand}-xml"]["memory"] == "64MiB" and machines[f"{by_hand}-xml"]["maximum_memory"] == "96MiB"
    assert {"name": "vdb", "device": "disk", "storage": f"{by_hand}-pool", "volume": "disk.raw", "bus": "virtio", "cache": "none"}.items() <= next(
        disk for disk in machines[f"{by_hand}-xml"]["disks"] if disk["name"] == "vdb"
    ).items()
    assert "s3cr3t" not in (play.folder / "out" / "virt-host.yml").read_text() and f"{by_hand}-inst" in machines
    assert f"{by_hand}-pool/disk.raw" in [f"{one['storage']}/{one['name']}" for one in said["provision_volumes"]]
    mine = {f"provision_{kind}": [one for one in said[f"provision_{kind}"] if by_hand in one.get("storage", one["name"])] for kind in ("volumes", "vms")}
    mine["provision_storages"] = [{**one, "autostart": False} for one in said["provision_storages"] if by_hand in one["name"]]
    (play.folder / "vars.yml").write_text(yaml.safe_dump(mine))
    (play.folder / "provision.yml").write_text("[{hosts: hypervisors, gather_facts: false, roles: [intake.vms.provision]}]")
    done = play(play.folder / "provision.yml", "-e", "@vars.yml", "--diff")
    # a pool of pool-create is transient, and a storage is kept: nothing else changes
    assert "changed=1" in done and "persistent" in done, done
    assert "changed=0" in play(play.folder / "provision.yml", "-e", "@vars.yml", "--diff")


def drifted(play, by_hand, *words):
    """The lines of the table about the machines made by hand."""
    return [" ".join(line.split()) for line in play("intake.vms.drift", *words, code=None).splitlines() if f"{by_hand}-" in line]


def test_drift_is_shown_until_it_is_taken_in(play, by_hand):
    play.tasks({"intake.vms.intake_inventory": {"state": "synced"}})
    assert drifted(play, by_hand) == []
    subprocess.run(["virsh", "-q", "setmem", f"{by_hand}-xml", "32M", "--config"], check=True)
    (line,) = drifted(play, by_hand)
    assert f"vm {by_hand}-xml changed memory" in line and "67108864 33554432" in line
    assert drifted(play, by_hand, "-e", '{"drift_ignore": ["memory"]}') == []
    subprocess.run(["virsh", "-q", "setmem", f"{by_hand}-xml", "64M", "--config"], check=True)
    assert drifted(play, by_hand) == []


def test_drift_fails_with_a_summary(play, by_hand):
    subprocess.run(["virsh", "-q", "setmem", f"{by_hand}-xml", "32M", "--config"], check=True)
    said = play("intake.vms.drift", code=2)
    subprocess.run(["virsh", "-q", "setmem", f"{by_hand}-xml", "64M", "--config"], check=True)
    assert "Of 1 hypervisors, these differ from the inventory: virt-host" in said


def test_drift_names_a_hypervisor_that_is_away(play, by_hand):
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    said = play("intake.vms.drift", code=2, hosts=play.hosts("away.yml", {"away": away, "virt-host": LOCAL}), ANSIBLE_STRATEGY="free")
    assert "Of 2 hypervisors, " in said and "these could not be compared: away" in said
    assert "these could not be compared: away" in play("intake.vms.drift", "--limit", "away", code=2, hosts="away.yml")


def test_drift_reads_no_other_variables_of_the_hosts(play, by_hand):
    others = {"expires": datetime.date(2026, 1, 31), "secret": "{{ lookup('ansible.builtin.file', '/nowhere/secret') }}"}
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts = play.hosts("dates.yml", {"away": {**away, **others}, "virt-host": {**LOCAL, **others}})
    assert 'these could not be compared: away"' in play("intake.vms.drift", "-e", "drift_ignore_unseen=true", code=2, hosts=hosts)


def test_drift_fails_where_nothing_can_be_said(play, by_hand, connection, request, forget_pool):
    request.addfinalizer(lambda: forget_pool(f"{by_hand}-off"))
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{by_hand}-off</name><target><path>/var/tmp/{by_hand}-off</path></target></pool>")
    hidden = "these have storages that could not be looked into, which drift_ignore_unseen=true lets pass: virt-host"
    assert hidden in play("intake.vms.drift", code=2)
    assert hidden not in play("intake.vms.drift", "-e", "drift_ignore_unseen=true", code=None)


@pytest.mark.parametrize("playbook", ["drift", "export", "report"])
@pytest.mark.parametrize("words", [["-e", "target=nobody"], ["--limit", "other"], ["-e", "target=hypervisors:!virt-host"]])
def test_no_hypervisor_is_a_failure(play, playbook, words):
    play.hosts("more.yml", {"other": LOCAL}, group="others")
    said = play(f"intake.vms.{playbook}", "-i", str(play.folder / "more.yml"), *words, code=2)
    assert "No host of the inventory, and of --limit, matches" in said


def test_a_hypervisor_without_a_uuid_is_not_recorded(play, by_hand):
    nameless = {"intake.vms.intake_inventory": {"state": "synced", "uri": "test:///default"}}
    assert "has no UUID by which the inventory could know it" in play.tasks(nameless, code=2)


def test_adopted_is_what_it_is_now(play, by_hand, server):
    refused = play.tasks({"intake.vms.intake_vm": {"name": f"{by_hand}-none", "adopt": True, "memory": "64MiB"}}, code=2)
    assert "does not exist, so it cannot be adopted" in refused
    names = [f"{by_hand}-xml", f"{by_hand}-inst"]
    adopt = {"intake.vms.intake_vm": {"vms": [{"name": name, "adopt": True} for name in names], "description": "kept by us"}}
    assert "changed=1" in play.tasks(adopt) and "changed=0" in play.tasks(adopt)
    asked = server.sql(f"SELECT asked ->> 'memory', asked ->> 'description' FROM intake.vms WHERE name = '{by_hand}-xml'", f"inventory{server.made}")
    assert asked == ["64MiB|kept by us"]
    subprocess.run(["virsh", "-q", "setmem", f"{by_hand}-xml", "32M", "--config"], check=True)
    assert "changed memory 64MiB 67108864 33554432" in drifted(play, by_hand)[0]
