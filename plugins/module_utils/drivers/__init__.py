# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of storage, one driver each. Nothing outside asks which kind it has in hand."""

from __future__ import annotations

from .localfs import LocalFS
from .nfs import NFS

DRIVERS = {driver.kind: driver for driver in (LocalFS(), NFS())}
DEFAULT = LocalFS.kind


def driver_of(root):
    """The driver that keeps the libvirt pool of this document, or None."""
    return next((driver for driver in DRIVERS.values() if driver.owns(root)), None)


def driver_for(want):
    """The driver of a new storage: the one that is named, else the one whose options are used."""
    return DRIVERS[want.get("type") or (NFS.kind if want.get("server") or want.get("export") else DEFAULT)]
