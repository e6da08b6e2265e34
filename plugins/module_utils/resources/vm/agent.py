# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU guest agent: does it answer?"""

from __future__ import annotations

from ...host.hypervisor import libvirt


def answers(domain, seconds=5):
    """True if the agent in the guest answers within so many seconds; False while it is not connected or mute."""
    try:
        domain.agentSetResponseTimeout(max(1, int(seconds)), 0)
        domain.getTime(0)
        return True
    except libvirt.libvirtError:
        return False
