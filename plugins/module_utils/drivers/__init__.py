# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of storage, one driver each. Nothing outside asks which kind it has in hand."""

from __future__ import annotations

from .localfs import LocalFS

DRIVERS = {driver.kind: driver for driver in (LocalFS(),)}
DEFAULT = LocalFS.kind


def driver_of(pool_type):
    """The driver that keeps a libvirt pool of this type, or None."""
    return next((driver for driver in DRIVERS.values() if pool_type in driver.pools), None)
