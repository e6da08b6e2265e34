# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes when a machine goes: itself with all that has no use without it, and of its disks those that were named."""

from __future__ import annotations

import os
import subprocess

import pytest


@pytest.fixture
def name(unique, forget_vms, storage):
    """Begins the names of machines that are gone before the storage is."""
    yield unique
    forget_vms(unique)


def disks(storage, *names, **more):
    """New empty disks."""
    return [{"name": name, "size": "1MiB", "storage": storage.name, **more} for name in names]


def files(storage):
    """The volumes in the storage."""
    return sorted(entry for entry in os.listdir(storage.path) if not entry.startswith("."))


def defined(connection):
    return [domain.name() for domain in connection.listAllDomains(0)]


def test_disks_stay_unless_they_are_named(name, storage, ensure, connection, tiny_guest):
    order = {"name": name, "disks": disks(storage, "root", "data", "log"), **tiny_guest.options}
    kept = [f"{name}-{disk}.qcow2" for disk in ("data", "log", "root")]
    ensure("intake_vm", **order)
    done = ensure("intake_vm", name=name, state="absent")
    assert done["vm"] is None and name not in defined(connection) and files(storage) == kept
    assert [(step["verb"], step["risk"]) for step in done["resources"][0]["steps"]] == [("undefine", "destructive")]
    ensure("intake_vm", **order)  # takes them up again
    done = ensure("intake_vm", name=name, state="absent", remove_disks=["log"])
    assert [step["name"] for step in done["resources"][0]["steps"]] == ["disks.log.volume", "definition"]
    assert done["resources"][0]["steps"][0]["risk"] == "destructive" and files(storage) == [kept[0], kept[2]]
    ensure("intake_vm", **order)
    ensure("intake_vm", name=name, state="absent", remove_disks=["all"])
    assert files(storage) == []
    ensure("intake_vm", changed=False, name=name, state="absent", remove_disks=["all"])


def test_a_disk_that_it_does_not_have_is_refused(name, storage, ensure, refuse, connection, tiny_guest):
    ensure("intake_vm", name=name, disks=disks(storage, "root"), **tiny_guest.options)
    sentence = refuse("intake_vm", "disk_not_found", name=name, state="absent", remove_disks=["root", "dta"])
    assert "has no disk dta" in sentence and "there are: root" in sentence
    assert name in defined(connection) and files(storage) == [f"{name}-root.qcow2"]


def test_what_others_use_is_never_deleted(name, storage, ensure, refuse, run_module, connection, tiny_guest):
    """A medium, a shareable disk, a disk of two machines, and the backing file of a third."""
    subprocess.run(["xorrisofs", "-quiet", "-o", f"{storage.path}/live.iso", __file__], check=True, capture_output=True)
    cdrom = {"name": "cd", "device": "cdrom", "volume": "live.iso", "storage": storage.name}
    cluster = disks(storage, "cluster", shareable=True, cache="none", format="raw")
    mine = [*disks(storage, "base", "root"), *cluster, cdrom]
    ensure("intake_vm", name=name, disks=mine, **tiny_guest.options)
    base = f"{storage.path}/{name}-base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", f"{storage.path}/{name}-top.qcow2"], check=True)
    for disk, why in (("cd", "a medium that others may use"), ("cluster", "shareable"), ("base", f"{name}-top.qcow2")):
        sentence = refuse("intake_vm", "disk_kept", name=name, state="absent", remove_disks=["root", disk])
        assert sentence.startswith(f"vm {name}: disk {disk} is not deleted:") and why in sentence
    assert f"{name}-root.qcow2" in files(storage) and name in defined(connection)
    ensure("intake_vm", name=name, state="absent", remove_disks=["all"])
    assert files(storage) == sorted(["live.iso", f"{name}-base.qcow2", f"{name}-cluster.raw", f"{name}-top.qcow2"])


