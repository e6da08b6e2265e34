# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages on devices: real loop devices, real filesystems, and every guard against formatting the wrong one."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.intake.vms.plugins.module_utils.drivers import device as devices
from ansible_collections.intake.vms.plugins.module_utils.drivers import filesystem
from ansible_collections.intake.vms.plugins.module_utils.host import mounts


def run(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout.strip()


def contents_of(device):
    """The first bytes, to see that nothing was written."""
    with open(device, "rb") as file:
        return file.read(2**20)


@pytest.fixture
def mount_point(unique):
    """A path below a directory of its own; whatever is mounted there in the end is unmounted, and it is removed."""
    path = f"/var/tmp/{unique}-mounts/here"
    yield path
    while mounts.at(path):
        run("umount", path)
    for found in (path, os.path.dirname(path)):
        if os.path.isdir(found):
            os.rmdir(found)


@pytest.fixture
def device(loop_device):
    return loop_device()


@pytest.fixture
def name(forget_pool, unique, device):
    """A storage's name; comes after the device, so that it is unmounted before the device is detached."""
    yield unique
    forget_pool(unique)


@pytest.mark.parametrize("fs", ["xfs", "ext4", "btrfs"])
def test_a_device_is_formatted_mounted_kept_forgotten_and_attached_again(fs, name, device, mount_point, ensure, run_module, connection):
    done = ensure("intake_storage", name=name, device=device, fs=fs, path=mount_point, labels={"tier": "ssd"})
    storage = done["storage"]
    assert (storage["fs"], storage["state"], storage["mounted"]["source"]) == (fs, "active", device)
    assert storage["device"].startswith("/dev/disk/by-uuid/") and os.path.realpath(storage["device"]) == device
    assert storage["health"]["status"] == "ok" and storage["autostart"]
    assert mounts.at(mount_point).fs == fs
    assert os.stat(mount_point).st_mode & 0o777 == 0o711
    assert connection.storagePoolLookupByName(name).autostart()
    with open(f"{mount_point}/data", "w", encoding="utf-8") as file:
        file.write("precious")

    ensure("intake_storage", name=name, state="absent")
    assert not os.path.exists(mount_point) and not mounts.at(mount_point)
    assert name not in connection.listAllStoragePools(0)

    again = ensure("intake_storage", name=name, device=device, path=mount_point, overwrite=True)
    assert again["storage"]["labels"] == {"tier": "ssd"}
    assert [step["verb"] for step in again["resources"][0]["steps"]] == ["create", "create"]
    with open(f"{mount_point}/data", encoding="utf-8") as file:
        assert file.read() == "precious"


def test_the_default_path_and_filesystem(name, device, run_module):
    path = f"/var/lib/intake/storages/{name}"
    done = run_module("intake_storage", name=name, device=device)
    assert (done["storage"]["path"], done["storage"]["fs"]) == (path, "xfs")
    run_module("intake_storage", name=name, state="absent")
    assert not os.path.exists(path)


def test_mount_options_are_changed_on_the_mounted_filesystem(name, device, mount_point, ensure, run_module):
    ensure("intake_storage", name=name, device=device, path=mount_point, mount_options=["noatime"])
    assert "noatime" in mounts.at(mount_point).options
    done = ensure("intake_storage", name=name, mount_options=["nodiratime", "strictatime"])
    assert "nodiratime" in mounts.at(mount_point).options and "noatime" not in mounts.at(mount_point).options
    assert done["diff"][0]["before"] == {"mount_options": "noatime"}
    failed = run_module("intake_storage", name=name, mount_options=["nonsense"])
    assert failed["failed"] and "mount failed" in failed["msg"]
    kept = run_module("intake_storage_info", names=[name])["storages"][0]
    assert sorted(kept["mount_options"]) == ["nodiratime", "strictatime"]
    done = ensure("intake_storage", name=name, mount_options=[])
    assert done["storage"]["mount_options"] == []


def test_what_a_boot_leaves_is_started_again(name, device, mount_point, ensure, connection):
    ensure("intake_storage", name=name, device=device, path=mount_point, description="mine")
    connection.storagePoolLookupByName(name).destroy()
    link = f"/dev/disk/by-uuid/{devices.filesystem_of(devices.find(device))['uuid']}"
    os.unlink(link)
    done = ensure("intake_storage", name=name, device=device)
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["start"]
    assert done["storage"]["mounted"]["source"] == device and done["storage"]["description"] == "mine"


def test_what_was_unmounted_below_libvirt_is_degraded_and_mounted_again(name, device, mount_point, ensure, run_module):
    ensure("intake_storage", name=name, device=device, path=mount_point)
    run("umount", mount_point)
    seen = run_module("intake_storage_info", names=[name])["storages"][0]
    assert seen["health"]["status"] == "degraded" and "nothing is mounted" in seen["health"]["text"]
    for module in ("intake_volume_info", "intake_image_info"):  # one storage hides none of the others
        told = run_module(module)
        assert not told.get("failed") and [one["storage"] for one in told["unreadable"] if "nothing is mounted" in one["msg"]] == [name]
    assert run_module("intake_volume_info", storage=name)["reason"] == "storage_not_mounted"
    done = ensure("intake_storage", name=name)
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["mount"]
    assert mounts.at(mount_point).source == device


def test_a_mount_point_with_files_is_never_covered(name, device, mount_point, ensure, refuse, run_module):
    os.makedirs(mount_point)
    with open(f"{mount_point}/file", "w", encoding="utf-8"):
        pass
    assert "would hide" in refuse("intake_storage", "path_not_empty", name=name, device=device, path=mount_point)
    assert devices.signatures(devices.find(device)) == []
    os.unlink(f"{mount_point}/file")
    ensure("intake_storage", name=name, device=device, path=mount_point)
    run("umount", mount_point)
    with open(f"{mount_point}/file", "w", encoding="utf-8"):
        pass
    assert "would hide" in refuse("intake_storage", "path_not_empty", name=name)
    os.unlink(f"{mount_point}/file")


def test_another_filesystem_in_its_place_is_noticed(name, device, loop_device, mount_point, ensure, run_module):
    ensure("intake_storage", name=name, device=device, path=mount_point)
    other = loop_device("32M")
    run("mkfs.ext4", "-q", other)
    run("umount", mount_point)
    run("mount", other, mount_point)
    seen = run_module("intake_storage_info", names=[name])["storages"][0]
    assert seen["health"]["status"] == "degraded" and other in seen["health"]["text"]


def filesystem_signature(device):
    run("mkfs.ext4", "-q", "-L", "theirs", device)
    return "an ext4 filesystem (label theirs, uuid "


def partition_table(device):
    run("parted", "-s", device, "mklabel", "gpt")
    return "a gpt partition table"


def lvm_member(device):
    run("pvcreate", "-q", device)
    return "an LVM2_member member (uuid "


def raid_member(device):
    """What mdadm writes, without the kernel's part (man 4 md, superblock 1.2: magic at 4 KiB)."""
    with open(device, "r+b") as file:
        file.seek(4096)
        file.write(RAID_SUPERBLOCK)
    return "a linux_raid_member member"


def luks_header(device):
    run("cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", device, "-", input="secret")
    return "a crypto_LUKS header (uuid "


def swap_space(device):
    run("mkswap", device)
    return "a swap signature (uuid "


def raid_superblock():
    """Version 1.2 for one disk: magic, major version 1, set UUID and name, data offset, checksum."""
    import struct

    block = bytearray(256 + 2)
    struct.pack_into("<II", block, 0, 0xA92B4EFC, 1)
    block[16:32] = os.urandom(16)
    block[32:37] = b"st:md"
    struct.pack_into("<QII", block, 128, 2048, 0, 0)
    struct.pack_into("<Q", block, 144, 8)  # super_offset in sectors
    struct.pack_into("<I", block, 220, 1)  # max_dev
    total = sum(struct.unpack("<64I", bytes(block[:256]))) + struct.unpack("<H", bytes(block[256:258]))[0]
    struct.pack_into("<I", block, 216, ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF)
    return bytes(block)


RAID_SUPERBLOCK = raid_superblock()
NEEDS = {lvm_member: "pvcreate", luks_header: "cryptsetup", partition_table: "parted"}


@pytest.mark.parametrize("sign", [filesystem_signature, partition_table, lvm_member, raid_member, luks_header, swap_space])
def test_a_signature_is_refused_and_overwritten_only_with_consent(sign, name, device, mount_point, ensure, refuse):
    from ansible_collections.intake.vms.plugins.module_utils.host.programs import find

    if sign in NEEDS and not find(NEEDS[sign]):
        pytest.skip(f"{NEEDS[sign]} is not installed")
    words = sign(device)
    before = contents_of(device)
    sentence = refuse("intake_storage", "signature_found", name=name, device=device, path=mount_point)
    assert f"storage {name}: device {device} carries {words}" in sentence and "overwrite: true" in sentence
    assert contents_of(device) == before and not os.path.exists(mount_point)
    done = ensure("intake_storage", name=name, device=device, path=mount_point, overwrite=True)
    assert done["resources"][0]["steps"][0] == {"verb": "format", "name": "device", "risk": "destructive"}
    assert done["diff"][0]["before"]["device"].startswith(words)


def test_a_mounted_device_is_refused_even_with_overwrite(name, device, mount_point, unique, refuse):
    run("mkfs.ext4", "-q", device)
    os.makedirs(mount_point)
    run("mount", device, mount_point)
    sentence = refuse("intake_storage", "device_mounted", name=name, device=device, overwrite=True)
    assert f"is mounted on {mount_point}" in sentence
    here = refuse("intake_storage", "device_mounted", name=name, device=device, path=mount_point, overwrite=True)
    assert f"is mounted on {mount_point}" in here


def test_a_disk_with_a_mounted_partition_is_refused_even_with_overwrite(name, device, mount_point, refuse):
    run("parted", "-s", device, "mklabel", "gpt", "mkpart", "one", "1MiB", "100MiB")
    run("mkfs.ext4", "-q", f"{device}p1")
    os.makedirs(mount_point)
    run("mount", f"{device}p1", mount_point)
    sentence = refuse("intake_storage", "device_mounted", name=name, device=device, overwrite=True)
    assert f"carries {device}p1, which is mounted on {mount_point}" in sentence


def test_a_partition_can_be_a_storage(name, device, mount_point, ensure):
    run("parted", "-s", device, "mklabel", "gpt", "mkpart", "one", "1MiB", "100MiB")
    done = ensure("intake_storage", name=name, device=f"{device}p1", fs="ext4", path=mount_point)
    assert done["storage"]["mounted"]["source"] == f"{device}p1"


def test_swap_in_use_is_refused_even_with_overwrite(name, device, refuse):
    run("mkswap", device)
    run("swapon", device)
    try:
        assert "swap space in use" in refuse("intake_storage", "system_disk", name=name, device=device, overwrite=True)
    finally:
        run("swapoff", device)


def test_the_system_disk_is_refused_even_with_overwrite(unique, refuse):
    source = mounts.at("/").source
    if not devices.number_of(source):
        pytest.skip(f"the root filesystem is on {source}, which is no block device here")
    sentence = refuse("intake_storage", "system_disk", name=unique, device=source, overwrite=True)
    assert "the host's own system" in sentence


def test_a_device_claimed_exclusively_is_refused_even_with_overwrite(name, device, refuse):
    held = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        assert "in use by the kernel" in refuse("intake_storage", "device_busy", name=name, device=device, overwrite=True)
    finally:
        os.close(held)


def test_what_came_between_plan_and_mkfs_is_not_overwritten(device):
    run("mkfs.ext4", "-q", device)
    with pytest.raises(devices.Refused, match="not there before"):
        filesystem.make(devices.find(device), "xfs", "fast", wipe=False)
    assert devices.filesystem_of(devices.find(device))["type"] == "ext4"


def test_a_disk_of_a_virtual_machine_is_refused(name, device, connection, refuse):
    machine = connection.defineXML(
        f"<domain type='qemu'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os><devices><disk type='block' device='disk'>"
        f"<source dev='{device}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    try:
        assert f"is a disk of VM {name}" in refuse("intake_storage", "device_taken", name=name, device=device, overwrite=True)
    finally:
        machine.undefine()


def test_two_storages_cannot_share_a_device_or_a_path(name, device, loop_device, mount_point, ensure, refuse, run_module):
    ensure("intake_storage", name=name, device=device, path=mount_point)
    sentence = refuse("intake_storage", "device_mounted", name=f"{name}-2", device=device, path=f"{mount_point}-2", overwrite=True)
    assert f"is mounted on {mount_point}" in sentence
    assert f"is the storage {name} already" in refuse("intake_storage", "path_taken", name=f"{name}-2", path=mount_point)
    other = loop_device()
    twins = [{"name": f"{name}-3", "path": f"{mount_point}-3"}, {"name": f"{name}-4", "path": f"{mount_point}-4"}]
    result = run_module("intake_storage", device=other, storages=twins)
    assert result["failed"] and result["reason"] == "device_taken" and not result["changed"]
    run("virsh", "pool-destroy", name)
    assert f"belongs to the storage {name} already" in refuse(
        "intake_storage", "device_taken", name=f"{name}-2", device=device, path=f"{mount_point}-2", overwrite=True
    )


def test_changes_that_would_make_another_storage_are_refused(name, device, loop_device, mount_point, ensure, refuse):
    ensure("intake_storage", name=name, device=device, path=mount_point)
    assert f"is in {mount_point}, asked for /srv/x" in refuse("intake_storage", "path_change", name=name, path="/srv/x")
    other = loop_device()
    assert f"asked for {other}" in refuse("intake_storage", "device_change", name=name, device=other, overwrite=True)
    assert "has xfs, asked for ext4" in refuse("intake_storage", "fs_change", name=name, fs="ext4", overwrite=True)


def test_an_existing_filesystem_is_attached_by_its_uuid_and_never_formatted(name, device, mount_point, ensure, refuse):
    run("mkfs.ext4", "-q", "-L", "theirs", device)
    uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", device)
    assert "asked for xfs" in refuse("intake_storage", "fs_change", name=name, device=f"UUID={uuid}", fs="xfs", overwrite=True)
    done = ensure("intake_storage", name=name, device=f"UUID={uuid}", path=mount_point, overwrite=True)
    assert done["storage"]["fs"] == "ext4" and "format" not in [step["verb"] for step in done["resources"][0]["steps"]]
    assert devices.filesystem_of(devices.find(device))["uuid"] == uuid
    missing = "00000000-1111-2222-3333-444444444444"
    assert "no filesystem with" in refuse("intake_storage", "device_not_found", name=f"{name}-2", device=f"UUID={missing}")


def test_a_filesystem_mounted_by_the_administrator_is_adopted_in_place(name, device, mount_point, ensure):
    run("mkfs.ext4", "-q", device)
    uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", device)
    os.makedirs(mount_point)
    run("mount", device, mount_point)
    done = ensure("intake_storage", name=name, device=f"UUID={uuid}", path=mount_point)
    assert done["storage"]["mounted"]["source"] == device


@pytest.mark.parametrize("killed_after", ["mkfs", "label", "define"])
def test_a_run_killed_on_the_way_is_gone_on_from(killed_after, name, device, mount_point, ensure, connection):
    labels = {"mkfs": filesystem.unfinished_label_of(name), "label": filesystem.label_of(name)}
    run("mkfs.xfs", "-q", "-L", labels.get(killed_after, labels["label"]), device)
    if killed_after == "define":
        uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", device)
        connection.storagePoolDefineXML(
            f"<pool type='fs'><name>{name}</name><source><device path='/dev/disk/by-uuid/{uuid}'/><format type='xfs'/></source>"
            f"<target><path>{mount_point}</path></target></pool>"
        )
    done = ensure("intake_storage", name=name, device=device, path=mount_point)
    assert done["storage"]["health"]["status"] == "ok"
    assert devices.filesystem_of(devices.find(device))["label"] == labels["label"]


def test_a_pool_of_virsh_is_adopted_in_place(name, device, mount_point, ensure, connection, run_module):
    run("mkfs.ext4", "-q", device)
    pool = connection.storagePoolDefineXML(
        f"<pool type='fs'><name>{name}</name><source><device path='{device}'/><format type='auto'/></source>"
        f"<target><path>{mount_point}</path></target></pool>"
    )
    uuid = pool.UUIDString()
    assert not run_module("intake_storage", check=True, name=name)["storage"]["labels"]
    done = ensure("intake_storage", name=name, device=device, path=mount_point, fs="ext4", autostart=True, mount_options=["noatime"])
    assert done["storage"]["uuid"] == uuid and done["storage"]["device"] == device
    assert {step["verb"] for step in done["resources"][0]["steps"]} == {"set", "start"}
    assert "noatime" in mounts.at(mount_point).options


def test_a_device_that_cannot_be_mounted_leaves_nothing_behind(name, device, mount_point, run_module, connection):
    run("mkfs.xfs", "-q", "-L", filesystem.label_of(name), device)
    result = run_module("intake_storage", name=name, device=device, path=mount_point, mount_options=["nonsense"])
    assert result["failed"] and "mount" in result["msg"]
    assert name not in [pool.name() for pool in connection.listAllStoragePools(0)]
    assert not os.path.exists(mount_point)


def test_devices_that_cannot_take_it_are_refused(unique, loop_device, folder, refuse):
    small = loop_device("32M")
    assert "xfs needs at least 300.0 MiB" in refuse("intake_storage", "device_too_small", name=unique, device=small)
    run("blockdev", "--setro", small)
    try:
        assert "is read-only" in refuse("intake_storage", "device_read_only", name=unique, device=small, fs="ext4")
    finally:
        run("blockdev", "--setrw", small)  # the kernel keeps it for the next user of this loop device
    assert "does not exist" in refuse("intake_storage", "device_not_found", name=unique, device="/dev/nothing")
    assert "is not a block device" in refuse("intake_storage", "not_a_block_device", name=unique, device="/dev/null")
