# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes from images and volumes: linked and full, of each format and of whole chains, larger, and sharing blocks."""

from __future__ import annotations

import os
from itertools import product

import pytest
import shared_storage
from disks import MIB, chain, directory_storage, disk, facts, free, left, machine, mounted, noise, opened, qemu_img, run, same

SOURCES = ("chain0.raw", "chain2.qcow2", "alone.qcow2")
CASES = [
    (source, clone, form, size)
    for source, clone, form, size in product(SOURCES, (None, "auto", "full", "linked"), (None, "raw", "qcow2"), (None, 6 * MIB))
    if clone != "linked" or (form or source[-5:]) == "qcow2"
][:: 5 if shared_storage.ASKED else 1]  # each is three calls of qemu-img, of seconds on an emulated host


@pytest.fixture
def sources(storage):
    """A raw file, the top of a chain on it, and a qcow2 file that stands alone."""
    paths = chain(storage.path)
    qemu_img("convert", "-O", "qcow2", paths[2], f"{storage.path}/alone.qcow2")
    return paths


@pytest.fixture
def other(connection, unique, folder):
    """A second storage: (name, path)."""
    name, path = f"{unique}-other", f"{folder}/other"
    with directory_storage(connection, name, path):
        yield name, path


def test_every_kind_of_clone(sources, storage, ensure):
    wants = [
        {"name": f"{number}", "source_volume": source, "clone": clone, "format": form, "size": size and str(size)}
        for number, (source, clone, form, size) in enumerate(CASES)
    ]
    done = ensure("intake_volume", storage=storage.name, volumes=wants)
    for (source, clone, form, size), entry in zip(CASES, done["resources"]):
        state, path, behind = entry["state"], entry["state"]["path"], f"{storage.path}/{source}"
        form = form or facts(behind)[0]
        backing = behind if clone == "linked" else None
        assert facts(path) == (form, size or 4 * MIB, backing), entry
        assert (state["format"], state["size"], state["backing"]) == (form, size or 4 * MIB, backing)
        assert state["backing_format"] == (facts(behind)[0] if backing else None)
        assert state["source"] == f"{storage.name}/{source}"
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert same(path, behind), entry
    assert not left(storage.path)
    wants = [{"name": want["name"]} for want in wants]
    ensure("intake_volume", storage=storage.name, state="absent", volumes=wants)
    assert facts(sources[2]) == ("qcow2", 4 * MIB, sources[1])


def test_image_and_volume_in_another_storage(storage, other, folder, ensure, run_module):
    noise(f"{folder}/image.raw", 2 * MIB)
    assert run_module("intake_image", name="base.qcow2", storage=other[0], path=f"{folder}/image.raw", format="qcow2")["changed"]
    qemu_img("create", "-q", "-f", "qcow2", f"{other[1]}/volume.qcow2", "3M")
    wants = [
        {"name": "full", "image": "base.qcow2", "image_storage": other[0]},
        {"name": "linked", "image": "base.qcow2", "image_storage": other[0], "clone": "linked", "size": "5MiB"},
        {"name": "of-volume", "source_volume": "volume.qcow2", "source_storage": other[0], "format": "raw"},
        {"name": "preallocation-off", "image": "base.qcow2", "image_storage": other[0], "preallocation": "off"},
    ]
    done = ensure("intake_volume", storage=storage.name, volumes=wants, labels={"from": "image"})
    assert [facts(entry["state"]["path"]) for entry in done["resources"]] == [
        ("qcow2", 2 * MIB, None),
        ("qcow2", 5 * MIB, f"{other[1]}/base.qcow2"),
        ("raw", 3 * MIB, None),
        ("qcow2", 2 * MIB, None),
    ]
    assert all(same(f"{storage.path}/{name}", f"{folder}/image.raw") for name in ("full", "linked", "preallocation-off"))
    assert [entry["state"]["kind"] for entry in done["resources"]] == ["volume"] * 4
    assert done["resources"][0]["state"]["source"] == f"{other[0]}/base.qcow2"
    again = run_module("intake_volume", name="full", storage=storage.name, source_volume="volume.qcow2", source_storage=other[0])
    assert not again["changed"]


