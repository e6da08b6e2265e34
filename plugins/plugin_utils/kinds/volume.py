# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes, which are in storages."""

from __future__ import annotations

from ...module_utils.resources.volume.volumes import Volumes
from . import files
from .kind import Kind

KIND = Kind(
    Volumes,
    write=files.writer(files.table("volumes", "backing")),
    rows=files.rows("volume", "volumes"),
    in_storage=True,
    # hosts that share an export may call it differently and mount it elsewhere: storage and path are not the volume's
    passing=("storage", "path", "allocation", "users", "backing_chain", "state", "open"),
    kept=("name", "storage", "size", "format", "description", "read_only", "labels"),
    report={"VOLUME": "name", "STORAGE": "storage", "FORMAT": "format", "SIZE": "size|size", "ON DISK": "allocation|size", "USED BY": "users"},
    relations={"volumes": files.relation("volumes", "backing")},
)
