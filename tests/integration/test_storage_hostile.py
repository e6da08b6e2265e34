# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages whose records, directories, devices and neighbours are not what they should be."""

from __future__ import annotations

import json
import os
import subprocess

from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.resources.storage.storages import INFO_SPEC, Storages

MODULES = Modules(Storages, INFO_SPEC)


def run(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout.strip()


def put(path, text="data"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def answered(result):
    """Failed with words of ours or of Ansible's validation, never with a traceback."""
    assert result.get("failed"), result
    assert "Traceback" not in json.dumps(result) and "MODULE FAILURE" not in result["msg"], result
    return result["msg"]


def test_names_and_places_with_odd_letters(pool_name, tree, loop_device, forget_pool):
    odd = f"{pool_name} ü <&>\"'#\\040%s"
    device = loop_device("32M")
    directory = {"name": odd, "path": f"{tree}/{odd}/in <&>\"'\\", "description": "one\ntwo <&> ü ☃", "labels": {"ü \n": "<&>", "": ""}}
    mounted = {"name": f"{odd}2", "path": f"{tree}/{odd} mount\\011", "device": device, "fs": "ext4", "description": "]]>"}
    try:
        done = MODULES.ensure(storages=[directory, mounted])
        assert done["resources"][0]["state"]["labels"] == directory["labels"] and os.path.ismount(mounted["path"])
        found = MODULES.info(names=[odd, f"{odd}2"])["storages"]
        assert [one["health"]["status"] for one in found] == ["ok", "ok"] and found[1]["mounted"]["source"] == device
        assert [one["description"] for one in found] == [directory["description"], "]]>"]
        MODULES.ensure(storages=[{"name": odd}, {"name": f"{odd}2"}], state="absent")
        assert not os.path.exists(directory["path"]) and not os.path.exists(mounted["path"])
    finally:
        forget_pool(odd)
        forget_pool(f"{odd}2")


DAMAGED = [
    "",
    "{",
    "[]",
    "5",
    "null",
    '"text"',
    "\udcff",
    '{"description": 5, "labels": "text", "kind": []}',
    '{"description": ["a"], "labels": ["a"], "made_path": 5}',
    '{"description": {"a": 1}, "labels": {"a": {"b": 1}, "c": null}, "made_path": {}}',
    "[" * 100_000,
]


def test_damaged_records_hide_nothing_and_are_mended(storage, folder, pool_name, connection, forget_pool):
    names = [f"{pool_name}-{number}" for number in range(len(DAMAGED) + 1)]
    try:
        for number, one in enumerate(names):
            os.makedirs(f"{folder}/{number}/.intake")
            if number < len(DAMAGED):
                with open(f"{folder}/{number}/.intake/.storage.json", "wb") as file:
                    file.write(DAMAGED[number].encode("utf-8", "surrogateescape"))
            else:
                os.mkdir(f"{folder}/{number}/.intake/.storage.json")
            connection.storagePoolDefineXML(f"<pool type='dir'><name>{one}</name><target><path>{folder}/{number}</path></target></pool>").create()
        every, chosen = MODULES.info(names=names), MODULES.info(names=names, labels={"a": "b"})
        assert [one["name"] for one in every["storages"]] == sorted(names) and chosen["storages"] == []
        assert {one["health"]["text"] for one in every["storages"]} == {"answers"}
        for one in every["storages"]:
            assert one["description"] is None and all(isinstance(label, str) for label in one["labels"].values())
        wants = [{"name": one} for one in names[:-1]]
        done = MODULES.ensure(storages=wants, description="mended", labels={"a": "b"})
        assert {entry["state"]["description"] for entry in done["resources"]} == {"mended"}
    finally:
        for one in names:
            forget_pool(one)


def test_a_directory_that_is_gone_is_not_made_again_in_silence(storage, folder, connection):
    """What was mounted there by others may only be away; a new directory in its place would fill the wrong disk."""
    pool = connection.storagePoolLookupByName(storage.name)
    os.rename(storage.path, f"{folder}/away")
    assert storage.path in MODULES.refuse("path_missing", name=storage.name, description="new")
    MODULES.refuse("path_missing", name=storage.name)
    assert "No such file" in MODULES.refuse("storage_unreadable", name=storage.name, state="empty", confirm=storage.name)
    assert pool.isActive() and not os.path.exists(storage.path)
    seen = MODULES.info(names=[storage.name])["storages"][0]
    assert seen["health"]["status"] == "degraded" and "No such file" in seen["health"]["text"]
    pool.destroy()
    MODULES.refuse("path_missing", name=storage.name)
    os.rename(f"{folder}/away", storage.path)
    MODULES.ensure(name=storage.name)
    os.rename(storage.path, f"{folder}/away")
    MODULES.ensure(name=storage.name, state="absent")
    assert os.path.isdir(f"{folder}/away")


def test_a_file_in_the_place_of_the_directory(storage, folder):
    os.rename(storage.path, f"{folder}/away")
    put(storage.path)
    MODULES.refuse("path_missing", name=storage.name, labels={"a": "b"})
    assert MODULES.info(names=[storage.name])["storages"][0]["health"]["status"] == "degraded"
    os.unlink(storage.path)


def test_one_directory_under_two_paths_is_one_storage(storage, folder, unique):
    os.symlink(storage.path, f"{folder}/link")
    os.symlink(folder, f"{folder}/parent")
    done = MODULES.run(name=storage.name, path=f"{folder}/link")
    assert not done["changed"] and not done.get("failed")
    for path in (storage.path, f"{folder}/link", f"{folder}/parent/storage"):
        assert storage.name in MODULES.refuse("path_taken", name=f"{unique}-two", path=path)
    MODULES.refuse("path_change", name=storage.name, path=f"{folder}/link/below")


def test_a_storage_inside_another_keeps_it(pool_name, tree, loop_device, forget_pool):
    device = loop_device("32M")
    try:
        MODULES.ensure(name=pool_name, device=device, fs="ext4", path=f"{tree}/outer")
        MODULES.ensure(name=f"{pool_name}-inner", path=f"{tree}/outer/inner")
        put(f"{tree}/outer/inner/precious")
        assert f"{pool_name}-inner" in MODULES.refuse("storage_in_use", name=pool_name, state="absent")
        MODULES.ensure(name=pool_name, state="empty", confirm=pool_name, changed=False)
        assert os.path.exists(f"{tree}/outer/inner/precious")
        MODULES.ensure(name=f"{pool_name}-inner", state="absent")
        MODULES.ensure(name=pool_name, state="absent")
    finally:
        forget_pool(f"{pool_name}-inner")
        forget_pool(pool_name)


def test_a_busy_mount_stays_whole(pool_name, tree, loop_device, forget_pool):
    device, path = loop_device("32M"), f"{tree}/busy"
    try:
        MODULES.ensure(name=pool_name, device=device, fs="ext4", path=path, description="kept")
        with subprocess.Popen(["cat"], cwd=path, stdin=subprocess.PIPE) as inside:
            failed = MODULES.run(name=pool_name, state="absent")
            assert "busy" in answered(failed) and failed["msg"].startswith(f"storage {pool_name}: ")
            assert failed["storage"]["state"] == "active" and failed["storage"]["health"]["status"] == "ok"
            inside.stdin.close()
        assert not MODULES.run(name=pool_name, description="kept")["changed"]
        MODULES.ensure(name=pool_name, state="absent")
    finally:
        forget_pool(pool_name)


def test_a_device_that_comes_back_under_another_name(pool_name, tree, tmp_path, loop_device, connection, forget_pool):
    taken, path = loop_device("32M"), f"{tree}/moved"
    put(tmp_path / "moved", "")
    os.truncate(tmp_path / "moved", 32 << 20)
    device = run("losetup", "-f", "--show", str(tmp_path / "moved"))
    try:
        MODULES.ensure(name=pool_name, device=device, fs="ext4", path=path, description="mine")
        put(f"{path}/data")
        connection.storagePoolLookupByName(pool_name).destroy()
        run("losetup", "-d", device)
        assert "UUID=" in MODULES.refuse("device_not_found", name=pool_name)
        other = loop_device("32M")  # takes the free name
        assert other == device
        device = run("losetup", "-f", "--show", str(tmp_path / "moved"))
        MODULES.refuse("device_change", name=pool_name, device=other)
        done = MODULES.ensure(name=pool_name, device=device)
        assert done["storage"]["mounted"]["source"] == device and done["storage"]["description"] == "mine" and os.path.exists(f"{path}/data")
        assert device not in (other, taken)
        MODULES.ensure(name=pool_name, state="absent")
    finally:
        forget_pool(pool_name)
        run("losetup", "-d", device)


def test_two_devices_with_the_same_filesystem(pool_name, tree, loop_device, forget_pool):
    one, two = loop_device("32M"), loop_device("32M")
    run("mkfs.ext4", "-q", one)
    run("dd", f"if={one}", f"of={two}", "bs=1M", "status=none")
    uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", one)
    assert one in MODULES.refuse("ambiguous_device", name=pool_name, device=f"UUID={uuid}", path=f"{tree}/x")
    MODULES.refuse("signature_found", name=pool_name, device=two, path=f"{tree}/x")


def test_a_filesystem_to_be_read_only(pool_name, tree, loop_device, forget_pool):
    device = loop_device("32M")
    run("mkfs.ext4", "-q", device)
    uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", device)
    try:
        done = MODULES.ensure(name=pool_name, device=f"UUID={uuid}", path=f"{tree}/ro", mount_options=["ro"])
        assert done["storage"]["health"]["status"] == "ok" and "ro" in done["storage"]["mounted"]["options"]
        failed = MODULES.run(name=pool_name, description="cannot be kept")
        assert "Read-only" in answered(failed) and not failed["changed"]
        MODULES.ensure(name=pool_name, mount_options=[], description="can be kept")
        MODULES.ensure(name=pool_name, state="absent")
    finally:
        forget_pool(pool_name)


def test_a_full_storage(pool_name, tree, loop_device, forget_pool):
    device, path = loop_device("16M"), f"{tree}/full"
    try:
        MODULES.ensure(name=pool_name, device=device, fs="ext4", path=path, description="before")
        subprocess.run(["dd", "if=/dev/zero", f"of={path}/filler", "bs=4k"], stderr=subprocess.DEVNULL, check=False)
        failed = MODULES.run(name=pool_name, description="x" * 5000)
        assert "No space left" in answered(failed) and not failed["changed"] and failed["storage"]["description"] == "before"
        assert sorted(os.listdir(f"{path}/.intake")) == [".storage.json"]
        seen = MODULES.info(names=[pool_name])["storages"][0]["health"]
        assert (seen["status"], seen["text"]) == ("degraded", "is full")
        MODULES.ensure(name=pool_name, state="empty", confirm=pool_name)
        MODULES.ensure(name=pool_name, description="x" * 5000)
    finally:
        forget_pool(pool_name)
