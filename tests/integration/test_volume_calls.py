# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many volumes in one call, two plays at once, full filesystems, and runs that are killed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from disks import MIB, directory_storage, facts, files, free, left, mounted, noise, qemu_img, records, run, same
from until import until

from ansible_collections.intake.vms.plugins.module_utils.locking import locks
from ansible_collections.intake.vms.plugins.module_utils.locking.leases import Leases

BIG = 400 * MIB


@pytest.fixture
def background(run_module):
    """background(**options) -> the future result of intake_volume, which runs meanwhile."""
    with ThreadPoolExecutor(2) as pool:
        yield lambda **options: pool.submit(run_module, "intake_volume", **options)


@pytest.fixture
def disk_storage(connection, folder, unique, loop_device):
    """disk_storage(size, filesystem="ext4") -> a storage on a filesystem of its own; one for each test."""
    opened = []

    def make(size, filesystem="ext4"):
        path, name = f"{folder}/mount", f"{unique}-disk"
        for context in (mounted(loop_device(size), path, filesystem), directory_storage(connection, name, path)):
            context.__enter__()
            opened.append(context)
        return SimpleNamespace(name=name, path=path)

    yield make
    for context in reversed(opened):
        context.__exit__(None, None, None)


def worker(storage, name):
    """The process that works on a volume, once its partial file is there."""
    partial = Path(storage.path, f".intake-partial-{name}")
    until(lambda: partial.exists() and partial.stat().st_blocks, pause=0.002)
    return until(lambda: locks.holder(f"volume/{storage.name}/{name}"))


def children(process, command):
    """The child processes of that name."""
    found = Path(f"/proc/{process}/task").glob("*/children")
    ids = [int(word) for path in found for word in path.read_text().split()]
    return [one for one in ids if Path(f"/proc/{one}/comm").read_text().strip() == command]


def test_items_inherit_and_report_each(storage, ensure):
    wants = [{"name": "a"}, {"name": "b", "size": "2MiB", "labels": {"own": "1"}}, {"name": "c", "format": "raw", "description": ""}]
    done = ensure("intake_volume", storage=storage.name, size="1MiB", labels={"all": "1"}, description="shared", volumes=wants)
    found = [(e["state"]["size"], e["state"]["labels"], e["state"]["description"], e["changed"]) for e in done["resources"]]
    assert found == [(MIB, {"all": "1"}, "shared", True), (2 * MIB, {"own": "1"}, "shared", True), (MIB, {"all": "1"}, None, True)]
    assert "volume" not in done and len(done["diff"]) == 3
    wants = [{"name": "a", "state": "absent"}, {"name": "b", "size": "3MiB"}, {"name": "c"}, {"name": "d"}]
    done = ensure("intake_volume", storage=storage.name, size="1MiB", volumes=wants)
    assert [entry["changed"] for entry in done["resources"]] == [True, True, False, True]
    ensure("intake_volume", changed=False, storage=storage.name, volumes=[])


def test_a_refused_item_stops_all_and_a_failed_one_only_itself(storage, disk_storage, run_tasks, run_module):
    small = disk_storage("40M")
    noise(f"{storage.path}/big.raw", 64 * MIB)
    wants = [{"name": "a", "size": "1MiB"}, {"name": "big.raw", "size": "1MiB"}]
    options = {"storage": storage.name, "volumes": wants}
    for result in run_tasks(("intake_volume", options, True), ("intake_volume", options, False)):
        assert result["reason"] == "shrink_refused" and not result["changed"]
        assert [entry["changed"] for entry in result["resources"]] == [False, False]
    assert files(storage.path) == ["big.raw"]
    bad = {"name": "copy", "source_volume": "big.raw", "source_storage": storage.name}
    done = run_module("intake_volume", storage=small.name, volumes=[{"name": "a", "size": "1MiB"}, bad, {"name": "b", "size": "1MiB"}])
    assert done["failed"] and done["changed"] and done["reason"] == "no_space" and "volume copy" in done["msg"]
    assert [(e["changed"], e["reason"] if e["error"] else None) for e in done["resources"]] == [(True, None), (False, "no_space"), (True, None)]
    assert done["resources"][1]["state"] is None and records(small.path) == ["a", "b"] and not left(small.path)


