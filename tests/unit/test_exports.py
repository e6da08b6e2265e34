# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One spelling for what hosts spell differently."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.host import exports


@pytest.mark.parametrize(
    "said, server",
    [
        ("nas", "nas"),
        ("NAS.Example.Com.", "nas.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("[FD00:0:0::1]", "fd00::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("[not an address]", "not an address"),
        ("", ""),
    ],
)
def test_a_server_is_spelled_one_way(said, server):
    assert exports.clean("server", said) == server
    assert exports.clean("server", server) == server


@pytest.mark.parametrize("said, export", [("/vms", "/vms"), ("/vms//", "/vms"), ("/", "/"), ("/VMs", "/VMs")])
def test_an_export_keeps_its_letters(said, export):
    assert exports.clean("export", said) == export


def test_an_address_is_bracketed_once():
    assert [exports.bracketed(one) for one in ("nas", "192.0.2.1", "fd00::1", "[fd00::1]")] == ["nas", "192.0.2.1", "[fd00::1]", "[fd00::1]"]
    assert exports.source("[FD00::1]", "/vms/") == "[fd00::1]:/vms"
