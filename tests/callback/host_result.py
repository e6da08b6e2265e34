# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the whole result of a task on a host as one line of JSON."""

from __future__ import annotations

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: host_result
type: stdout
short_description: One line of JSON per host and result
description: Prints every result with its host, its diff and all, for tests.
"""


class CallbackModule(CallbackBase):
    """One line per result, marked so that warnings around it do not matter."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "host_result"

    def v2_runner_on_ok(self, result):
        self.tell(result)

    def v2_runner_on_skipped(self, result):
        self.tell(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.tell(result, failed=True)

    def v2_runner_on_unreachable(self, result):
        self.tell(result, failed=True)

    def tell(self, result, **more):
        """ansible-core 2.19 keeps the word `failed` to itself."""
        print("RESULT " + json.dumps([result._host.get_name(), {**result._result, **more}], default=str))
