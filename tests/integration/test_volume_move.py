# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes get another name, storage or format while nobody uses them, and are not touched while somebody does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from disks import MIB, chain, directory_storage, disk, facts, files, left, machine, opened, qemu_img, records, run, same

KEPT = {"description": "kept", "labels": {"a": "b"}, "read_only": True}
AWAY = ({"state": "absent"}, {"new_name": "elsewhere"}, {"new_storage": True}, {"format": "raw"})


@pytest.fixture
def other(connection, unique, folder):
    """A second storage: (name, path)."""
    name, path = f"{unique}-other", f"{folder}/other"
    with directory_storage(connection, name, path):
        yield name, path


@pytest.fixture
def refuse_all(storage, other, run_tasks):
    """refuse_all(name) -> the sentences with which removing, renaming, moving and converting it are refused."""

    def run_all(name):
        calls = []
        for options in AWAY:
            options = {key: other[0] if value is True else value for key, value in options.items()}
            calls.append(("intake_volume", {"name": name, "storage": storage.name, **options}, False))
        calls.append((*calls[-1][:2], True))
        results = run_tasks(*calls)
        assert [result.get("reason") for result in results] == ["volume_in_use"] * len(calls), results
        assert not any(result["changed"] for result in results) and os.listdir(other[1]) == []
        return " ".join(result["msg"] for result in results)

    return run_all


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_rename_and_move_with_the_record(form, storage, other, ensure, run_module, connection):
    ensure("intake_volume", name="a", storage=storage.name, size="2MiB", format=form, **KEPT)
    run("qemu-io", "-f", form, "-c", "write -P 9 1M 64k", f"{storage.path}/a")
    done = ensure("intake_volume", name="a", storage=storage.name, new_name="b")
    assert files(storage.path) == ["b"]
    assert done["volume"]["name"] == "b" and done["resources"][0]["name"] == "a" and records(storage.path) == ["b"]
    done = ensure("intake_volume", name="b", storage=storage.name, new_storage=other[0])
    assert done["volume"]["storage"] == other[0] and files(storage.path) == [] and not records(storage.path)
    done = ensure("intake_volume", name="b", storage=other[0], new_name="c", new_storage=storage.name)
    assert {key: done["volume"][key] for key in ("name", "storage", *KEPT)} == {"name": "c", "storage": storage.name, **KEPT}, done
    assert facts(f"{storage.path}/c") == (form, 2 * MIB, None)
    run("qemu-io", "-f", form, "-c", "read -P 9 1M 64k", f"{storage.path}/c")
    assert "moving" not in Path(storage.path, ".intake", "c.json").read_text() and not left(storage.path) + left(other[1])
    assert connection.storagePoolLookupByName(storage.name).listVolumes().count("c") == 1
    assert not run_module("intake_volume", name="c", storage=storage.name, new_name="c", new_storage=storage.name)["changed"]


def test_names_that_are_taken(storage, other, refuse, ensure, run_module):
    run_module("intake_volume", storage=storage.name, size="1MiB", volumes=[{"name": "a"}, {"name": "b", "description": "of b"}])
    run_module("intake_volume", name="a", storage=other[0], size="2MiB")
    refuse("intake_volume", "exists", name="a", storage=storage.name, new_name="b")
    refuse("intake_volume", "exists", name="a", storage=storage.name, new_storage=other[0])
    # a file of the new name in the old storage is another volume, before and after the move
    done = ensure("intake_volume", name="a", storage=storage.name, new_name="b", new_storage=other[0])
    assert done["volume"]["path"] == f"{other[1]}/b" and files(storage.path) == ["b"]
    # what shall go is not looked for under the name it might have got
    ensure("intake_volume", changed=False, name="a", storage=storage.name, new_name="b", state="absent")
    assert run_module("intake_volume", name="b", storage=storage.name)["volume"]["description"] == "of b"


def test_convert_both_ways_and_flatten(storage, ensure, refuse, other):
    paths = chain(storage.path)
    ensure("intake_volume", name="copy.raw", storage=storage.name, source_volume="chain2.qcow2", format="raw")
    ensure("intake_volume", name="top", storage=storage.name, source_volume="chain2.qcow2", clone="linked", description="kept")
    refuse("intake_volume", "linked_clone", name="top", storage=storage.name, new_storage=other[0])
    ensure("intake_volume", name="top", storage=storage.name, new_name="apex")
    assert facts(f"{storage.path}/apex")[2] == paths[2]
    for form in ("raw", "qcow2"):
        done = ensure("intake_volume", name="apex", storage=storage.name, format=form)
        assert facts(done["volume"]["path"]) == (form, 4 * MIB, None) and same(done["volume"]["path"], f"{storage.path}/copy.raw")
        assert (done["volume"]["description"], done["volume"]["format"]) == ("kept", form)
        assert os.stat(done["volume"]["path"]).st_mode & 0o777 == 0o600
    ensure("intake_volume", name="apex", storage=storage.name, format="raw", size="5MiB", new_name="all", new_storage=other[0])
    assert facts(f"{other[1]}/all") == ("raw", 5 * MIB, None) and not left(storage.path) + left(other[1])


