# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power of a machine: which states there are, how one becomes another, and stopping that has really stopped."""

from __future__ import annotations

import contextlib
import threading
import time

from ...errors import IntakeError
from ...host.hypervisor import libvirt, session

# libvirt's virDomainState: nostate, running, blocked, paused, shutdown, shutoff, crashed, pmsuspended
STATES = ("running", "running", "running", "paused", "running", "stopped", "crashed", "suspended")
REASONS = {
    "running": ("unknown", "booted", "migrated", "restored", "from snapshot", "unpaused", "migration canceled", "save canceled", "wakeup"),
    "paused": ("unknown", "user", "migration", "save", "dump", "io error", "watchdog", "from snapshot", "shutting down", "snapshot"),
    "stopped": ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot", "daemon"),
}
VERBS = {
    ("stopped", "running"): ["start"],
    ("crashed", "running"): ["start"],
    ("paused", "running"): ["resume"],
    ("suspended", "running"): ["wake"],
    ("stopped", "paused"): ["start_paused"],
    ("crashed", "paused"): ["start_paused"],
    ("running", "paused"): ["pause"],
    ("suspended", "paused"): ["wake", "pause"],
    ("running", "stopped"): ["stop"],
    ("paused", "stopped"): ["resume", "stop"],
    ("suspended", "stopped"): ["wake", "stop"],
    ("running", "restarted"): ["restart"],
    ("paused", "restarted"): ["resume", "restart"],
    ("suspended", "restarted"): ["wake", "restart"],
    ("stopped", "restarted"): ["start"],
    ("crashed", "restarted"): ["start"],
}
PRESS_AGAIN = 10  # seconds; a guest that is still booting ignores the first press
REFUSAL = 1  # seconds in which an agent that is not there has refused
AGENT, BUTTON = 2, 1  # virDomainShutdownFlagValues: GUEST_AGENT, ACPI_POWER_BTN


def state_of(domain):
    """(state, reason) in words; states are running, paused, stopped, crashed and suspended."""
    return words_of(*domain.state())


def words_of(number, reason):
    """libvirt's numbers in words."""
    state = STATES[number] if number < len(STATES) else "running"
    words = REASONS.get(state, ())
    return state, words[reason] if reason < len(words) else "unknown"


def verbs(have, want):
    """What leads from one state to another; nothing where it is reached."""
    return [] if have == want else VERBS.get((have, want), [])


def start(domain, paused=False):
    """Start it; a machine whose state was saved goes on where it was."""
    if state_of(domain)[0] in ("stopped", "crashed"):
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)


def pause(domain):
    """Hold its processors."""
    if state_of(domain)[0] == "running":
        domain.suspend()


def resume(domain):
    """Let its processors go on."""
    if state_of(domain)[0] == "paused":
        domain.resume()


def wake(domain):
    """Wake a guest that put itself to sleep."""
    if state_of(domain)[0] == "suspended":
        domain.pMWakeup(0)


def stop(domain, timeout, force=False):
    """Ask the guest to shut down and wait until it is off; with `force` pull the plug when the time is over.

    timeout: seconds. Raises IntakeError, reason `stop_timeout`; the machine runs then.
    """
    deadline, press, order = time.monotonic() + timeout, 0.0, None
    while is_on(domain):
        now = time.monotonic()
        if now >= deadline:
            if not force:
                raise IntakeError(
                    f"vm {domain.name()}: did not stop within {timeout} s and still runs; raise stop_timeout, or "
                    "force_stop: true pulls the plug and the guest may lose data",
                    "stop_timeout",
                )
            return pull_the_plug(domain)
        if now >= press:
            order, press = ask_to_stop(domain, order), now + PRESS_AGAIN
        time.sleep(0.25)
    return None


def is_on(domain):
    """True until it is off."""
    return state_of(domain)[0] not in ("stopped", "crashed")


def ask_to_stop(domain, order=None):
    """By the guest agent, and by the power button where it refuses; the second time by both, as one may be deaf.

    libvirt returns from an order to the agent when the guest is off or a minute is over, so it is given in a thread, and
    `order` is the thread of the last one. The button is pressed here alone: a thread might press that of the next boot.
    """
    again = order is not None
    if not again or not order.is_alive():
        order = threading.Thread(target=ask_agent, args=(domain.UUIDString(), domain.connect().getURI()), daemon=True)
        order.start()
        order.join(REFUSAL)
    if again or not order.is_alive():
        with contextlib.suppress(libvirt.libvirtError):  # whoever waits sees whether it helps
            domain.shutdownFlags(BUTTON)
    return order


def ask_agent(uuid, uri):
    """On a connection of its own: libvirt lets few calls of one client wait at a time."""
    with contextlib.suppress(IntakeError, libvirt.libvirtError), session(uri) as own:
        domain = own.connection.lookupByUUIDString(uuid)
        domain.agentSetResponseTimeout(5, 0)
        domain.shutdownFlags(AGENT)


def pull_the_plug(domain):
    """End QEMU, with its buffers written where it still can; a machine that went off meanwhile is fine."""
    for flags in (libvirt.VIR_DOMAIN_DESTROY_GRACEFUL, 0):
        try:
            domain.destroyFlags(flags)
            return
        except libvirt.libvirtError:
            if not is_on(domain):
                return
            if not flags:
                raise


def restart(domain, timeout, force=False):
    """Stop and start, so that a new definition takes effect; a reboot inside the guest would not do that."""
    stop(domain, timeout, force)
    start(domain)
