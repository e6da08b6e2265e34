# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a guest, with a limit and with words for what was seen."""

from __future__ import annotations

import time

from ...errors import IntakeError
from . import addresses, agent, power

PAUSES = (0.5, 1.0, 2.0)  # seconds; the last goes on


def wait_for(domain, what, timeout):
    """Return when the machine runs, has an address (ip) or its guest agent answers (agent).

    timeout: seconds. Raises IntakeError: reason `wait_timeout`, or `wait_stopped` at once when it is off.
    """
    reached, missing, advice = CONDITIONS[what]
    deadline, pauses = time.monotonic() + timeout, list(PAUSES)
    while True:
        state, reason = power.state_of(domain)
        if state in ("stopped", "crashed"):
            raise IntakeError(f"vm {domain.name()}: went off ({reason}) while it was waited for", "wait_stopped")
        if state == "running" and reached(domain):
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise IntakeError(f"vm {domain.name()}: is {state}, but {missing} within {timeout} s{advice}", "wait_timeout")
        time.sleep(min(left, pauses.pop(0) if len(pauses) > 1 else pauses[0]))


CONDITIONS = {
    "running": (lambda domain: True, "did not run", ""),
    "ip": (lambda domain: addresses.best(domain) is not None, "no address of it became known", "; has it an interface with DHCP?"),
    "agent": (agent.answers, "its guest agent did not answer", "; is qemu-guest-agent installed in the guest?"),
}
