# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A power cut that the NFS server outlasts: the hypervisor is there at once, its storages and machines as soon as the server is."""

from __future__ import annotations

import pytest
from halting import kernel

LATE, HERE = "/var/lib/intake/storages/late", "/var/lib/intake/storages/here"
ROLE = {"ansible.builtin.include_role": {"name": "intake.vms.hypervisor", "tasks_from": "boot"}}  # test_lab.py has all of it
DROP = "nft -f - <<<'table inet boot { chain input { type filter hook input priority 0; tcp dport 2049 drop; }; }'"
SERVER = {  # how it goes away, and how it comes back
    "refuses": ("systemctl stop nfs-server", "systemctl start nfs-server"),
    "is silent": (f'bash -c "{DROP}"', "nft delete table inet boot"),
}
NAMES = ("late", "here")


def machine(name, folder, **more):
    """A guest that starts with its host."""
    return {"intake.vms.intake_vm": {"name": name, "state": "running", "autostart": True, "kernel": f"{folder}/vmlinuz", "initrd": f"{folder}/initrd", **more}}


@pytest.fixture(scope="module")
def provision(lab):
    """provision(): the role, a storage on lab1, one on lab2 itself, a machine on each; the results. All of it gone afterwards."""
    words = {"memory": "64MiB", "cmdline": "quiet"}
    disks = [{"name": "root", "storage": "late", "volume": "late.qcow2", "size": "64MiB"}]
    storages = [
        {"intake.vms.intake_storage": {"name": "late", "type": "nfs", "server": "lab1", "export": "/srv/vms", "timeout": 60}},
        {"intake.vms.intake_storage": {"name": "here", "path": HERE}},
    ]
    lab.put("lab2", kernel(), "/root/vmlinuz")
    files = [{"ansible.builtin.shell": f"for to in {HERE} {LATE}; do cp /root/vmlinuz $to; cp /root/vmlinuz $to/initrd; done", "changed_when": False}]
    yield lambda: lab.tasks([ROLE, *storages, *files, machine("late", LATE, disks=disks, **words), machine("here", HERE, **words)], "lab2")["lab2"]
    off = {"ansible.builtin.include_role": {**ROLE["ansible.builtin.include_role"], "tasks_from": "no_boot"}}
    gone = [{"intake.vms.intake_vm": {"name": name, "state": "absent", "force_stop": True, "stop_timeout": 1}} for name in NAMES]
    lab.tasks([off, *gone, *({"intake.vms.intake_storage": {"name": name, "state": "absent"}} for name in NAMES)], "lab2")
    lab.run("lab1", "find /srv/vms -mindepth 1 -delete")
    assert "intake-vms" not in lab.run("lab2", "ls /etc/systemd/system /etc/systemd/system/*.wants /usr/local/lib").stdout


@pytest.fixture(scope="module")
def prepared(lab, provision):
    """Everything was made."""
    made = provision()
    assert not any(result.get("failed") for result in made), made
    lab.run("lab2", ["sync"])


def below_the_mount(lab):
    """What is in the mount point itself, under whatever is mounted on it."""
    return lab.run("lab2", f"mount --bind / /mnt; find /mnt{LATE} -mindepth 1; umount /mnt").stdout


def until(lab, condition, seconds):
    """Wait on lab2 for a condition of the shell."""
    lab.until("lab2", condition, seconds, "journalctl -b -u 'intake-vms-boot*' -u libvirtd")


@pytest.mark.parametrize("way", [pytest.param("refuses"), pytest.param("is silent", marks=pytest.mark.core)])
def test_storages_and_machines_come_when_the_server_does(lab, prepared, way):
    leave, come = SERVER[way]
    lab.run("lab1", leave)
    try:
        lab.tool("reset", "--power-cut", "--wait", "lab2")
        until(lab, "timeout 10 virsh -q list --name --state-running | grep -x here", 90)  # it needs nobody else
        until(lab, "grep -q late /run/intake-vms-boot/waiting.json", 60)
        lab.run("lab2", ["virsh", "destroy", "here"])
        assert below_the_mount(lab) == ""
        assert "mount.nfs" not in lab.run("lab2", "journalctl -b -u libvirtd").stdout  # libvirt did not wait for the server
    finally:
        lab.run("lab1", come)
    until(lab, "timeout 10 virsh -q list --name --state-running | grep -x late", 180)
    until(lab, "! systemctl is-active -q intake-vms-boot", 60)
    assert "vers=4.2" in lab.run("lab2", ["findmnt", "-n", "-o", "OPTIONS", LATE]).stdout
    assert below_the_mount(lab) == ""
    assert lab.run("lab2", "virsh domstate here").stdout.strip() == "shut off"  # whoever stopped it meant it
    lab.run("lab2", "virsh start here; sync")


def test_a_machine_that_another_host_took_over_stays_off(lab, prepared):
    """libvirt itself knows nothing of leases, and storage and volume are there in time."""
    lease = f"{LATE}/.intake/leases/late.qcow2.json"
    lab.run("lab2", f"cp {lease} /root/lease && sed -i 's/lab2/lab9/; s/\"host\": \"/\"host\": \"0/' {lease} && sync")
    try:
        lab.tool("reset", "--power-cut", "--wait", "lab2")
        until(lab, "timeout 10 virsh -q list --name --state-running | grep -x here", 120)
        until(lab, "! systemctl is-active -q intake-vms-boot", 60)
        assert lab.run("lab2", "virsh domstate late").stdout.strip() == "shut off"
        assert "belongs to vm late on host lab9" in lab.run("lab2", "journalctl -b -u intake-vms-boot").stdout
    finally:
        lab.run("lab2", f"cp /root/lease {lease}; rm /root/lease; virsh start late; sync")


@pytest.mark.core
def test_a_second_run_changes_nothing(provision, prepared):
    again = provision()
    assert not any(result.get("changed") or result.get("failed") for result in again), again
