# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of kinds: a line for each, those first on which others stand."""

from __future__ import annotations

from . import image, storage, vm, volume

KINDS = {one.KIND.noun: one.KIND for one in (storage, volume, image, vm)}