def test_a_defined_machine_uses_its_disk(storage, unique, connection, refuse_all, ensure, run_module):
    run_module("intake_volume", name="a", storage=storage.name, size="1MiB")
    path = f"{storage.path}/a"
    with machine(connection, unique, disk(path)):
        assert f"vm {unique}" in refuse_all("a")
    by_pool = f"<disk type='volume'><source pool='{storage.name}' volume='a'/><target dev='vda' bus='virtio'/></disk>"
    with machine(connection, unique, by_pool):
        assert f"vm {unique}" in refuse_all("a")
    with machine(connection, unique, disk(path), running=True):
        assert f"vm {unique}" in refuse_all("a")
    ensure("intake_volume", name="a", storage=storage.name, state="absent")


def test_a_snapshot_uses_the_disk_the_machine_has_left(storage, unique, connection, refuse_all, run_module):
    run_module("intake_volume", storage=storage.name, size="1MiB", volumes=[{"name": "a"}, {"name": "b"}])
    with machine(connection, unique, disk(f"{storage.path}/a")) as domain:
        domain.snapshotCreateXML("<domainsnapshot><name>before</name></domainsnapshot>")
        connection.defineXML(domain.XMLDesc(2).replace(f"{storage.path}/a", f"{storage.path}/b"))
        assert f"vm {unique}" in refuse_all("a")


@pytest.mark.parametrize("backing", ["{path}", "file:{path}", 'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{path}"}}}}'])
def test_an_overlay_in_another_storage_uses_its_backing_file(backing, storage, unique, folder, connection, refuse_all, run_module):
    run_module("intake_volume", name="a", storage=storage.name, size="1MiB")
    with directory_storage(connection, f"{unique}-third", f"{folder}/third"):
        overlay = f"{folder}/third/top.qcow2"
        qemu_img("create", "-q", "-f", "qcow2", "-b", backing.format(path=f"{storage.path}/a"), "-F", "qcow2", overlay)
        assert f"volume top.qcow2 (overlay, in storage {unique}-third)" in refuse_all("a")
        os.rename(overlay, f"{folder}/top.qcow2")
        with machine(connection, unique, disk(f"{folder}/top.qcow2")):
            assert unique in refuse_all("a")


def test_a_program_that_has_it_open(storage, refuse_all, run_module):
    run_module("intake_volume", name="a", storage=storage.name, size="1MiB")
    for options in ([], ["-r"]):
        with opened(f"{storage.path}/a", options=options):
            assert "is open" in refuse_all("a")


def test_a_move_that_was_killed_before_it_left(storage, other, ensure, run_module, refuse, connection, unique):
    """Both files are there; the new one's record says where it came from."""
    run_module("intake_volume", name="a", storage=storage.name, size="1MiB", description="kept")
    old, new = f"{storage.path}/a", f"{other[1]}/a"
    run("cp", old, new)
    found = os.stat(old)
    record = {"kind": "volume", "format": "qcow2", "description": "kept", "moving_from": old}
    record["moving_stamp"] = [found.st_ino, found.st_size, found.st_mtime_ns]
    os.mkdir(f"{other[1]}/.intake")
    Path(other[1], ".intake", "a.json").write_text(json.dumps(record))
    with machine(connection, unique, disk(old)):
        refuse("intake_volume", "volume_in_use", name="a", storage=storage.name, new_storage=other[0])
        assert not run_module("intake_volume", name="a", storage=other[0])["changed"] and os.path.exists(old)
    done = ensure("intake_volume", name="a", storage=storage.name, new_storage=other[0])
    assert done["volume"]["path"] == new and done["volume"]["description"] == "kept" and not os.path.exists(old)
    # a file that was written since is not what was copied: it stays
    run("cp", new, old)
    Path(other[1], ".intake", "a.json").write_text(json.dumps(record))
    refuse("intake_volume", "exists", name="a", storage=storage.name, new_storage=other[0])
    assert not run_module("intake_volume", name="a", storage=other[0])["changed"] and os.path.exists(old)


def test_a_rename_that_was_killed_between_two_names(storage, ensure, run_module):
    run_module("intake_volume", name="a", storage=storage.name, size="1MiB", description="kept")
    os.link(f"{storage.path}/a", f"{storage.path}/b")
    done = ensure("intake_volume", name="a", storage=storage.name, new_name="b")
    assert files(storage.path) == ["b"] and done["volume"]["description"] == "kept"