def test_a_disk_of_another_machine_is_kept(name, storage, ensure, refuse, connection, tiny_guest):
    ensure("intake_vm", name=name, disks=disks(storage, "root"), **tiny_guest.options)
    source = f"<source file='{storage.path}/{name}-root.qcow2'/>"
    devices = f"<devices><disk type='file' device='disk'>{source}<target dev='vda' bus='virtio'/></disk></devices>"
    connection.defineXML(f"<domain type='qemu'><name>{name}-other</name><memory>1024</memory><os><type>hvm</type></os>{devices}</domain>")
    assert f"is used by vm {name}-other" in refuse("intake_vm", "disk_kept", name=name, state="absent", remove_disks=["root"])
    done = ensure("intake_vm", name=name, state="absent", remove_disks=["all"])
    assert f"is used by vm {name}-other" in str(done["warnings"])
    assert files(storage) == [f"{name}-root.qcow2"] and f"{name}-other" in defined(connection)


def test_firmware_and_tpm_state_go_with_it(name, ensure, connection, tiny_guest):
    more = {"firmware": "uefi", "tpm": True}
    ensure("intake_vm", name=name, state="running", **more, **tiny_guest.options)
    domain = connection.lookupByName(name)
    variables = domain.XMLDesc().partition("<nvram")[2].partition(">")[2].partition("</nvram>")[0]
    state = f"/var/lib/libvirt/swtpm/{domain.UUIDString()}"
    assert os.path.exists(variables) and os.path.exists(state)
    ensure("intake_vm", name=name, state="absent", stop_timeout=1, force_stop=True)  # the firmware alone obeys nobody
    assert name not in defined(connection) and not os.path.exists(variables) and not os.path.exists(state)


def test_saved_state_and_snapshots_go_with_it(name, storage, ensure, refuse, connection, tiny_guest):
    ensure("intake_vm", name=name, state="running", wait_for="running", disks=disks(storage, "root"), **tiny_guest.options)
    domain = connection.lookupByName(name)
    domain.snapshotCreateXML("<domainsnapshot><name>before</name></domainsnapshot>")
    domain.managedSave(0)
    assert domain.hasManagedSaveImage() and domain.snapshotNum() == 1
    assert "has snapshots" in refuse("intake_vm", "disk_kept", name=name, state="absent", remove_disks=["root"])
    ensure("intake_vm", name=name, state="absent")
    assert name not in defined(connection) and not os.path.exists(f"/var/lib/libvirt/qemu/save/{name}.save")
    assert not os.path.exists(f"/var/lib/libvirt/qemu/snapshot/{name}/before.xml") and files(storage) == [f"{name}-root.qcow2"]


def test_a_running_machine_is_shut_down_before_its_disks_go(name, storage, ensure, connection, tiny_guest):
    ensure("intake_vm", name=name, state="running", wait_for="agent", disks=disks(storage, "root"), **tiny_guest.options)
    done = ensure("intake_vm", name=name, state="absent", remove_disks=["root"])
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["stop", "delete", "undefine"]
    assert name not in defined(connection) and files(storage) == []


def test_a_guest_that_refuses_keeps_everything(name, storage, run_tasks, connection, tiny_guest):
    new = {"name": name, "state": "running", "wait_for": "agent", "disks": disks(storage, "root"), **tiny_guest.saying("deaf")}
    gone = {"name": name, "state": "absent", "remove_disks": ["root"], "stop_timeout": 1}
    _made, kept, done = run_tasks(*[("intake_vm", order, False) for order in (new, gone, {**gone, "force_stop": True})])
    assert kept["reason"] == "stop_timeout" and not kept["changed"] and kept["vm"]["state"] == "running"
    assert done["changed"] and not done.get("failed") and files(storage) == [] and name not in defined(connection)


def test_many_are_removed_and_those_that_are_gone_are_no_error(name, storage, ensure, connection, tiny_guest):
    vms = [{"name": f"{name}-{number}"} for number in range(4)]
    ensure("intake_vm", vms=vms[:3], disks=disks(storage, "root"), **tiny_guest.options)
    done = ensure("intake_vm", vms=vms, state="absent", remove_disks=["root"])
    assert [entry["changed"] for entry in done["resources"]] == [True, True, True, False] and files(storage) == []
