# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The move itself: within a time limit, and with the truth about where the machine is when it did not work out."""

from __future__ import annotations

import contextlib
import threading
import time

from ...errors import IntakeError, NotReachable
from ...host.hypervisor import faults, libvirt
from ..vm import power
from . import notes
from .destination import within

GRACE = 30  # seconds that a migration which is called off has to end
AGAIN = 1  # seconds between two orders to end it; libvirt has no job to end while it prepares the destination
ADVICE = "Raise timeout, or use auto_converge: true for a guest that changes its memory faster than the network carries it"
UNKNOWN = "in an unknown state"


def move(have, there, want):
    """Move a machine, running or not; libvirt undefines it here when it is there. Raises IntakeError that says where it is."""
    outcome, seconds = {}, want["connect_timeout"]
    within(seconds, "libvirt on this host", lambda: notes.write(have.domain, there.identity(), have.autostart))
    work = threading.Thread(target=migrate, args=(have, there, want, outcome), daemon=True)
    work.start()
    work.join(want["timeout"])
    is_late = work.is_alive()
    if is_late:
        call_off(have.domain, work)
    if outcome.get("done"):
        return
    found = states(have, there, seconds)
    if found == (have.state, None) and not work.is_alive():
        drop_note(have, seconds)
    where = whereabouts(have, there, found)
    if is_late:
        raise IntakeError(f"vm {have.name}: {late(want, work.is_alive())}; {where}. {ADVICE}", "migration_timeout")
    raise IntakeError(f"vm {have.name}: could not be moved: {outcome.get('error')}; {where}", "migration_failed")


def late(want, is_alive):
    """What became of a migration that took too long, in words."""
    end = "and the migration does not end though it was called off" if is_alive else "so the migration was called off"
    return f"was not moved within {want['timeout']} s, {end}"


def migrate(have, there, want, outcome):
    """libvirt's own call, which returns when it is over."""
    try:
        have.domain.migrate3(there.connection, parameters(want), flags(have, want))
        outcome["done"] = True
    except faults() as error:
        outcome["error"] = error.get_error_message()


def flags(have, want):
    """A stopped machine only has its definition moved."""
    both = libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    if not have.is_active:
        return both | libvirt.VIR_MIGRATE_OFFLINE
    live = both | libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    return live | (libvirt.VIR_MIGRATE_AUTO_CONVERGE if want["auto_converge"] else 0)


def parameters(want):
    """libvirt's typed parameters."""
    found = {}
    if want["migrate_uri"]:
        found[libvirt.VIR_MIGRATE_PARAM_URI] = want["migrate_uri"]
    if want["bandwidth"]:
        found[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = want["bandwidth"]
    return found


def call_off(domain, work):
    """End the job as soon as there is one; the machine goes on where it ran."""
    deadline = time.monotonic() + GRACE
    while work.is_alive() and time.monotonic() < deadline:
        try:
            within(GRACE, "libvirt on this host", domain.abortJob)
        except (NotReachable, *faults()):
            pass  # there is no job yet, or no more
        work.join(AGAIN)


def drop_note(have, seconds):
    """It stays here, so nothing is left to be done; a note that stays is overwritten by the next move."""
    with contextlib.suppress(NotReachable, *faults()):
        within(seconds, "libvirt on this host", lambda: notes.clear(have.domain))


def verify(have, there, seconds):
    """Raises IntakeError unless the destination has it in the state it was in, and this host has it no more."""
    found = states(have, there, seconds)
    if found != (None, have.state):
        raise IntakeError(f"vm {have.name}: libvirt says it was moved, but {whereabouts(have, there, found)}", "migration_unverified")


def whereabouts(have, there, found):
    """Where the machine is now, in words; `found` are its states on both hosts."""
    here, other = found
    name = there.identity()["hostname"]
    if found == (None, None):
        return f"it is neither on this host nor on {name}"
    if other is None:
        return f"it is {here} on this host, as before" if here == have.state else f"it is {here} on this host"
    if here is None:
        return f"it is {other} on {name} now"
    return f"it is {here} on this host and {other} on {name}"


def states(have, there, seconds):
    """Its state on this host and on the destination, each of which has so many seconds; None where it is not defined."""
    return tuple(state_on(connection, have.uuid, seconds) for connection in (have.domain.connect(), there.connection))


def state_on(connection, uuid, seconds):
    """Its state there, None where it is not defined, UNKNOWN where that host does not tell."""
    try:
        return within(seconds, "it", lambda: power.state_of(connection.lookupByUUIDString(uuid))[0])
    except NotReachable:
        return UNKNOWN
    except faults() as error:
        return None if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN else UNKNOWN