def test_items_that_meet_are_refused(storage, refuse, run_module):
    run_module("intake_volume", storage=storage.name, size="1MiB", volumes=[{"name": "a"}, {"name": "b"}])
    refuse("intake_volume", "duplicate_name", storage=storage.name, size="1MiB", volumes=[{"name": "x"}, {"name": "x"}])
    for first, second in (
        ({"name": "a", "new_name": "x"}, {"name": "b", "new_name": "x"}),
        ({"name": "a", "new_name": "x"}, {"name": "x", "size": "1MiB"}),
        ({"name": "a", "state": "absent"}, {"name": "x", "source_volume": "a", "clone": "linked"}),
        ({"name": "x", "source_volume": "a"}, {"name": "a", "size": "2MiB"}),
    ):
        refuse("intake_volume", "conflicting_items", storage=storage.name, volumes=[first, second])
    assert files(storage.path) == ["a", "b"]


@pytest.mark.parametrize("form, preallocation", [("raw", "full"), ("raw", "falloc"), ("qcow2", "full"), ("qcow2", "falloc")])
def test_full_while_it_is_preallocated(form, preallocation, disk_storage, run_module):
    """What the filesystem says is free is asked for to the last byte, and its own tables need some of it too."""
    small = disk_storage("24M", "ext4")
    room = os.statvfs(small.path)
    want = {"name": "a", "storage": small.name, "format": form, "preallocation": preallocation}
    done = run_module("intake_volume", size=str(room.f_bavail * room.f_frsize), **want)
    assert done["failed"] and not done["changed"] and done["reason"] == "no_space" and "volume a" in done["msg"], done
    assert not left(small.path) and not records(small.path) and not os.path.exists(f"{small.path}/a")
    assert run_module("intake_volume", size="4MiB", **want)["changed"]


def test_full_while_it_is_copied_or_converted(disk_storage, storage, run_module, ensure):
    small = disk_storage("40M")
    noise(f"{storage.path}/big.raw", 64 * MIB)
    before = free(small.path)
    copy = {"name": "a", "storage": small.name, "source_volume": "big.raw", "source_storage": storage.name}
    move = {"name": "big.raw", "storage": storage.name, "new_storage": small.name}
    for options in (copy, {**copy, "format": "qcow2"}, move):
        done = run_module("intake_volume", **options)
        assert done["failed"] and not done["changed"] and done["reason"] == "no_space", done
        assert f"volume {options['name']}" in done["msg"] and not left(small.path) and not records(small.path)
    assert before - free(small.path) < MIB and os.path.getsize(f"{storage.path}/big.raw") == 64 * MIB
    noise(f"{small.path}/inside.raw", 20 * MIB)
    done = run_module("intake_volume", name="inside.raw", storage=small.name, format="qcow2")
    assert done["reason"] == "no_space" and facts(f"{small.path}/inside.raw")[0] == "raw" and not left(small.path)
    noise(f"{storage.path}/big.raw", 10 * MIB)
    os.unlink(f"{small.path}/inside.raw")
    ensure("intake_volume", **copy)
    ensure("intake_volume", name="a", storage=small.name, format="qcow2")
    ensure("intake_volume", **move)


def test_two_plays_at_once(disk_storage, background, run_module, unrecorded):
    """The second says who holds the volume, or waits for its turn and finds nothing to do."""
    storage = disk_storage("1200M")
    noise(f"{storage.path}/source.raw", BIG)
    want = {"name": "copy.raw", "storage": storage.name, "source_volume": "source.raw"}
    first = background(**want)
    process = worker(storage, "copy.raw")
    os.kill(process, signal.SIGSTOP)
    try:
        for options in (want, {"name": "copy.raw", "state": "absent", "storage": storage.name}, {**want, "name": "source.raw", "state": "absent"}):
            locked = run_module("intake_volume", lock_timeout=1, **options)
            assert locked["reason"] == "locked" and f"process {process}" in locked["msg"] and "lock_timeout" in locked["msg"], locked
        assert run_module("intake_volume", name="other", storage=storage.name, size="1MiB", lock_timeout=1)["changed"]
        assert Path(storage.path, ".intake-partial-copy.raw").exists(), "another play took away what is being written"
        second = background(**want)
    finally:
        os.kill(process, signal.SIGCONT)
    assert first.result()["changed"]
    assert not second.result().get("failed") and not second.result()["changed"]
    assert same(f"{storage.path}/copy.raw", f"{storage.path}/source.raw") and not left(storage.path)


