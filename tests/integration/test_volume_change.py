# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes in place: records, read_only, growing off and on line, and files that were there before the collection."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from disks import MIB, disk, facts, files, machine, opened, qemu_img, records, run


@pytest.fixture
def made(storage):
    """made(name, format, size) -> the path of a file that qemu-img alone made."""

    def make(name, form="qcow2", size=2 * MIB, *words):
        qemu_img("create", "-q", "-f", form, *words, f"{storage.path}/{name}", size)
        return f"{storage.path}/{name}"

    return make


@pytest.mark.parametrize(
    "option, first, second",
    [
        ("description", "one", "two"),
        ("description", "one", ""),
        ("labels", {"project": "blue", "n": 7}, {"project": "red"}),
        ("labels", {"project": "blue"}, {}),
        ("read_only", True, False),
        ("size", "3MiB", "4MiB"),
        ("format", "raw", "qcow2"),
    ],
)
def test_each_option_changes_a_file_of_others(option, first, second, storage, made, ensure):
    """Nothing of the collection made this file; it is taken over as it is."""
    made("theirs.qcow2")
    for value in (first, second):
        done = ensure("intake_volume", name="theirs.qcow2", storage=storage.name, **{option: value})
        assert [step["name"] for step in done["resources"][0]["steps"]] == [option]
    found = {"size": 4 * MIB}.get(option, second)
    assert (done["volume"][option] or None) == (found or None)
    if option in ("size", "format"):
        assert facts(f"{storage.path}/theirs.qcow2")[:2] == ("qcow2", 4 * MIB if option == "size" else 2 * MIB)


def test_what_is_not_said_stays(storage, ensure, run_module):
    said = {"description": "kept", "labels": {"a": "b"}, "read_only": True}
    ensure("intake_volume", name="a", storage=storage.name, size="1MiB", **said)
    making = {"image": "none", "clone": "linked", "preallocation": "full", "size": "1MiB", "format": "qcow2"}
    done = run_module("intake_volume", name="a", storage=storage.name, **making)
    assert not done["changed"] and {key: done["volume"][key] for key in said} == said


def test_read_only_keeps_its_promise_until_it_is_taken_back(storage, ensure, refuse):
    ensure("intake_volume", name="a", storage=storage.name, size="1MiB", read_only=True)
    for options in ({"size": "2MiB"}, {"format": "raw"}, {"state": "absent"}):
        assert "read_only: false" in refuse("intake_volume", "read_only", name="a", storage=storage.name, **options)
    ensure("intake_volume", name="a", storage=storage.name, description="may change", labels={"also": "these"})
    ensure("intake_volume", name="a", storage=storage.name, read_only=False, size="2MiB")
    ensure("intake_volume", name="a", storage=storage.name, read_only=True, size="3MiB")
    ensure("intake_volume", name="a", storage=storage.name, read_only=False, state="absent")
    assert not records(storage.path)


def test_growing_off_line_keeps_the_data(storage, made, ensure, refuse, connection):
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 512k", made("a.qcow2"))
    run("qemu-io", "-f", "raw", "-c", "write -P 7 1M 512k", made("b.raw", "raw"))
    made("c.qcow2", "qcow2", 2 * MIB, "-b", f"{storage.path}/b.raw", "-F", "raw")
    refuse("intake_volume", "volume_in_use", name="b.raw", storage=storage.name, size="4MiB")
    done = ensure("intake_volume", storage=storage.name, size="4MiB", volumes=[{"name": "a.qcow2"}, {"name": "c.qcow2"}])
    assert done["diff"][0]["before"] == {"size": "2 MiB"} and done["diff"][0]["after"] == {"size": "4 MiB"}
    os.unlink(f"{storage.path}/c.qcow2")
    ensure("intake_volume", name="b.raw", storage=storage.name, size="4MiB")
    for name, form in (("a.qcow2", "qcow2"), ("b.raw", "raw")):
        assert facts(f"{storage.path}/{name}") == (form, 4 * MIB, None)
        assert "failed" not in run("qemu-io", "-f", form, "-c", "read -P 7 1M 512k", "-c", "read -P 0 1536k 2560k", f"{storage.path}/{name}")
    volume = connection.storagePoolLookupByName(storage.name).storageVolLookupByName("b.raw")
    assert volume.info()[1] == 4 * MIB


