# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed start of an NFS storage leaves: a mount that was there before it, and nothing of its own."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.drivers import nfs
from ansible_collections.intake.vms.plugins.module_utils.errors import Refused


@pytest.fixture
def done(monkeypatch):
    """What mount(8) and umount(8) would have been called for; there is no server here."""
    calls = []
    monkeypatch.setattr(nfs.nfs_server, "mount", lambda *words: calls.append("mount"))
    monkeypatch.setattr(nfs.nfs_server, "unmount", lambda *words, **how: calls.append("unmount"))
    monkeypatch.setattr(nfs.guest_access, "check", lambda *words: calls.append("check"))
    monkeypatch.setattr(nfs, "refuse_silent", lambda: None)
    return calls


def fails():
    raise Refused("libvirt does not want it", "x")


@pytest.mark.parametrize(("there", "expected"), [(True, ["check"]), (False, ["mount", "check", "unmount"])])
def test_a_failed_start_unmounts_its_own_mount_only(done, monkeypatch, tmp_path, there, expected):
    monkeypatch.setattr(nfs.NFS, "mount", lambda self, have: object() if there else None)
    have = {"path": str(tmp_path), "server": "nas", "export": "/x", "version": None, "mount_options": [], "timeout": 1}
    with pytest.raises(Refused, match="does not want it"):
        nfs.NFS().start(have, fails, fails)
    assert done == expected
