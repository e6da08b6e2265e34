# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records beside the files."""

from __future__ import annotations

import os

from ansible_collections.intake.vms.plugins.module_utils.files.catalogue import Catalogue


def test_records_are_kept_changed_renamed_and_forgotten(tmp_path):
    book = Catalogue(str(tmp_path))
    assert book.read() == {} and book.get("a") == {}
    book.put("größe, neu.raw", {"description": "ü\n\"quoted\"", "labels": {"a": "b"}, "checksum": None})
    assert book.read() == {"größe, neu.raw": {"description": "ü\n\"quoted\"", "labels": {"a": "b"}}}
    book.update("größe, neu.raw", description="", read_only=True)
    assert book.get("größe, neu.raw") == {"labels": {"a": "b"}, "read_only": True}
    book.rename("größe, neu.raw", "b")
    book.rename("missing", "c")
    assert list(book.read()) == ["b"]
    book.remove("b")
    book.remove("b")
    assert book.read() == {}
    assert os.listdir(book.folder) == []


def test_a_broken_record_counts_as_none(tmp_path):
    book = Catalogue(str(tmp_path))
    book.put("a", {"labels": {"x": "y"}})
    for broken in ("", "{", "[1]", "\udcff"):
        with open(book.path("a"), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(broken)
        assert book.get("a") == {} and book.read() == {}


def test_leftover_partial_files_are_no_records(tmp_path):
    book = Catalogue(str(tmp_path))
    book.put("a", {"description": "x"})
    (tmp_path / ".intake" / ".partial-abc.json").write_text("{}")
    assert list(book.read()) == ["a"]
