# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of sparse files."""

from __future__ import annotations

import os

import pytest

from ansible_collections.intake.vms.plugins.module_utils.files import transfer
from ansible_collections.intake.vms.plugins.module_utils.host import mounts

LINE = "36 35 0:52 / {} rw,relatime shared:1 - {} nas:/srv rw,{},hard\n"


@pytest.mark.parametrize(
    "fs, options, tells", [("nfs4", "vers=4.2", True), ("nfs4", "vers=4.1", False), ("nfs", "vers=3", False), ("ext4", "errors=panic", True)]
)
def test_who_tells_of_holes(tmp_path, fs, options, tells):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda rw\n" + LINE.format("/s/nfs", fs, options))
    assert mounts.tells_holes("/s/nfs/a/b", str(tmp_path)) is tells
    assert mounts.tells_holes("/s/nfs-other/b", str(tmp_path))


@pytest.mark.parametrize("tells", [True, False])
def test_holes_stay_holes_whether_they_are_told_of_or_not(tmp_path, monkeypatch, tells):
    source, copy, size = tmp_path / "source", tmp_path / "copy", (64 << 20) + 5
    with open(source, "wb") as file:
        for offset, words in ((3, b"begin"), (transfer.BUFFER - 2, b"over the edge"), (40 << 20, b"x"), (size - 3, b"end")):
            file.seek(offset)
            file.write(words)
    monkeypatch.setattr(transfer, "clone", lambda reader, writer: False)
    monkeypatch.setattr(mounts, "tells_holes", lambda path: tells)
    if not tells:
        monkeypatch.setattr(transfer, "extents", lambda reader, size: [(0, size)])
    told = []
    transfer.copy_file(source, copy, told.append)
    assert copy.read_bytes() == source.read_bytes() and os.stat(copy).st_blocks * 512 <= 5 * transfer.BLOCK
    assert told[-1] >= 20 and told == sorted(told)
