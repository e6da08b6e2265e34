# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages made and removed by runs that are killed on the way, and by rivals at the same time."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest
from in_process import Modules, after, die

from ansible_collections.intake.vms.plugins.module_utils.drivers import directory, filesystem, pool
from ansible_collections.intake.vms.plugins.module_utils.drivers.localfs import LocalFS
from ansible_collections.intake.vms.plugins.module_utils.files.catalogue import Catalogue
from ansible_collections.intake.vms.plugins.module_utils.resources.storage.storages import INFO_SPEC, Storages

MODULES = Modules(Storages, INFO_SPEC)


def run(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout.strip()


def put(path, text="data"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def pools(connection):
    return sorted(pool.name() for pool in connection.listAllStoragePools(0))


def at_once(*calls):
    """The results of several calls that run beside each other."""
    results = [None] * len(calls)

    def work(number):
        results[number] = calls[number]()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_runs_at_once(pool_name, tree, loop_device, connection, run_module, forget_pool):
    """Of one name both succeed and one does it; of two names for one place one is refused."""
    device, other, path = loop_device("32M"), f"{pool_name}-other", f"{tree}/at-once"
    want = {"device": device, "fs": "ext4", "path": path}
    try:
        results = at_once(*[lambda: run_module("intake_storage", name=pool_name, **want)] * 2)
        assert sorted(result["changed"] for result in results) == [False, True], results
        assert not any(result.get("failed") for result in results)
        run_module("intake_storage", name=pool_name, state="absent")
        run("wipefs", "-aq", device)
        links = [f"{tree}/link{number}" for number in (1, 2)]
        for link in links:
            os.symlink(device, link)
        rivals = [
            lambda: run_module("intake_storage", name=pool_name, device=links[0], fs="ext4", path=f"{path}1", overwrite=True),
            lambda: run_module("intake_storage", name=other, device=links[1], fs="ext4", path=f"{path}2", overwrite=True),
        ]
        results = at_once(*rivals)
        assert sorted(result["changed"] for result in results) == [False, True], results
        assert len({pool_name, other} & set(pools(connection))) == 1
        for one in (pool_name, other):
            run_module("intake_storage", name=one, state="absent")
        results = at_once(*[lambda one=one: run_module("intake_storage", name=one, path=f"{tree}/shared") for one in (pool_name, other)])
        assert sorted(result["changed"] for result in results) == [False, True], results
        assert {result.get("reason") for result in results} == {None, "path_taken"}
    finally:
        forget_pool(pool_name)
        forget_pool(other)


DEATHS = [
    (filesystem, "run", die),
    (filesystem, "run", after(filesystem.run)),
    (directory, "make", after(directory.make)),
    (pool, "document", die),
    (LocalFS, "start", die),
    (LocalFS, "start", after(LocalFS.start)),
    (Catalogue, "put", die),
    (Catalogue, "put", after(Catalogue.put)),
]


@pytest.mark.parametrize("place, word, how", DEATHS, ids=[f"{word}-{how.__name__}" for _place, word, how in DEATHS])
def test_killed_while_it_is_made(place, word, how, pool_name, tree, loop_device, connection, monkeypatch, forget_pool):
    want = {"name": pool_name, "device": loop_device("32M"), "fs": "ext4", "path": f"{tree}/killed", "description": "whole"}
    try:
        MODULES.killed(monkeypatch, place, word, how, **want)
        done = MODULES.run(**want)
        assert not done.get("failed"), done["msg"]
        assert not MODULES.run(**want)["changed"]
        shown = done["storage"]
        assert (shown["state"], shown["autostart"], shown["persistent"], shown["health"]["status"]) == ("active", True, True, "ok")
        assert shown["description"] == "whole" and connection.storagePoolLookupByName(pool_name).autostart()
        MODULES.ensure(name=pool_name, state="absent")
    finally:
        forget_pool(pool_name)


REMOVALS = [(os, "rmdir", die), (LocalFS, "forget", die), (LocalFS, "forget", after(LocalFS.forget))]


@pytest.mark.parametrize("place, word, how", REMOVALS, ids=[f"{word}-{how.__name__}" for _place, word, how in REMOVALS])
def test_killed_while_it_is_removed_or_emptied(place, word, how, pool_name, tree, loop_device, connection, monkeypatch, forget_pool):
    device = loop_device("32M")
    want = {"name": pool_name, "device": device, "fs": "ext4", "path": f"{tree}/killed", "description": "whole"}
    try:
        MODULES.run(**want)
        for number in range(3):
            put(f"{tree}/killed/{number}.raw")
        MODULES.killed(monkeypatch, os, "unlink", after(os.unlink), name=pool_name, state="empty", confirm=pool_name)
        MODULES.ensure(name=pool_name, state="empty", confirm=pool_name)
        MODULES.killed(monkeypatch, place, word, how, name=pool_name, state="absent")
        done = MODULES.run(name=pool_name, state="absent")
        assert not done.get("failed") and pool_name not in pools(connection) and not os.path.ismount(f"{tree}/killed")
        assert MODULES.run(**want)["storage"]["description"] == "whole"
    finally:
        forget_pool(pool_name)
