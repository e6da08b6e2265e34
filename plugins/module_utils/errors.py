# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, as sentences an administrator can act on, each with a stable word."""

from __future__ import annotations


class IntakeError(Exception):
    """A step could not be done; `reason` is a word that playbooks may compare."""

    reason = "failed"

    def __init__(self, message, reason=None):
        super().__init__(message)
        self.reason = reason or type(self).reason


class Refused(IntakeError):
    """Asked for something that is invalid or would lose data; nothing has moved."""

    reason = "refused"


class NotFound(IntakeError):
    """The thing named does not exist."""

    reason = "not_found"


class NotReachable(IntakeError):
    """The hypervisor, a server or a mount does not answer."""

    reason = "not_reachable"
