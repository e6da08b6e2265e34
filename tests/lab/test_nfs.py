# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages on an NFS server, shared by two hypervisors: one storage, one writer for each volume, and a server that goes away."""

from __future__ import annotations

import time

import pytest

STORAGE, LOCAL = "intake.vms.intake_storage", "/var/lib/intake/lab-local"
SHARED = {"name": "shared", "server": "lab1", "export": "/srv/vms", "timeout": 60}  # emulated hosts are slow
BOTH = "lab1,lab2"
ANSWERS = "timeout 2 stat -f /var/lib/intake/storages/shared >/dev/null"


def task(module, check=False, **options):
    """A task whose failure does not end the play."""
    return {f"intake.vms.{module}": options, "check_mode": check, "ignore_errors": True}


def thrice(lab, pattern, module, **options):
    """The same as a check, for real and again: predicted on every host, and unchanged the second time. {host: the real result}."""
    found = lab.tasks([task(module, True, **options), task(module, **options), task(module, **options)], pattern)
    for predicted, done, again in found.values():
        assert not done.get("failed"), done["msg"]
        assert predicted["changed"] and done["changed"], (predicted, done)
        assert [one["steps"] for one in predicted["resources"]] == [one["steps"] for one in done["resources"]]
        assert not again["changed"], again
    return {host: results[1] for host, results in found.items()}


@pytest.fixture(scope="module")
def shared(lab):
    """The storage `shared` on both hosts; gone afterwards, its files too."""
    try:
        yield thrice(lab, BOTH, "intake_storage", **SHARED, labels={"tier": "nfs"})
    finally:
        lab.run("lab1", "find /srv/vms -mindepth 1 -delete")
        gone = lab.tasks([task("intake_storage", name="shared", state="absent")] * 2, BOTH)
    for results in gone.values():
        assert not results[0].get("failed"), results[0]["msg"]
        assert not results[1]["changed"]


@pytest.mark.core
def test_one_export_is_one_storage_of_many_hosts(lab, shared):
    for host, done in shared.items():
        storage = done["storage"]
        assert (storage["type"], storage["version"], storage["health"]["status"]) == ("nfs", "4.2", "ok")
        assert "vers=4.2" in storage["mounted"]["options"] and "hard" in storage["mounted"]["options"]
        assert storage["labels"] == {"tier": "nfs"}, host
        assert "<protocol ver='4.2'/>" in lab.run(host, ["virsh", "pool-dumpxml", "shared"]).stdout


@pytest.mark.core
def test_over_ssh_a_user_who_becomes_root_finds_it_as_it_is(lab, shared):
    """The whole way of Ansible, without forks that wait there."""
    for done, seen in lab.tasks([task("intake_storage", **SHARED), task("intake_storage_info", names=["shared"])], BOTH, user="ops").values():
        assert not done.get("failed") and not done["changed"], done
        assert [(one["name"], one["health"]["status"]) for one in seen["storages"]] == [("shared", "ok")]


@pytest.mark.parametrize("version", ["3", "4.1"])
def test_another_version_is_mounted_anew_when_nothing_is_open(lab, shared, version):
    done = thrice(lab, "lab2", "intake_storage", **SHARED, version=version)["lab2"]
    assert f"vers={version}" in done["storage"]["mounted"]["options"]
    thrice(lab, "lab2", "intake_storage", **SHARED, version="4.2")


