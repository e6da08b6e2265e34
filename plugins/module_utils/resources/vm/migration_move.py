# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The move itself: within a time limit, and with the truth about where the machine is when it did not work out."""

from __future__ import annotations

import threading
import time

from ...errors import IntakeError
from ...hypervisor import faults, libvirt
from . import power

GRACE = 30  # seconds that a migration which is called off has to end
AGAIN = 1  # seconds between two orders to end it; libvirt has no job to end while it prepares the destination


def move(have, there, want):
    """Move a machine, running or not; libvirt undefines it here when it is there. Raises IntakeError that says where it is."""
    outcome = {}
    work = threading.Thread(target=migrate, args=(have, there, want, outcome), daemon=True)
    work.start()
    work.join(want["timeout"])
    is_late = work.is_alive()
    if is_late:
        call_off(have.domain, work)
    if outcome.get("done"):
        return
    where = whereabouts(have, there)
    if is_late:
        said = f"was not moved within {want['timeout']} s, so the migration was called off" if not work.is_alive() else (
            f"was not moved within {want['timeout']} s, and the migration does not end though it was called off"
        )
        raise IntakeError(
            f"vm {have.name}: {said}; {where}. Raise timeout, or use auto_converge: true for a guest that changes its memory "
            "faster than the network carries it",
            "migration_timeout",
        )
    raise IntakeError(f"vm {have.name}: could not be moved: {outcome.get('error')}; {where}", "migration_failed")


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
            domain.abortJob()
        except faults():
            pass  # there is no job yet, or no more
        work.join(AGAIN)


def whereabouts(have, there):
    """Where the machine is now, in words, from a look at both hosts."""
    here = state_on(have.domain.connect(), have.uuid)
    other = state_on(there.connection, have.uuid)
    name = there.identity()["hostname"]
    if other is None:
        return f"it is {here} on this host, as before" if here == have.state else f"it is {here or 'nowhere to be found'} on this host"
    if here is None:
        return f"it is {other} on {name} now"
    return f"it is {here} on this host and {other} on {name}"


def state_on(connection, uuid):
    """Its state there, None where it is not defined, `unknown` where that host does not tell."""
    try:
        return power.state_of(connection.lookupByUUIDString(uuid))[0]
    except faults() as error:
        return None if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN else "unknown"
