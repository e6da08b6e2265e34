# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress in plain words, for people who run one playbook and have never seen Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plain
type: stdout
short_description: Progress in plain words
version_added: 0.1.0
description:
  - Shows the tasks of the playbook as they begin, those of roles only when they change something, messages as they are,
    and failures as sentences. Tasks that only look are not shown.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - default_callback
"""

import textwrap
import time

from ansible.plugins.callback import CallbackBase

MESSAGES = ("ansible.builtin.debug", "debug")
LOOKING = ("include_tasks", "stat", "set_fact")  # of ansible.builtin: they change nothing that people see
SILENT = MESSAGES + LOOKING + tuple(f"ansible.builtin.{name}" for name in LOOKING)
SLOW = 5  # seconds after which it is said how long a task took
WIDTH = 110  # of a message that is one long sentence


class CallbackModule(CallbackBase):
    """A line for each thing that happens."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "intake.vms.plain"

    def __init__(self):
        super().__init__()
        self.begun = {}
        self.changed = False

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.begun[task._uuid] = time.monotonic()
        if not task._role and task.action not in SILENT and not task.action.endswith("_info"):
            self._display.display(f"* {task.get_name().strip()}")

    def v2_runner_on_ok(self, result):
        task, told = result._task, result._result
        self._handle_warnings(told)
        if task.action in MESSAGES:
            self.show_message(told.get("msg"))
        elif told.get("changed"):
            self.changed = True
            what = f": {task.get_name().strip().rpartition(' : ')[2]}" if task._role else ""
            self._display.display(f"    done{what}{self.duration(task)}")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        told = result._result
        words = told.get("msg") or told.get("stderr") or told.get("exception") or "no reason was given"
        prefix = "    ignored" if ignore_errors else "FAILED"
        self._display.display(f"{prefix}: {result._task.get_name().strip()}\n{words}", stderr=not ignore_errors)
        for line in str(told.get("stderr") or "").strip().splitlines()[-5:]:
            self._display.display(f"    {line}", stderr=True)

    def v2_runner_on_unreachable(self, result):
        self._display.display(f"UNREACHABLE: {result._host.get_name()}: {result._result.get('msg')}", stderr=True)

    def v2_playbook_on_stats(self, stats):
        if not self.changed and not stats.failures and not stats.dark:
            self._display.display("Nothing had to be changed.")

    def show_message(self, message):
        """Lines as they are, a sentence folded, with space around them."""
        lines = message if isinstance(message, list) else textwrap.wrap(str(message), WIDTH, break_long_words=False)
        self._display.display("")
        for line in lines:
            self._display.display(f"  {line}")
        self._display.display("")

    def duration(self, task):
        """How long a slow task took."""
        seconds = time.monotonic() - self.begun.get(task._uuid, time.monotonic())
        return f" ({seconds:.0f} s)" if seconds > SLOW else ""
