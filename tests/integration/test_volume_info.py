# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitoring of volumes: what is listed, by which filters, and what is told of each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from disks import MIB, chain, directory_storage, disk, machine, opened, qemu_img


@pytest.fixture
def other(connection, unique, folder):
    """A second storage: (name, path)."""
    name, path = f"{unique}-other", f"{folder}/other"
    with directory_storage(connection, name, path):
        yield name, path


def names(result):
    """What was listed."""
    return [(volume["storage"], volume["name"]) for volume in result["volumes"]]


def test_filters(storage, other, unique, connection, run_module, run_tasks):
    one, two = {"project": "blue", "rack": 7}, {"project": "blue"}
    wants = [{"name": "a", "labels": one}, {"name": "b", "labels": two}, {"name": "c"}, {"name": "a", "storage": other[0], "labels": {"rack": "8"}}]
    run_module("intake_volume", storage=storage.name, size="1MiB", volumes=wants)
    here = storage.name
    cases = [
        ({"storage": here}, [(here, "a"), (here, "b"), (here, "c")]),
        ({"storage": here, "names": ["c", "a", "none"]}, [(here, "a"), (here, "c")]),
        ({"names": ["a"], "labels": {"rack": 8}}, [(other[0], "a")]),
        ({"storage": here, "labels": {"project": "blue"}}, [(here, "a"), (here, "b")]),
        ({"storage": here, "labels": {"project": "blue", "rack": "7"}}, [(here, "a")]),
        ({"storage": here, "state": "used"}, [(here, "b")]),
        ({"storage": here, "state": "unused", "names": ["a", "b"]}, [(here, "a")]),
        ({"storage": here, "names": ["none"]}, []),
    ]
    with machine(connection, unique, disk(f"{storage.path}/b")):
        results = run_tasks(*(("intake_volume_info", options, False) for options, _found in cases))
        everything = run_module("intake_volume_info", check=True)
    for (options, found), result in zip(cases, results):
        assert names(result) == found and not result["changed"], options
    assert {(here, "a"), (here, "b"), (here, "c"), (other[0], "a")} <= set(names(everything))
    assert names(everything) == sorted(names(everything))


def test_storages_that_cannot_be_read(storage, unique, refuse, connection, run_module):
    refuse("intake_volume_info", "storage_not_found", storage=f"{unique}-none")
    connection.storagePoolLookupByName(storage.name).destroy()
    refuse("intake_volume_info", "storage_inactive", storage=storage.name)
    assert storage.name not in [storage_name for storage_name, _name in names(run_module("intake_volume_info"))]


def test_sizes_formats_and_allocation(storage, run_module):
    said = {"description": "text", "labels": {"a": "b"}, "read_only": True}
    run_module("intake_volume", storage=storage.name, size="8MiB", volumes=[{"name": "full.raw", "format": "raw", "preallocation": "full"}], **said)
    qemu_img("create", "-q", "-f", "qcow2", f"{storage.path}/theirs.qcow2", "9G")
    qemu_img("create", "-q", "-f", "vmdk", f"{storage.path}/theirs.vmdk", "8M")
    full, qcow2, vmdk = run_module("intake_volume_info", storage=storage.name)["volumes"]
    assert (full["format"], full["size"], full["allocation"]) == ("raw", 8 * MIB, os.stat(full["path"]).st_blocks * 512)
    assert full["allocation"] >= 8 * MIB and {key: full[key] for key in said} == said and full["kind"] == "volume"
    assert (qcow2["format"], qcow2["size"]) == ("qcow2", 9 * 2**30) and qcow2["allocation"] < MIB
    assert (qcow2["description"], qcow2["labels"], qcow2["read_only"], qcow2["source"]) == (None, {}, False, None)
    assert (vmdk["format"], vmdk["size"]) == ("vmdk", 8 * MIB)
    assert full["path"] == f"{storage.path}/full.raw" and full["storage"] == storage.name


def test_backing_chain_users_and_open(storage, unique, connection, run_module):
    base, middle, top = chain(storage.path)

    def told():
        return {volume["path"]: volume for volume in run_module("intake_volume_info", storage=storage.name)["volumes"]}

    found = told()
    assert [found[path]["backing_chain"] for path in (base, middle, top)] == [[], [base], [middle, base]]
    assert [found[path]["backing"] for path in (base, middle, top)] == [None, base, middle]
    assert [found[path]["backing_format"] for path in (base, middle, top)] == [None, "raw", "qcow2"]
    overlay = f"volume {os.path.basename(middle)} (overlay, in storage {storage.name})"
    assert found[base]["users"] == [overlay] and found[base]["state"] == "used"
    assert found[top]["users"] == [] and found[top]["state"] == "unused" and not any(one["open"] for one in found.values())
    with machine(connection, unique, disk(top), running=True):
        found = told()
        assert found[top]["users"] == [f"vm {unique}"] and f"vm {unique}" in found[base]["users"] and overlay in found[base]["users"]
        assert all(one["open"] for one in found.values())
    with opened(middle):
        found = told()
        assert found[middle]["open"] and not found[top]["open"]


def test_damaged_and_hidden_files_do_not_hide_the_others(storage, run_module):
    run_module("intake_volume", name="good", storage=storage.name, size="1MiB")
    Path(storage.path, "cut.qcow2").write_bytes(b"QFI\xfb\0\0")
    Path(storage.path, ".hidden").write_bytes(b"x")
    Path(storage.path, "empty").touch()
    Path(storage.path, ".intake", "good.json").write_text("{damaged")
    Path(storage.path, ".intake", "gone.json").write_text("{}")
    result = run_module("intake_volume_info", storage=storage.name)
    assert [volume["name"] for volume in result["volumes"]] == ["empty", "good"]
    assert any("cut.qcow2" in warning for warning in result["warnings"])


def test_a_guest_cannot_make_its_raw_disk_an_overlay(storage, run_module, ensure):
    """A guest writes what it likes to the first sectors of its disk; the record knows that the disk is raw."""
    run_module("intake_volume", name="a.raw", storage=storage.name, size="1MiB", format="raw")
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", f"{storage.path}/trick", "1M")
    with open(f"{storage.path}/a.raw", "r+b") as file:
        file.write(Path(storage.path, "trick").read_bytes())
    os.unlink(f"{storage.path}/trick")
    seen = run_module("intake_volume_info", storage=storage.name)["volumes"][0]
    assert (seen["format"], seen["backing"], seen["size"]) == ("raw", None, MIB)
    assert seen["backing_chain"] == []
    done = ensure("intake_volume", name="copy.qcow2", storage=storage.name, source_volume="a.raw", format="qcow2")
    assert (done["volume"]["size"], done["volume"]["backing"]) == (MIB, None)
