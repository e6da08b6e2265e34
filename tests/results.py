# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback host_result printed."""

from __future__ import annotations

import json

BEGIN = "RESULT "


def results(output):
    """[(host, result)] of Ansible's output, in its order."""
    return [tuple(json.loads(line[len(BEGIN) :])) for line in output.splitlines() if line.startswith(BEGIN)]
