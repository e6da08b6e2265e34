# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for people."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.intake.vms.plugins.filter.table import table

ROWS = [
    {"name": "fast", "health": {"status": "ok"}, "free": 3 << 30, "tags": ["a", "b"], "on": True},
    {"name": "a-long-name", "health": None, "free": 512, "tags": [], "on": False},
]


def test_columns_are_aligned_and_what_is_missing_is_a_dash():
    lines = table(ROWS, {"NAME": "name", "HEALTH": "health.status", "FREE": "free|size", "TAGS": "tags", "ON": "on", "X": "none"})
    assert lines == [
        "NAME         HEALTH  FREE     TAGS  ON   X",
        "fast         ok      3.0 GiB  a, b  yes  -",
        "a-long-name  -       512 B    -     no   -",
    ]


def test_no_rows_leave_the_headings():
    assert table([], {"NAME": "name"}) == ["NAME"]


@pytest.mark.parametrize("columns", [None, [], "name", {}])
def test_columns_must_be_a_dictionary(columns):
    with pytest.raises(AnsibleFilterError):
        table(ROWS, columns)
