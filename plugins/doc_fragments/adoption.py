# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that keep what somebody else may have made."""

from __future__ import annotations


class ModuleDocFragment:
    """Taking over what exists."""

    DOCUMENTATION = r"""
options:
  adopt:
    description:
      - The resource has to exist already, whoever made it, and is never made; a name that was misspelled makes nothing.
      - Where there is an inventory, all that it is now is recorded as what was asked for, together with the other options of the task,
        so that later differences are found.
      - Without this option too, a resource that exists is brought to what the task says, and what the task does not say stays as it is.
    type: bool
    default: false
"""
