# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images, which are in storages."""

from __future__ import annotations

from ...module_utils.resources.image.images import Images
from . import files
from .kind import Kind

KIND = Kind(
    Images,
    write=files.writer(files.table("images", "checksum")),
    rows=files.rows("image", "images"),
    in_storage=True,
    passing=("storage", "path", "allocation", "users", "state", "changed_outside"),
    kept=("name", "storage", "format", "description", "labels"),
    report={"IMAGE": "name", "STORAGE": "storage", "FORMAT": "format", "SIZE": "size|size", "ON DISK": "allocation|size"},
    relations={"images": files.relation("images", "checksum")},
)
