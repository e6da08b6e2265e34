# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine as if it were another one: files travel, as they do over SSH."""

from __future__ import annotations

from ansible.plugins.connection import local

DOCUMENTATION = """
name: elsewhere
short_description: The local machine, taken for another
description: For tests.
author: intake.vms contributors
"""


class Connection(local.Connection):
    """Only the name differs."""

    transport = "elsewhere"