def test_shrinking_is_refused_as_a_sentence(storage, ensure, refuse):
    ensure("intake_volume", storage=storage.name, size="20GiB", volumes=[{"name": "a"}, {"name": "b", "format": "raw"}])
    for name in "ab":
        sentence = refuse("intake_volume", "shrink_refused", name=name, storage=storage.name, size="10GiB")
        assert sentence == f"volume {name}: is 20 GiB, asked for 10 GiB; shrinking would lose data"
        assert facts(f"{storage.path}/{name}")[1] == 20 * 2**30


def test_growing_under_a_running_machine(storage, unique, made, ensure, connection):
    """The guest's disk grows at once; the others are by path, by pool and name, and raw."""
    paths = [made("a.qcow2"), made("b.raw", "raw"), made("c.qcow2")]
    third = disk(paths[2], target="vdc")
    connection.storagePoolLookupByName(storage.name).refresh()
    if not os.path.exists("/sys/kernel/security/apparmor/policy"):  # libvirt's profiles for it leave out what is named by its pool
        by_name = f"<source pool='{storage.name}' volume='c.qcow2'/><target dev='vdc' bus='virtio'/>"
        third = f"<disk type='volume'><driver name='qemu' type='qcow2'/>{by_name}</disk>"
    devices = disk(paths[0]) + disk(paths[1], "raw", "vdb") + third
    with machine(connection, unique, devices, running=True) as domain:
        wants = [{"name": os.path.basename(path)} for path in paths]
        done = ensure("intake_volume", storage=storage.name, size="5MiB", volumes=wants)
        assert [domain.blockInfo(target)[0] for target in ("vda", "vdb", "vdc")] == [5 * MIB] * 3
        assert [entry["state"]["size"] for entry in done["resources"]] == [5 * MIB] * 3
        ensure("intake_volume", name="a.qcow2", storage=storage.name, description="also of a running machine")
    with machine(connection, unique, devices):
        ensure("intake_volume", storage=storage.name, size="6MiB", volumes=wants)
    assert [facts(path)[1] for path in paths] == [6 * MIB] * 3


def test_growing_what_another_program_has_open_is_refused(storage, made, refuse):
    path = made("a.qcow2")
    with opened(path):
        refuse("intake_volume", "volume_in_use", name="a.qcow2", storage=storage.name, size="5MiB")
    assert facts(path)[1] == 2 * MIB


def test_links_and_folders_are_not_touched(storage, folder, made, ensure, run_tasks, run_module):
    made("real.qcow2")
    shutil.move(f"{storage.path}/real.qcow2", f"{folder}/real.qcow2")
    os.symlink(f"{folder}/real.qcow2", f"{storage.path}/link.qcow2")
    os.symlink("/nowhere", f"{storage.path}/dangling")
    os.mkdir(f"{storage.path}/folder")
    Path(storage.path, "folder", "file").touch()
    os.mkfifo(f"{storage.path}/fifo")
    ensure("intake_volume", name="mine", storage=storage.name, size="1MiB")
    names = ("link.qcow2", "dangling", "folder", "fifo")
    wants = [{"name": name, "state": "absent"} for name in names] + [{"name": name, "size": "4MiB"} for name in names[::2]]
    wants += [{"name": "link.qcow2", "format": "raw"}, {"name": "mine", "new_name": "dangling"}, {"name": "x", "source_volume": "link.qcow2"}]
    calls = [("intake_volume", {"storage": storage.name, **want}, False) for want in wants]
    for call, result in zip(calls, run_tasks(*calls)):
        assert result["failed"] and result["reason"] == "not_a_file", (call, result)
    assert files(storage.path) == ["dangling", "fifo", "folder", "link.qcow2", "mine"]
    assert facts(f"{folder}/real.qcow2")[1] == 2 * MIB and os.listdir(f"{storage.path}/folder") == ["file"]
    listed = run_module("intake_volume_info", storage=storage.name)
    assert [volume["name"] for volume in listed["volumes"]] == ["mine"]
