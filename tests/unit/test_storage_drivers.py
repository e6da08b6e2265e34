# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on a device, from a sysfs such as a host with LVM, LUKS and RAID has; pool documents; paths."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from ansible_collections.intake.vms.plugins.module_utils.drivers import device as devices
from ansible_collections.intake.vms.plugins.module_utils.drivers import directory, filesystem, pool, uuidlink
from ansible_collections.intake.vms.plugins.module_utils.drivers.claim import check_options
from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.module_utils.host.mounts import Mount
from ansible_collections.intake.vms.plugins.module_utils.lens import parse
from ansible_collections.intake.vms.plugins.module_utils.resources.storage import usage


@pytest.fixture
def host(tmp_path):
    """sda: boot partition and an LVM member with the root volume on it; sdb, sdc: RAID with LUKS on it; sdd: free."""
    sysfs = tmp_path / "sys"
    (sysfs / "dev" / "block").mkdir(parents=True)

    def add(path, number, **facts):
        folder = sysfs / "devices" / path
        (folder / "holders").mkdir(parents=True)
        (folder / "dev").write_text(number)
        for name, text in facts.items():
            file = folder / name.replace("_", "/")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        (sysfs / "dev" / "block" / number).symlink_to(folder)

    def hold(below, above):
        (sysfs / "devices" / below / "holders" / os.path.basename(above)).symlink_to(sysfs / "devices" / above)

    add("sda", "8:0", size="4096")
    add("sda/sda1", "8:1", partition="1")
    add("sda/sda2", "8:2", partition="2")
    add("dm-0", "253:0", dm_uuid="LVM-abc")
    add("sdb", "8:16")
    add("sdc", "8:32")
    add("md0", "9:0")
    add("dm-1", "253:1", dm_uuid="CRYPT-LUKS2-x")
    add("sdd", "8:48", ro="0")
    hold("sda/sda2", "dm-0")
    hold("sdb", "md0")
    hold("sdc", "md0")
    hold("md0", "dm-1")
    return lambda number, path="/dev/asked": devices.Device(number, path, str(sysfs))


SEEN = [Mount("253:0", "/", "/dev/mapper/vg-root", "ext4", ["rw"]), Mount("8:1", "/boot", "/dev/sda1", "ext4", ["rw"])]


def refusal(device, seen=(), swapped=()):
    with pytest.raises(Refused) as caught:
        devices.refuse_used(device, list(seen), list(swapped))
    return caught.value.reason, str(caught.value)


def test_the_tree_goes_through_partitions_and_holders(host):
    assert [part.name for part in host("8:0").tree()] == ["sda", "sda1", "sda2", "dm-0"]
    assert [part.name for part in host("8:16").tree()] == ["sdb", "md0", "dm-1"]
    assert host("8:0").size == 4096 * 512


def test_the_disk_under_root_is_the_system_disk_through_lvm(host):
    reason, words = refusal(host("8:0"), SEEN)
    assert reason == "system_disk"
    assert "/dev/dm-0, which is the host's own system: it is mounted on /" in words and "/dev/sda1" in words
    assert refusal(host("8:2"), SEEN)[0] == "system_disk"
    assert refusal(host("253:0"), SEEN)[1].startswith("device /dev/asked is the host's own system")


def test_swap_on_lvm_counts_as_system(host):
    assert refusal(host("8:0"), swapped=["253:0"])[0] == "system_disk"


@pytest.mark.parametrize("number, words", [("8:2", "LVM volume"), ("8:16", "MD RAID"), ("9:0", "LUKS or dm-crypt")])
def test_holders_are_named(host, number, words):
    reason, sentence = refusal(host(number))
    assert reason == "device_held" and words in sentence


def test_a_mount_above_raid_and_luks_is_found(host):
    reason, words = refusal(host("8:32"), [Mount("253:1", "/data", "/dev/mapper/data", "xfs", ["rw"])])
    assert reason == "device_mounted" and "mounted on /data" in words


def test_a_free_disk_is_not_refused(host):
    assert devices.refuse_used(host("8:48"), SEEN, ["253:0"]) is None


@pytest.mark.parametrize("path", ["/", "/etc", "/etc/x", "/usr/local", "/dev/shm/x", "/var", "/var/lib", "/home", "/run/x", "/boot/x"])
def test_system_paths(path):
    with pytest.raises(Refused) as caught:
        directory.check_path(path)
    assert caught.value.reason == "system_path"


