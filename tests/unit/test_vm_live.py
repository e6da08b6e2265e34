# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed on a running machine, planned from its running XML and its definitions before and after."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils import lens
from ansible_collections.intake.vms.plugins.module_utils.resources.vm import description
from ansible_collections.intake.vms.plugins.module_utils.resources.vm.live import Live

MIB = 1024  # KiB, in which libvirt counts


def root(memory, maximum=192):
    """A machine with so many MiB."""
    return lens.parse(
        f"<domain type='qemu'><name>m</name><memory unit='KiB'>{maximum * MIB}</memory><currentMemory unit='KiB'>{memory * MIB}</currentMemory>"
        "<vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><devices/></domain>"
    )


@pytest.mark.parametrize(
    ("balloon", "defined", "wanted", "steps", "pending"),
    [
        (128, 128, 160, ["memory"], []),
        (128, 160, 160, [], []),  # it is on its way, or the guest has no driver
        (128, 160, 128, ["memory"], []),  # it is on its way elsewhere
        (128, 128, 128, [], []),
        (128, 256, 256, [], ["memory"]),  # beyond what the running machine may have
    ],
)
def test_memory_is_where_the_balloon_was_told_to_go(balloon, defined, wanted, steps, pending):
    draft = root(wanted, max(wanted, 192))
    live = Live(None, root(balloon), draft, description.read(root(defined, max(defined, 192)))).plan()
    assert [step.name for step in live.steps] == steps
    assert [one["name"] for one in live.pending if one["name"] == "memory"] == pending
