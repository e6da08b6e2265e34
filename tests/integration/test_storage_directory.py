# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages in directories, their options one by one, emptying, removing and monitoring."""

from __future__ import annotations

import os
import subprocess

import pytest
from disks import opened, qemu_img


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def put(path, text="data"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture
def name(forget_pool, unique, folder):
    """A name whose pool goes away before its folder does."""
    yield unique
    forget_pool(unique)


@pytest.fixture
def machine(connection, name):
    """machine(xml of devices) -> a defined VM, undefined afterwards."""
    made = []

    def define(devices):
        made.append(
            connection.defineXML(
                f"<domain type='qemu'><name>{name}-vm</name><memory>1024</memory><os><type>hvm</type></os>"
                f"<devices>{devices}</devices></domain>"
            )
        )
        return made[-1]

    yield define
    for domain in made:
        domain.undefineFlags(2)


def disk(path):
    return f"<disk type='file'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"


def test_a_directory_is_made_kept_and_taken_away(name, folder, ensure, connection):
    path = f"{folder}/new/storage"
    done = ensure("intake_storage", name=name, type="localfs", path=path)
    assert done["storage"]["state"] == "active" and done["storage"]["path"] == path
    assert os.stat(path).st_mode & 0o777 == 0o711
    pool = connection.storagePoolLookupByName(name)
    assert pool.isActive() and pool.isPersistent() and pool.autostart()
    ensure("intake_storage", name=name, state="absent")
    assert not os.path.exists(path) and name not in [pool.name() for pool in connection.listAllStoragePools(0)]


def test_a_directory_with_data_or_of_others_stays(name, folder, ensure):
    ensure("intake_storage", name=name, path=f"{folder}/made")
    put(f"{folder}/made/data")
    ensure("intake_storage", name=name, state="absent")
    assert sorted(os.listdir(f"{folder}/made")) == [".intake", "data"]
    os.mkdir(f"{folder}/theirs")
    ensure("intake_storage", name=name, path=f"{folder}/theirs")
    ensure("intake_storage", name=name, state="absent")
    assert os.path.isdir(f"{folder}/theirs")


@pytest.mark.parametrize(
    "option, first, second",
    [
        ("description", "one", "two"),
        ("description", "one", ""),
        ("labels", {"tier": "ssd", "rack": 7}, {"tier": "hdd"}),
        ("labels", {"tier": "ssd"}, {}),
        ("autostart", False, True),
    ],
)
def test_each_option_changes_in_place(option, first, second, name, storage, ensure):
    """On a pool that libvirt alone made."""
    if first is not False:
        ensure("intake_storage", name=storage.name, **{option: first})
    done = ensure("intake_storage", name=storage.name, **{option: second})
    assert (done["storage"][option] or None) == (second or None)
    assert [step["name"] for step in done["resources"][0]["steps"]] == [option]


def test_what_is_not_said_stays(storage, ensure, run_module):
    ensure("intake_storage", name=storage.name, description="kept", labels={"a": "b"}, autostart=True)
    done = run_module("intake_storage", name=storage.name, path=storage.path)
    assert not done["changed"]
    assert (done["storage"]["description"], done["storage"]["labels"], done["storage"]["autostart"]) == ("kept", {"a": "b"}, True)


def test_what_is_inactive_or_transient_is_mended(storage, ensure, connection):
    pool = connection.storagePoolLookupByName(storage.name)
    pool.destroy()
    done = ensure("intake_storage", name=storage.name)
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["start"]
    text = pool.XMLDesc()
    pool.destroy()
    pool.undefine()
    assert not connection.storagePoolCreateXML(text).isPersistent()
    done = ensure("intake_storage", name=storage.name)
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["define"]
    assert connection.storagePoolLookupByName(storage.name).isPersistent()


def test_many_in_one_call(name, folder, ensure, run_module, forget_pool):
    wants = [{"name": f"{name}-{number}", "path": f"{folder}/{number}"} for number in (1, 2)]
    try:
        done = ensure("intake_storage", storages=wants, labels={"site": "berlin"})
        assert [entry["state"]["labels"] for entry in done["resources"]] == [{"site": "berlin"}] * 2
        names = [want["name"] for want in wants]
        found = run_module("intake_storage_info", names=names, labels={"site": "berlin"}, state="active")["storages"]
        assert [storage["name"] for storage in found] == names
        assert run_module("intake_storage_info", names=names, labels={"site": "bonn"})["storages"] == []
        assert run_module("intake_storage_info", names=names, state="inactive")["storages"] == []
        ensure("intake_storage", storages=[{"name": name} for name in names], state="absent")
    finally:
        for want in wants:
            forget_pool(want["name"])


@pytest.mark.parametrize(
    "path, reason",
    [("/", "system_path"), ("/etc/x", "system_path"), ("/var/lib", "system_path"), ("srv/x", "invalid_path"), ("/srv/../x", "invalid_path")],
)
def test_paths_of_the_system_are_refused(path, reason, unique, refuse):
    refuse("intake_storage", reason, name=unique, path=path)


def test_a_link_into_the_system_and_a_file_are_refused(unique, folder, refuse):
    os.symlink("/etc", f"{folder}/link")
    refuse("intake_storage", "system_path", name=unique, path=f"{folder}/link")
    put(f"{folder}/file")
    refuse("intake_storage", "invalid_path", name=unique, path=f"{folder}/file")


def test_options_that_do_not_fit_are_refused(unique, folder, refuse):
    refuse("intake_storage", "path_missing", name=unique)
    refuse("intake_storage", "device_missing", name=unique, path=f"{folder}/x", fs="xfs")
    refuse("intake_storage", "device_missing", name=unique, path=f"{folder}/x", mount_options=["noatime"])
    refuse("intake_storage", "invalid_option", name=unique, device="/dev/loop0", mount_options=["noatime,remount"])
    refuse("intake_storage", "invalid_name", name="../x", path=f"{folder}/x")


def test_a_pool_of_another_kind_is_left_alone(unique, connection, refuse, run_module):
    pool = connection.storagePoolDefineXML(
        f"<pool type='logical'><name>{unique}</name><source><name>{unique}</name></source><target><path>/dev/{unique}</path></target></pool>"
    )
    try:
        assert "of type logical" in refuse("intake_storage", "unsupported_type", name=unique)
        seen = run_module("intake_storage_info", names=[unique])["storages"][0]
        assert (seen["type"], seen["health"]["status"]) == ("logical", "inactive")
    finally:
        pool.undefine()


def test_removal_is_refused_while_a_machine_uses_a_file(storage, machine, refuse, ensure, connection):
    put(f"{storage.path}/root.qcow2")
    domain = machine(disk(f"{storage.path}/root.qcow2"))
    sentence = refuse("intake_storage", "storage_in_use", name=storage.name, state="absent")
    assert f"is used by VM {domain.name()} (root.qcow2)" in sentence
    sentence = refuse("intake_storage", "storage_in_use", name=storage.name, state="empty", confirm=storage.name)
    assert domain.name() in sentence and os.path.exists(f"{storage.path}/root.qcow2")
    connection.storagePoolLookupByName(storage.name).destroy()
    refuse("intake_storage", "storage_in_use", name=storage.name, state="absent")


def test_removal_is_refused_while_a_machine_names_a_volume_by_pool(storage, machine, refuse, connection):
    put(f"{storage.path}/root.raw")
    machine(f"<disk type='volume'><source pool='{storage.name}' volume='root.raw'/><target dev='vda' bus='virtio'/></disk>")
    refuse("intake_storage", "storage_in_use", name=storage.name, state="absent")
    connection.storagePoolLookupByName(storage.name).destroy()
    refuse("intake_storage", "storage_in_use", name=storage.name, state="absent")


def test_a_file_used_through_a_link_counts(storage, folder, machine, refuse):
    put(f"{folder}/elsewhere.raw")
    os.symlink(f"{folder}/elsewhere.raw", f"{storage.path}/link.raw")
    machine(disk(f"{storage.path}/link.raw"))
    refuse("intake_storage", "storage_in_use", name=storage.name, state="empty", confirm=storage.name)


@pytest.mark.parametrize("state", ["absent", "empty"])
def test_an_overlay_in_another_place_counts(state, storage, folder, machine, refuse):
    """The machine is off and its XML names the overlay alone: only the overlay's header knows of the storage."""
    run("qemu-img", "create", "-q", "-f", "qcow2", f"{storage.path}/base.qcow2", "1M")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{storage.path}/base.qcow2", "-F", "qcow2", f"{folder}/top.qcow2")
    domain = machine(disk(f"{folder}/top.qcow2"))
    sentence = refuse("intake_storage", "storage_in_use", name=storage.name, state=state, confirm=storage.name)
    assert domain.name() in sentence or "top.qcow2" in sentence


@pytest.mark.parametrize("state", ["absent", "empty"])
def test_an_overlay_in_another_storage_counts(state, storage, name, folder, ensure, refuse, forget_pool):
    """No machine at all: a volume elsewhere stands on a file here."""
    run("qemu-img", "create", "-q", "-f", "qcow2", f"{storage.path}/base.qcow2", "1M")
    other = f"{name}-other"
    try:
        ensure("intake_storage", name=other, path=f"{folder}/other")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{storage.path}/base.qcow2", "-F", "qcow2", f"{folder}/other/top.qcow2")
        sentence = refuse("intake_storage", "storage_in_use", name=storage.name, state=state, confirm=storage.name)
        assert "top.qcow2" in sentence
    finally:
        forget_pool(other)


def test_emptying_takes_files_and_records_and_nothing_else(storage, ensure, refuse, run_module):
    ensure("intake_storage", name=storage.name, description="kept")
    for file in ("a.raw", ".intake-partial-b.raw", ".hidden", ".intake/a.raw.json", ".intake/gone.json"):
        put(f"{storage.path}/{file}", "{}")
    os.makedirs(f"{storage.path}/folder")
    put(f"{storage.path}/folder/c.raw")
    assert f"confirm: {storage.name}" in refuse("intake_storage", "confirm_missing", name=storage.name, state="empty")
    refuse("intake_storage", "confirm_missing", name=storage.name, state="empty", confirm="other")
    done = ensure("intake_storage", name=storage.name, state="empty", confirm=storage.name)
    assert {step["risk"] for step in done["resources"][0]["steps"] if step["verb"] == "delete"} == {"destructive"}
    assert sorted(os.listdir(storage.path)) == [".hidden", ".intake", "folder"]
    assert os.listdir(f"{storage.path}/.intake") == [".storage.json"] and os.listdir(f"{storage.path}/folder") == ["c.raw"]
    assert done["storage"]["description"] == "kept"


def test_nothing_is_emptied_or_removed_while_a_qemu_of_another_host_may_read_it(storage, ensure, refuse):
    """What it only reads, or shares, is in no definition here and bears no lease: QEMU's own locks tell of it."""
    qemu_img("create", "-q", "-f", "qcow2", f"{storage.path}/seen.qcow2", "1M")
    os.makedirs(f"{storage.path}/.intake", exist_ok=True)
    put(f"{storage.path}/.intake/seen.qcow2.json", '{"kind": "image", "format": "qcow2"}')
    with opened(f"{storage.path}/seen.qcow2", options=["-r"]):
        assert "seen.qcow2 open in a running QEMU" in refuse("intake_storage", "storage_in_use", name=storage.name, state="empty", confirm=storage.name)
        assert "open in a running QEMU" in refuse("intake_image", "in_use", name="seen.qcow2", storage=storage.name, state="absent")
    ensure("intake_image", name="seen.qcow2", storage=storage.name, state="absent")


def test_emptying_what_is_not_there_is_refused(storage, unique, refuse, connection):
    refuse("intake_storage", "storage_not_found", name=f"{unique}-none", state="empty", confirm=f"{unique}-none")
    connection.storagePoolLookupByName(storage.name).destroy()
    refuse("intake_storage", "storage_inactive", name=storage.name, state="empty", confirm=storage.name)


def test_figures(storage, machine, run_module, connection):
    run("qemu-img", "create", "-q", "-f", "qcow2", f"{storage.path}/a.qcow2", "10G")
    run("qemu-img", "create", "-q", "-f", "raw", f"{storage.path}/b.raw", "1M")
    os.makedirs(f"{storage.path}/.intake")
    put(f"{storage.path}/.intake/b.raw.json", '{"kind": "image"}')
    machine(disk(f"{storage.path}/a.qcow2"))
    connection.storagePoolLookupByName(storage.name).refresh()
    seen = run_module("intake_storage_info", names=[storage.name])["storages"][0]
    assert (seen["volumes"], seen["images"], seen["vms"]) == (1, 1, 1)
    assert seen["virtual_size_sum"] == 10 * 2**30 + 2**20
    assert seen["overcommit"] == round(seen["virtual_size_sum"] / seen["capacity"], 3)
    assert seen["capacity"] > seen["available"] > 0 and seen["allocation"] > 0
    assert seen["mounted"] is None and seen["device"] is None and seen["mount_options"] == []


def test_one_bad_storage_is_degraded_and_the_others_are_reported(storage, folder, ensure, run_module, forget_pool):
    lost = f"{storage.name}-lost"
    try:
        ensure("intake_storage", name=lost, path=f"{folder}/lost")
        run("rm", "-r", f"{folder}/lost")
        found = run_module("intake_storage_info", names=[lost, storage.name])["storages"]
        assert {entry["name"]: entry["health"]["status"] for entry in found} == {lost: "degraded", storage.name: "ok"}
    finally:
        forget_pool(lost)
