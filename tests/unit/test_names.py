# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names become file names, so nothing in them may lead elsewhere."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.module_utils.names import check_name


@pytest.mark.parametrize("name", ["web1", "web1-root.qcow2", "Debian 12, neu.iso", "größe.raw", "a'; drop table vms;--", "$(id)", "a" * 200])
def test_names_are_taken_literally(name):
    assert check_name("volume", name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", ".hidden", "..", "-rf", "a/b", "/etc/passwd", "a\nb", "a\0b", "a\x7fb", "ü" * 101])
def test_names_that_cannot_be_files_are_refused(name):
    with pytest.raises(Refused) as caught:
        check_name("volume", name)
    assert caught.value.reason == "invalid_name"