def kill_copy(storage, background, want, name):
    """Start a call, and kill -9 its module while it copies."""
    running = background(**want)
    process = worker(storage, name)
    os.kill(process, signal.SIGKILL)
    assert running.result()["failed"] and not os.path.exists(f"{storage.path}/{name}")
    assert left(storage.path)


def test_a_killed_copy_and_a_killed_move(in_a_directory, disk_storage, storage, background, ensure, run_module):
    big = disk_storage("1400M")
    noise(f"{big.path}/source.raw", BIG)
    want = {"name": "copy.raw", "storage": big.name, "source_volume": "source.raw", "description": "whole"}
    kill_copy(big, background, want, "copy.raw")
    listed = run_module("intake_volume_info", storage=big.name)["volumes"]
    assert [volume["name"] for volume in listed] == ["source.raw"]
    done = ensure("intake_volume", **want)
    assert done["volume"]["description"] == "whole" and same(f"{big.path}/copy.raw", f"{big.path}/source.raw")
    assert not left(big.path)
    # a run about another volume takes away what nobody works on any more
    kill_copy(big, background, {**want, "name": "again.raw"}, "again.raw")
    ensure("intake_volume", name="other", storage=big.name, size="1MiB")
    assert not left(big.path)
    run("mv", f"{big.path}/copy.raw", f"{storage.path}/moved.raw")
    want = {"name": "moved.raw", "storage": storage.name, "new_storage": big.name}
    kill_copy(big, background, want, "moved.raw")
    assert os.path.exists(f"{storage.path}/moved.raw")
    ensure("intake_volume", **want)
    assert same(f"{big.path}/moved.raw", f"{big.path}/source.raw") and not left(big.path) and not os.path.exists(f"{storage.path}/moved.raw")


def test_a_killed_conversion(disk_storage, background, ensure):
    """qemu-img outlives the module that is killed; the next run does not wait for it."""
    storage = disk_storage("1700M")
    noise(f"{storage.path}/a", BIG)
    qemu_img("convert", "-O", "qcow2", f"{storage.path}/a", f"{storage.path}/a.qcow2")
    running = background(name="a", storage=storage.name, format="qcow2")
    process = worker(storage, "a")
    program = until(lambda: children(process, "qemu-img"))[0]
    os.kill(program, signal.SIGSTOP)
    os.kill(process, signal.SIGKILL)
    assert running.result()["failed"] and facts(f"{storage.path}/a")[0] == "raw" and left(storage.path)
    ensure("intake_volume", name="a", storage=storage.name, format="qcow2")
    assert facts(f"{storage.path}/a")[:2] == ("qcow2", BIG) and same(f"{storage.path}/a", f"{storage.path}/a.qcow2")
    assert not left(storage.path) and not os.path.exists(f"/proc/{program}/fd/0")


def test_leases_that_machines_of_this_host_left_go_with_their_files(storage, ensure, run_module):
    leases = Leases(storage.path)
    owner = {"vm": "gone", "uuid": "u", "host": run_module("intake_volume_info")["hypervisor"]["uuid"], "hostname": "h"}
    for name in "abc":
        ensure("intake_volume", name=name, storage=storage.name, size="1MiB", format="raw")
        leases.take(name, owner)
    ensure("intake_volume", name="a", storage=storage.name, state="absent")
    ensure("intake_volume", name="b", storage=storage.name, new_name="d", size="1MiB", format="raw")
    assert list(leases.all()) == ["c"]
    ensure("intake_storage", name=storage.name, state="empty", confirm=storage.name)
    assert leases.all() == {}
