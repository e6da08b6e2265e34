# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of intake_vm_migrate: records in the inventory what the module does, where there is one."""

from __future__ import annotations

from ..module_utils.resources.migration.migrations import Migrations
from ..plugin_utils.record.recording import Recording


class ActionModule(Recording):
    """The module, recorded: where machines are, not how they shall be."""

    resource = Migrations
    describes = False
