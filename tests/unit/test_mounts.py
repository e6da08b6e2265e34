# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mountinfo and swaps as kernels write them."""

from __future__ import annotations

from ansible_collections.intake.vms.plugins.module_utils.host import mounts

LINES = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
30 27 8:17 / /srv/with\040blank\134s rw,nosuid,noatime - xfs /dev/sdb1 rw,inode64
31 27 0:45 /@ /srv/pool rw,relatime - btrfs /dev/sdc rw,space_cache
32 27 8:18 / /srv/pool ro,relatime - ext4 /dev/sdb2 ro
"""


def proc(tmp_path, swaps=None):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(LINES)
    if swaps:
        (tmp_path / "swaps").write_text(swaps)
    return str(tmp_path)


def test_optional_fields_octal_blanks_and_both_kinds_of_options(tmp_path):
    found = mounts.read(proc(tmp_path))
    assert [mount.path for mount in found] == ["/proc", "/", "/srv/with blank\\s", "/srv/pool", "/srv/pool"]
    assert found[1].source == "/dev/vda" and found[1].options == ["rw", "relatime", "discard"]
    assert (found[2].number, found[2].fs, found[2].options) == ("8:17", "xfs", ["rw", "nosuid", "noatime", "inode64"])


def test_the_last_mount_on_a_path_is_the_visible_one(tmp_path):
    assert mounts.at("/srv/pool", proc(tmp_path)).source == "/dev/sdb2"
    assert mounts.at("/srv", str(tmp_path)) is None


def test_swaps_with_and_without_any(tmp_path):
    text = "Filename\t\tType\t\tSize\tUsed\tPriority\n/dev/sda2      partition\t8388604\t0\t-2\n/swap\\040file file 1 0 -3\n"
    assert mounts.swaps(proc(tmp_path, text)) == ["/dev/sda2", "/swap file"]
    assert mounts.swaps(str(tmp_path / "self")) == []
