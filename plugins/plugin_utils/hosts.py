# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor as the inventory knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Host:
    """The hypervisor that is written about: its row, and what Ansible and itself call it."""

    uuid: str
    name: str
    address: str = None
    hostname: str = None
    id: int = None
