# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""intake_inventory_info, which runs on the controller: rows of the inventory."""

from __future__ import annotations

import json

from ..plugin_utils.ask import queries
from ..plugin_utils.controller import Controller


class ActionModule(Controller):
    """One question; the host of the play does not matter."""

    def perform(self, task_vars):
        asked = queries.options(json.loads(json.dumps(self._task.args, default=str)))
        return {"changed": False, **queries.ask(asked["dsn"] or self.dsn(task_vars), asked, self.purpose(task_vars))}
