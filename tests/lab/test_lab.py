# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the lab are what the other tests take them for: hypervisors with KVM, reached by SSH, sharing NFS."""

from __future__ import annotations

import hypervisors
import near
import pytest
from results import results

HOSTS = ["lab1", "lab2"]
GUEST = """
set -e
head -c 0 /dev/kvm
cat >/run/probe.xml <<X
<domain type='kvm'><name>lab-probe</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><cpu mode='host-passthrough'/></domain>
X
virsh -q create /run/probe.xml
virsh -q domstate lab-probe
virsh -q qemu-monitor-command lab-probe --hmp 'info kvm'
virsh -q destroy lab-probe
virsh -q list --all --name
"""
MOUNT = """
set -e
mkdir -p /mnt/lab-probe
mount -t nfs -o vers=$1 $2 /mnt/lab-probe
trap 'umount /mnt/lab-probe; rmdir /mnt/lab-probe' EXIT
grep -o ' vers=[^,]*\\|,vers=[^,]*' /proc/mounts
echo $1 >/mnt/lab-probe/probe
stat -c %U /mnt/lab-probe/probe
"""


@pytest.mark.parametrize("user", ["root", "ops"])
def test_ansible_reaches_both_hosts_and_is_root_there(lab, user):
    found = lab.tasks([{"ping": {}}, {"command": {"argv": ["id", "-u"]}}], "hypervisors", user=user)
    assert sorted(found) == HOSTS
    for told in found.values():
        assert [result.get("ping") or result.get("stdout") for result in told] == ["pong", "0"], told


def test_forks_run_no_code_that_has_changed_since_it_was_brought(lab, monkeypatch):
    path = near.socket_of(hypervisors.host_named(lab.folder, "lab2"))
    assert near.ask(path, None, b"print(1 + 1)") == (0, b"2\n", b"")
    monkeypatch.setattr(near, "digest", lambda: "of other code")
    code, output, errors = near.ask(path, None, b"print(1 + 1)")
    assert (code, output) == (1, b"") and b"again: lab.py forks" in errors


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_has_started_completely(lab, host):
    assert lab.run(host, "systemctl is-system-running; systemctl --failed --plain --no-legend", check=False).stdout == "running\n"
    assert lab.run(host, ["hostname"]).stdout.strip() == host


@pytest.mark.parametrize("user", ["root", "ops"])
def test_libvirt_answers(lab, user):
    for host in HOSTS:
        assert "Running hypervisor: QEMU" in lab.run(host, ["virsh", "--connect", "qemu:///system", "version"], user=user).stdout


@pytest.mark.parametrize("host", HOSTS)
def test_a_guest_runs_on_kvm(lab, host):
    lines = lab.run(host, GUEST).stdout.split("\n")
    assert lines[0] == "running"
    assert "kvm support: enabled" in [line.strip() for line in lines]
    assert "lab-probe" not in lines


@pytest.mark.parametrize(
    "version, server", [("4.2", "10.77.0.1"), ("4.2", "[fd77::1]"), ("4.2", "lab1"), ("4.1", "lab1"), ("3", "10.77.0.1"), ("3", "[fd77::1]")]
)
def test_the_second_host_mounts_what_the_first_exports(lab, version, server):
    script = f"set -- {version} {server}:/srv/vms\n{MOUNT}"
    options, owner = lab.run("lab2", script).stdout.split()
    assert options.strip(", ") == f"vers={version}"
    assert owner == "root"
    assert lab.run("lab1", "cat /srv/vms/probe; rm /srv/vms/probe").stdout.strip() == version


@pytest.mark.parametrize("version", ["4.2", "3"])
def test_root_is_nobody_in_the_squashed_export(lab, version):
    script = f"set -- {version} lab1:/srv/squashed\n{MOUNT}"
    assert lab.run("lab2", script).stdout.split()[-1] == "nobody"
    lab.run("lab1", ["rm", "/srv/squashed/probe"])


def test_the_hosts_trust_each_other(lab):
    """As live migration over qemu+ssh needs."""
    for host, other in (HOSTS, HOSTS[::-1]):
        assert lab.run(host, ["virsh", "--connect", f"qemu+ssh://{other}/system", "hostname"]).stdout.strip() == other


def test_the_role_hypervisor_has_nothing_to_do(lab, tmp_path):
    play = tmp_path / "play.yml"
    options = "{hypervisor_directories: [], hypervisor_recover_at_boot: false}"  # test_boot.py has its units
    play.write_text(f"[{{hosts: hypervisors, roles: [{{role: intake.vms.hypervisor, vars: {options}}}]}}]", encoding="utf-8")
    done = lab.playbook(play, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    told = results(done.stdout)
    assert {host for host, _result in told} == set(HOSTS)
    assert [result for _host, result in told if result.get("changed")] == []


def test_a_host_comes_back_after_a_power_cut_with_what_it_had_flushed(lab):
    lab.run("lab2", "echo kept >/root/kept; sync; echo boot >/run/boot")
    lab.tool("cut", "lab2")
    assert "lab2  off" in lab.tool("list")
    lab.tool("start", "--wait", "lab2")
    assert lab.run("lab2", "cat /root/kept; test ! -e /run/boot; systemctl is-system-running").stdout.split() == ["kept", "running"]
    assert lab.ansible("ping", "lab2")["lab2"]["ping"] == "pong"


def test_a_frozen_server_goes_on_when_thawed(lab):
    lab.tool("freeze", "lab1")
    try:
        assert lab.run("lab2", ["ping", "-c", "1", "-W", "3", "10.77.0.1"], check=False).returncode == 1
    finally:
        lab.tool("thaw", "lab1")
    assert lab.run("lab2", ["ping", "-c", "1", "-W", "20", "10.77.0.1"]).returncode == 0