def test_a_name_that_is_an_image_is_left_to_intake_image(storage, folder, refuse, run_module):
    noise(f"{folder}/image.raw", MIB)
    run_module("intake_image", name="base", storage=storage.name, path=f"{folder}/image.raw")
    for options in ({"size": "2MiB"}, {"state": "absent"}, {"new_name": "mine"}, {"read_only": True}):
        assert "intake_image" in refuse("intake_volume", "kind_mismatch", name="base", storage=storage.name, **options)
    run_module("intake_volume", name="mine", storage=storage.name, size="1MiB")
    refuse("intake_volume", "exists", name="mine", storage=storage.name, new_name="base")
    assert os.stat(f"{storage.path}/base").st_size == MIB


def test_a_source_that_is_written_would_be_torn(sources, storage, unique, connection, ensure, refuse):
    with machine(connection, unique, disk(sources[2]), running=True):
        for clone in ("full", "linked"):
            sentence = refuse("intake_volume", "source_in_use", name="x", storage=storage.name, source_volume="chain2.qcow2", clone=clone)
            assert unique in sentence and "torn" in sentence
        # what the running machine only reads may be cloned
        ensure("intake_volume", name="of-middle", storage=storage.name, source_volume="chain1.qcow2", clone="linked")
        ensure("intake_volume", name="copy-of-middle", storage=storage.name, source_volume="chain1.qcow2")
    with opened(sources[2]):
        assert "QEMU" in refuse("intake_volume", "source_in_use", name="x", storage=storage.name, source_volume="chain2.qcow2")
    with opened(sources[2], options=["-r"]):
        ensure("intake_volume", name="x", storage=storage.name, source_volume="chain2.qcow2")


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_full_clones_share_blocks_where_the_filesystem_can(filesystem, folder, unique, loop_device, connection, ensure):
    path = f"{folder}/{filesystem}"
    with mounted(loop_device("600M"), path, filesystem), directory_storage(connection, f"{unique}-fs", path):
        noise(f"{path}/base.raw", 48 * MIB)
        qemu_img("convert", "-O", "qcow2", f"{path}/base.raw", f"{path}/base.qcow2")
        before = free(path)
        wants = [{"name": f"{clone}.{form}", "source_volume": f"base.{form}", "clone": clone} for form in ("raw", "qcow2") for clone in ("auto", "full")]
        wants[0]["size"], wants[2]["size"] = "64MiB", "64MiB"
        ensure("intake_volume", storage=f"{unique}-fs", volumes=wants)
        taken = before - free(path)
        assert all(same(f"{path}/{want['name']}", f"{path}/base.raw") for want in wants)
        shared = ["shared" in run("filefrag", "-v", f"{path}/{want['name']}") for want in wants]
        if filesystem == "xfs":
            assert taken < 4 * MIB and all(shared)
        else:
            assert taken > 4 * 47 * MIB and not any(shared)


def test_holes_stay_holes(storage, folder, unique, loop_device, connection, ensure):
    """Also where no blocks are shared: from one filesystem to another. NFS 3 has to read every hole, so the file is smaller there."""
    path, far = f"{folder}/ext4", 2**28 if shared_storage.ASKED else 3 * 2**30
    with mounted(loop_device("200M"), path, "ext4"), directory_storage(connection, f"{unique}-fs", path):
        with open(f"{storage.path}/sparse.raw", "wb") as file:
            file.write(b"begin")
            file.seek(far)
            file.write(b"end")
            file.truncate(2 * far)
        done = ensure("intake_volume", name="copy.raw", storage=f"{unique}-fs", source_volume="sparse.raw", source_storage=storage.name)
        assert done["volume"]["size"] == 2 * far and done["volume"]["allocation"] < MIB
        assert same(f"{path}/copy.raw", f"{storage.path}/sparse.raw")
        done = ensure("intake_volume", name="sparse.raw", storage=storage.name, new_storage=f"{unique}-fs")
        assert done["volume"]["size"] == 2 * far and done["volume"]["allocation"] < MIB
        assert same(f"{path}/copy.raw", f"{path}/sparse.raw") and not os.path.exists(f"{storage.path}/sparse.raw")