def test_options_wait_while_something_is_open(lab, shared):
    holder = lab.run("lab2", "cd /var/lib/intake/storages/shared; nohup sleep 600 >/dev/null 2>&1 & echo $!").stdout.strip()
    try:
        options = {**SHARED, "mount_options": ["hard", "noatime"]}
        first, again = lab.tasks([task("intake_storage", **options)] * 2, "lab2")["lab2"]
        for result in (first, again):
            assert [one["name"] for one in result["resources"][0]["pending"]] == ["mount_options"], result
        assert first["changed"] and not again["changed"]
    finally:
        lab.run("lab2", ["kill", holder])
    healed, again = lab.tasks([task("intake_storage", **options)] * 2, "lab2")["lab2"]
    assert healed["changed"] and not healed["resources"][0]["pending"] and "noatime" in healed["storage"]["mounted"]["options"]
    assert not again["changed"]


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"server": "nowhere.invalid"}, "name_not_found", "cannot be resolved"),
        ({"server": "127.0.0.9"}, "server_down", "does not answer on port 2049"),
        ({"export": "/srv/none"}, None, "/srv/none"),
        ({"export": "/srv/squashed"}, "no_guest_access", "root_squash"),
        ({"mount_options": ["soft"]}, "dangerous_option", "I/O errors"),
        ({"mount_options": ["nolock"]}, "dangerous_option", "other hosts"),
    ],
)
def test_what_is_wrong_is_said_layer_by_layer_and_nothing_is_left(lab, options, reason, words):
    asked = {**SHARED, "name": "wrong", **options}
    result = lab.tasks([task("intake_storage", **asked)], "lab2")["lab2"][0]
    assert result.get("failed") and words in result["msg"], result
    assert reason in (None, result["reason"])
    assert "wrong" not in lab.run("lab2", "virsh pool-list --all --name; cat /proc/mounts; ls /var/lib/intake/storages 2>/dev/null; true").stdout


def test_a_volume_is_the_same_on_every_host_and_has_one_writer(lab, shared):
    thrice(lab, "lab1", "intake_volume", name="disk.qcow2", storage="shared", size="64MiB", description="of lab1")
    seen = lab.tasks([task("intake_volume_info", storage="shared")], "lab2")["lab2"][0]["volumes"]
    assert [(one["name"], one["size"], one["description"]) for one in seen] == [("disk.qcow2", 64 << 20, "of lab1")]

    machine = {"name": "writer", "memory": "64MiB", "disks": [{"name": "root", "storage": "shared", "volume": "disk.qcow2"}]}
    thrice(lab, "lab1", "intake_vm", **machine)
    refused, used, shared_on_purpose = lab.tasks(
        [
            task("intake_vm", **machine),
            task("intake_volume", name="disk.qcow2", storage="shared", state="absent"),
            task("intake_storage", name="shared", state="empty", confirm="shared"),
        ],
        "lab2",
    )["lab2"]
    assert refused["reason"] == "volume_leased" and "vm writer on host lab1" in refused["msg"]
    assert used["reason"] == "volume_in_use" and "lab1" in used["msg"]
    assert shared_on_purpose["reason"] == "storage_in_use"

    thrice(lab, "lab1", "intake_vm", name="writer", state="running")
    taken = lab.tasks([task("intake_vm", **machine, takeover=True)], "lab2")["lab2"][0]
    assert taken["reason"] == "volume_in_use", taken
    lab.tasks([task("intake_vm", name="writer", state="absent", stop_timeout=1, force_stop=True)], "lab1")
    thrice(lab, "lab2", "intake_vm", **machine)
    thrice(lab, "lab2", "intake_vm", name="writer", state="absent", remove_disks=["root"])


@pytest.mark.core
def test_a_server_that_is_gone_hangs_nothing_and_heals(lab, shared):
    lab.tasks([task("intake_storage", name="local", path=LOCAL)], "lab2")
    lab.run("lab1", ["systemctl", "stop", "nfs-server"])
    try:
        begun = time.monotonic()
        asked, volume, changed = lab.tasks(
            [
                task("intake_storage_info", names=["shared", "local"], timeout=5),
                task("intake_volume", name="x.qcow2", storage="shared", size="1MiB"),
                task("intake_storage", **{**SHARED, "timeout": 5}),
            ],
            "lab2",
        )["lab2"]
        assert time.monotonic() - begun < 120  # the three of them, on a slow machine: a hung call would never end
        assert {one["name"]: one["health"]["status"] for one in asked["storages"]} == {"shared": "degraded", "local": "ok"}
        assert volume["reason"] == "storage_hangs" and changed["reason"] == "storage_hangs"
        assert "does not answer" in volume["msg"]
    finally:
        lab.run("lab1", ["systemctl", "start", "nfs-server"])
    lab.until("lab2", ANSWERS, 240)
    healed = lab.tasks([task("intake_storage_info", names=["shared"]), task("intake_storage", **SHARED)], "lab2")["lab2"]
    assert healed[0]["storages"][0]["health"]["status"] == "ok" and not healed[1].get("failed")


