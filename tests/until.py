# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests wait: for something that holds, and not for a time."""

from __future__ import annotations

import time


def until(holds, seconds=60, pause=0.05):
    """What it became when it held; fails when it did not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause)
    return found
