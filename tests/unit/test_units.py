# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.module_utils.units import about, format_size, parse_size


@pytest.mark.parametrize(
    "text, size",
    [
        ("1048576", 1 << 20),
        ("1B", 1),
        ("20GiB", 20 << 30),
        ("20 GiB", 20 << 30),
        ("20g", 20 << 30),
        ("512M", 512 << 20),
        ("1.5TiB", 3 << 39),
        ("1KB", 1000),
        ("2GB", 2 * 10**9),
        (4096, 4096),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "0", "1..5G", "5 Gigs", "1e9", "9EiB", "9000000T", "NaN", "1\n2", "٣GiB "])
def test_what_is_no_size_is_refused_with_its_name(text):
    with pytest.raises(Refused, match="volume a: size") as caught:
        parse_size(text, "volume a: size")
    assert caught.value.reason == "invalid_size"


@pytest.mark.parametrize("size, text", [(20 << 30, "20 GiB"), (1000, "1000 B"), (1536 << 10, "1536 KiB"), (1 << 40, "1 TiB")])
def test_sizes_are_written_exactly(size, text):
    assert format_size(size) == text
    assert parse_size(text) == size


def test_sizes_for_tables_are_rounded():
    assert [about(size) for size in (0, 1023, 1536, 1503238554)] == ["0 B", "1023 B", "1.5 KiB", "1.4 GiB"]
