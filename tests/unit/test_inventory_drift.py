# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift field by field, and what there is as options: pure functions."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.intake.vms.plugins.filter.options import options
from ansible_collections.intake.vms.plugins.plugin_utils.compare import drift
from ansible_collections.intake.vms.plugins.plugin_utils.kinds import KINDS

DISK = {"device": "disk", "path": "/s/web1.qcow2", "bus": "virtio", "cache": None, "target": "vda", "format": "qcow2", "iops": 200}
VM = {"name": "web1", "uuid": "1", "state": "running", "memory": 2 << 30, "maximum_memory": (2 << 30) + 1, "cpus": 2, "labels": {}, "tpm": False}
ASKED = {"name": "web1", "memory": "2GiB", "disks": [{"name": "root", "bus": "virtio"}, {"name": "data", "cache": "none"}]}
STORAGE = {"name": "fast", "type": "localfs", "path": "/s", "device": None, "fs": None, "labels": {"tier": "ssd"}, "mount_options": [], "autostart": True}


def row(**more):
    return {"kind": "vm", "storage": None, "name": "web1", "asked": ASKED, "recorded": {**VM, "disks": {"root": DISK}}, "recorded_at": "then", **more}


def entry(found, kind="vm", storage=None):
    return {"kind": kind, "storage": storage, "name": found["name"], "found": found}


def test_nothing_differs_though_what_passes_does():
    assert drift.compare([row()], [entry({**VM, "disks": {"root": DISK}, "address": "10.0.0.1", "pending": [1], "reason": "booted"})]) == []


def test_fields_are_named_with_what_was_asked_recorded_and_found():
    found = {**VM, "memory": 1 << 30, "disks": {"root": {**DISK, "bus": "scsi"}, "data": DISK}}
    said = {one["field"]: (one["asked"], one["recorded"], one["found"]) for one in drift.compare([row()], [entry(found)])}
    assert said["memory"] == ("2GiB", 2 << 30, 1 << 30) and said["disks.root.bus"] == ("virtio", "virtio", "scsi")
    assert said["disks.data.bus"] == (None, None, "virtio") and said["disks.data.iops"] == (None, None, 200)
    assert {one["since"] for one in drift.compare([row()], [entry(found)])} == {"then"}


def test_what_is_missing_and_what_nobody_recorded():
    volume = {"name": "v", "storage": "fast"}
    found = drift.compare([row(), row(name="gone", asked=None)], [entry({**VM, "disks": {"root": DISK}}), entry(volume, "volume", "fast")])
    assert [(one["kind"], one["where"], one["drift"]) for one in found] == [("vm", "gone", "missing"), ("volume", "fast/v", "unexpected")]


def test_a_name_may_be_of_several_kinds_and_in_several_storages():
    volumes = [entry({"name": "v", "storage": storage}, "volume", storage) for storage in ("a", "b")]
    rows = [row(kind="volume", storage="a", name="v", recorded={"name": "v", "storage": "a"}), row(kind="image", storage="b", name="v")]
    assert [(one["kind"], one["where"], one["drift"]) for one in drift.compare(rows, volumes)] == [("image", "b/v", "missing"), ("volume", "b/v", "unexpected")]


def test_a_volume_of_an_export_is_the_same_wherever_that_is_mounted():
    there, here = ({"name": "v", "storage": name, "path": f"/{name}/v", "size": 1} for name in ("a", "b"))
    rows = [row(kind="volume", storage="b", name="v", recorded=there)]  # written by a host that calls the storage a
    assert drift.compare(rows, [entry(here, "volume", "b")]) == []
    assert [one["field"] for one in drift.compare(rows, [entry({**here, "size": 2}, "volume", "b")])] == ["size"]


def test_a_machine_as_options():
    nic = {"type": "network", "source": "default", "mac": "52:54:00:00:00:01", "model": "virtio", "vlan": None, "link": "up", "target": "vnet3"}
    drive = {"device": "cdrom", "path": None, "bus": "sata", "read_only": True, "target": "sda"}
    found = {**VM, "disks": {"root": DISK, "sda": drive}, "interfaces": {"lan": nic}}
    said = KINDS["vm"].as_options({**found, "graphics": {"type": "vnc", "listen": "127.0.0.1", "password": "(not shown)"}}, [STORAGE])
    assert said["memory"] == "2GiB" and said["maximum_memory"] == str((2 << 30) + 1) and said["state"] == "running" and "uuid" not in said
    assert said["disks"][0] == {"name": "root", "device": "disk", "bus": "virtio", "iops": 200, "storage": "fast", "volume": "web1.qcow2"}
    assert said["disks"][1] == {"name": "sda", "device": "cdrom", "bus": "sata", "read_only": True}
    assert said["interfaces"] == [{"name": "lan", "network": "default", "mac": "52:54:00:00:00:01", "model": "virtio", "link": "up"}]
    assert said["graphics"] == {"type": "vnc", "listen": "127.0.0.1"} and said["tpm"] is False


@pytest.mark.parametrize("kind, bus, nic", [("direct", "fdc", {}), ("user", "virtio", {"user": True}), ("bridge", "usb", {"bridge": "br0"})])
def test_what_no_option_can_say_is_left_out(kind, bus, nic):
    found = {**VM, "state": "crashed", "disks": {"a": {**DISK, "path": "/elsewhere/x", "bus": bus}}, "interfaces": {"n": {"type": kind, "source": "br0"}}}
    said = KINDS["vm"].as_options(found, [STORAGE])
    assert "state" not in said and said["graphics"] == {"type": "none"} and said["interfaces"] == [{"name": "n", **nic}]
    assert said["disks"][0].get("bus") == (None if bus == "fdc" else bus) and "volume" not in said["disks"][0]


def test_storages_and_files_as_options():
    assert KINDS["storage"].as_options(STORAGE) == {"name": "fast", "type": "localfs", "path": "/s", "autostart": True, "labels": {"tier": "ssd"}}
    assert KINDS["storage"].as_options({**STORAGE, "device": "/dev/x", "fs": "xfs"})["device"] == "/dev/x"
    assert not KINDS["storage"].is_kept({**STORAGE, "type": "logical"})
    volume = {"name": "v", "storage": "fast", "size": 3 << 20, "format": "vmdk", "labels": {}, "read_only": False, "users": []}
    assert KINDS["volume"].as_options(volume) == {"name": "v", "storage": "fast", "size": "3MiB", "read_only": False}
    with pytest.raises(AnsibleFilterError, match="is not a kind"):
        options([], "network")
