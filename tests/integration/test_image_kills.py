# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images renamed and removed by runs that are killed on the way, and brought by two runs at once."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest
from disks import files, hidden, sha
from in_process import Modules, after, die

from ansible_collections.intake.vms.plugins.module_utils.files import transfer
from ansible_collections.intake.vms.plugins.module_utils.files.catalogue import Catalogue
from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import INFO_SPEC, Images

MODULES = Modules(Images, INFO_SPEC)
DATA = random.Random(6).randbytes(300_000)


@pytest.fixture
def file(tmp_path):
    """A small image on the hypervisor."""
    path = tmp_path / "file.img"
    path.write_bytes(DATA)
    return str(path)


def link_and_die(old, new):
    """Killed when the file has both names."""
    os.link(old, new)
    os._exit(9)


RENAMES = [
    (Catalogue, "put", after(Catalogue.put)),
    (transfer, "rename_new", die),
    (transfer, "rename_new", link_and_die),
    (transfer, "rename_new", after(transfer.rename_new)),
    (Catalogue, "remove", after(Catalogue.remove)),
]


@pytest.mark.parametrize("moment", range(len(RENAMES)))
def test_killed_while_it_is_renamed(moment, storage, file, monkeypatch):
    want = {"storage": storage.name, "name": "old", "new_name": "new"}
    MODULES.run(storage=storage.name, name="old", path=file, labels={"a": "b"})
    MODULES.killed(monkeypatch, *RENAMES[moment], **want)
    assert not MODULES.run(**want).get("failed")
    assert not MODULES.run(**want)["changed"]
    assert [(one["name"], one["labels"], one["changed_outside"]) for one in MODULES.info(storage=storage.name)["images"]] == [("new", {"a": "b"}, False)]
    assert files(storage.path) == ["new"] and Path(storage.path, "new").read_bytes() == DATA


@pytest.mark.parametrize("how", [die, after(os.unlink)], ids=["before", "behind"])
def test_killed_while_it_is_removed(how, storage, file, monkeypatch):
    MODULES.run(storage=storage.name, name="x", path=file)
    MODULES.killed(monkeypatch, os, "unlink", how, storage=storage.name, name="x", state="absent")
    assert not MODULES.run(storage=storage.name, name="x", state="absent").get("failed")
    assert not MODULES.run(storage=storage.name, name="x", state="absent")["changed"]
    MODULES.ensure(storage=storage.name, name="x", path=file, description="new")


def test_two_runs_at_once(storage, source, run_module):
    """Of one name: one brings it, the other finds it. Of two names with one checksum: both are whole."""
    results = {}

    def work(number, **options):
        results[number] = run_module("intake_image", storage=storage.name, **options)

    url = source.put("/at-once", DATA, pause=0.05)
    calls = [{"name": "same", "url": url}, {"name": "same", "url": url}, {"name": "other", "url": url, "checksum": sha(DATA)}]
    threads = [threading.Thread(target=work, args=(number,), kwargs=options) for number, options in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results[number]["changed"] for number in (0, 1)) == [False, True], results
    assert not any(result.get("failed") for result in results.values())
    assert {Path(storage.path, name).read_bytes() for name in ("same", "other")} == {DATA} and not hidden(storage)