def test_a_full_clone_is_made_by_the_server(lab, shared):
    """Content goes over the network neither way; an XFS server shares the blocks, any other that has NFS 4.2 copies on its own."""
    moved = "awk '/^device/ { ours = / \\/var\\/lib\\/intake\\/storages\\/shared / } ours && /bytes:/ { print $6, $7 }' /proc/self/mountstats"
    lab.run("lab2", "head -c 32M /dev/urandom >/var/lib/intake/storages/shared/noise.raw; sync /var/lib/intake/storages/shared/noise.raw")
    before = lab.run("lab2", moved).stdout.split()
    clone = {"name": "clone.raw", "storage": "shared", "source_volume": "noise.raw", "format": "raw"}
    thrice(lab, "lab2", "intake_volume", **clone)
    after = lab.run("lab2", moved).stdout.split()
    read, written = (int(new) - int(old) for old, new in zip(before, after))
    assert read < 4 << 20 and written < 1 << 20, (read, written)  # the kernel reads ahead of looks at the first bytes
    lab.run("lab1", ["cmp", "/srv/vms/noise.raw", "/srv/vms/clone.raw"])
    lab.run("lab1", "rm /srv/vms/noise.raw")
    thrice(lab, "lab2", "intake_volume", name="clone.raw", storage="shared", state="absent")


DROP = """nft add table inet cut
nft add chain inet cut from_clients '{ type filter hook input priority 0; }'
nft add rule inet cut from_clients tcp dport 2049 drop"""


def test_dropped_packets_under_a_running_machine_hang_nothing_else(lab, shared):
    disk = {"name": "root", "storage": "shared", "volume": "cut.qcow2"}
    machine = {"name": "cut", "state": "running", "memory": "64MiB", "disks": [{**disk, "size": "64MiB"}]}
    thrice(lab, "lab2", "intake_vm", **machine)
    lab.run("lab1", DROP)
    try:
        begun = time.monotonic()
        storages, machines, other, refused = lab.tasks(
            [
                task("intake_storage_info", timeout=5),
                task("intake_vm_info"),
                task("intake_vm", name="beside", state="running", memory="64MiB"),
                task("intake_vm", name="late", memory="64MiB", disks=[{**disk, "volume": "late.qcow2", "size": "1MiB"}]),
            ],
            "lab2",
        )["lab2"]
        assert time.monotonic() - begun < 240  # of a slow machine; a call that hangs would never end
        assert {one["name"]: one["health"]["status"] for one in storages["storages"]}["shared"] == "degraded"
        assert {one["name"]: one["state"] for one in machines["vms"]}["cut"] == "running"
        assert not other.get("failed"), other["msg"]
        assert refused["reason"] == "storage_hangs" and not refused["changed"]
        assert "cut" in lab.run("lab2", ["timeout", "20", "virsh", "list", "--name"]).stdout
    finally:
        lab.run("lab1", ["nft", "delete", "table", "inet", "cut"])
    lab.until("lab2", ANSWERS, 240)
    gone = {"state": "absent", "stop_timeout": 1, "force_stop": True}
    healed, again, *_gone = lab.tasks(
        [
            task("intake_storage", **SHARED),
            task("intake_vm", **machine),
            task("intake_vm", name="cut", remove_disks=["root"], **gone),
            task("intake_vm", name="beside", **gone),
        ],
        "lab2",
    )["lab2"]
    assert healed["storage"]["health"]["status"] == "ok"
    assert not again.get("failed") and not again["changed"], again
    assert all(result["changed"] for result in _gone), _gone


def test_a_lost_mount_is_mounted_again(lab, shared):
    lab.run("lab2", ["umount", "/var/lib/intake/storages/shared"])
    assert lab.tasks([task("intake_storage_info", names=["shared"])], "lab2")["lab2"][0]["storages"][0]["health"]["status"] == "degraded"
    thrice(lab, "lab2", "intake_storage", **SHARED)
