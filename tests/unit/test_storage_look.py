# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at directories in child processes: what they tell, and that one which hangs is given up in time."""

from __future__ import annotations

import os
import time

from ansible_collections.intake.vms.plugins.module_utils.files.catalogue import Catalogue
from ansible_collections.intake.vms.plugins.module_utils.resources.storage import looking


def test_a_look_tells_space_names_record_and_kinds(tmp_path):
    (tmp_path / "a.qcow2").write_text("x")
    catalogue = Catalogue(str(tmp_path))
    catalogue.put(looking.RECORD, {"description": "mine", "labels": {"a": "é"}})
    catalogue.put("a.qcow2", {"kind": "image"})
    catalogue.put("gone.qcow2", {"kind": "image"})
    seen = looking.look([str(tmp_path)])[str(tmp_path)]
    assert seen["record"] == {"description": "mine", "labels": {"a": "é"}}
    assert seen["kinds"] == {"a.qcow2": "image"} and "a.qcow2" in seen["names"]
    assert seen["capacity"] >= seen["available"] > 0
    assert catalogue.names() == ["a.qcow2", "gone.qcow2"]


def test_the_record_of_a_storage_is_no_volumes(tmp_path):
    Catalogue(str(tmp_path)).put(looking.RECORD, {"description": "mine"})
    assert Catalogue(str(tmp_path)).read() == {}


def test_a_lost_directory_is_an_error_of_its_own(tmp_path):
    seen = looking.look([str(tmp_path), str(tmp_path / "gone")])
    assert "No such file" in seen[str(tmp_path / "gone")]["error"] and "error" not in seen[str(tmp_path)]


def test_a_look_that_hangs_is_given_up_and_the_others_are_told(tmp_path, monkeypatch):
    quick = looking.seen_at
    monkeypatch.setattr(looking, "seen_at", lambda path: time.sleep(60) if path.endswith("hangs") else quick(path))
    begun = time.monotonic()
    seen = looking.look([str(tmp_path / "hangs"), str(tmp_path)], timeout=1)
    assert time.monotonic() - begun < 10
    assert seen[str(tmp_path / "hangs")] == {"error": "does not answer within 1 s", "hangs": True}
    assert seen[str(tmp_path)]["capacity"] > 0


def test_a_look_leaves_no_descriptors_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    looking.look([str(tmp_path), str(tmp_path / "gone")])
    assert len(os.listdir("/proc/self/fd")) == before