@pytest.mark.parametrize("path", ["srv", "/srv/", "/srv//x", "/srv/../etc", "//srv", "/srv/\nx"])
def test_paths_that_are_not_plain(path):
    with pytest.raises(Refused) as caught:
        directory.check_path(path)
    assert caught.value.reason == "invalid_path"


def test_paths_that_may_be_used():
    for path in ("/srv/x", "/var/lib/libvirt/images", "/var/lib/intake/storages/x", "/home/x/vms", "/etcetera"):
        assert directory.check_path(path) == path


def test_labels_fit_xfs_and_differ():
    labels = {filesystem.label_of("a"), filesystem.label_of("b"), filesystem.unfinished_label_of("a")}
    assert len(labels) == 3 and {len(label) for label in labels} == {12}


def test_pool_documents_are_written_read_and_edited_with_all_else_kept():
    text = pool.document("a&b", "/srv/x", "/dev/disk/by-uuid/1-2", "xfs", ["noatime"])
    root = parse(text)
    assert root.get("type") == "fs" and root.findtext("name") == "a&b"
    network = {"server": None, "export": None, "version": None}
    words = {"path": "/srv/x", "device": "/dev/disk/by-uuid/1-2", "fs": "xfs", "mount_options": ["noatime"], **network}
    assert pool.words_of(root) == words
    foreign = text.replace("</target>", "<permissions><mode>0711</mode></permissions></target>")
    changed = pool.with_changes(foreign, {"mount_options": ["discard", "nodiratime"]})
    assert pool.options_of(parse(changed)) == ["discard", "nodiratime"] and "0711" in changed
    assert pool.options_of(parse(pool.with_changes(changed, {"mount_options": []}))) == []
    assert pool.words_of(parse(pool.document("d", "/srv/d"))) == {"path": "/srv/d", "device": None, "fs": None, "mount_options": [], **network}


def test_a_pool_on_a_server_says_its_version_and_changes_it_in_place():
    text = pool.network_document("n", "/srv/n", "[fd00::1]", "/export/vms", "4.2", ["hard"])
    words = pool.words_of(parse(text))
    assert words == {
        "path": "/srv/n", "device": None, "fs": None, "server": "[fd00::1]", "export": "/export/vms", "version": "4.2", "mount_options": ["hard"],
    }
    assert pool.words_of(parse(pool.with_changes(text, {"version": "4.1"}))) == {**words, "version": "4.1"}


def test_btrfs_is_left_to_mount():
    root = parse(pool.document("b", "/srv/b", "/dev/x", "btrfs"))
    assert root.find("source/format").get("type") == "auto" and pool.words_of(root)["fs"] is None


@pytest.mark.parametrize("option", ["remount", "bind", "a,b", "", "x y", "loop=/x", 'a"b'])
def test_options_of_others_are_refused(option):
    with pytest.raises(Refused):
        check_options([option], "/dev/x")


def test_uuid_links_are_told_from_other_paths():
    assert uuidlink.uuid_of("/dev/disk/by-uuid/1-2") == "1-2"
    assert uuidlink.uuid_of("/dev/sda") is None


def test_signatures_in_words():
    assert devices.named({"type": "ext4", "usage": "filesystem", "label": "x", "uuid": "1"}) == "an ext4 filesystem (label x, uuid 1)"
    assert devices.named({"type": "gpt", "usage": "partition-table", "label": "", "uuid": ""}) == "a gpt partition table"


def test_an_export_is_one_storage_of_a_host_however_it_is_spelled():
    other = parse(pool.network_document("old", "/srv/old", "[fd77::1]", "/srv/vms", "4.2", []))
    hypervisor = SimpleNamespace(once=lambda key, work: {"old": other}, file_users=dict)
    plan = {"path": "/srv/new", "device": None, "server": "fd77::1", "export": "/srv/vms"}
    with pytest.raises(Refused, match="is the storage old already"):
        usage.refuse_taken(hypervisor, "new", plan)
    usage.refuse_taken(hypervisor, "new", {**plan, "export": "/srv/other"})
    usage.refuse_taken(hypervisor, "new", {**plan, "server": "fd77::2"})
    usage.refuse_taken(hypervisor, "old", plan)
