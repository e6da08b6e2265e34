# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recording in the inventory adds to a call that changes nothing."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from machines import task
from postgres import Postgres

from ansible_collections.intake.vms.plugins.plugin_utils import database, schema

COUNT = 500
TURNS = 5
VARIABLE = "INTAKE_INVENTORY_DSN"


def measure(bench):
    """The same call in turns, without and with a database."""
    print("recording in the inventory")
    server = Postgres()
    try:
        dsn = server.dsn()
        with database.connected(dsn) as connection:
            schema.migrate(connection)
        play(bench, dsn, task(COUNT))
        turns = [(play(bench, None, task(COUNT)), play(bench, dsn, task(COUNT))) for _turn in range(TURNS)]
        play(bench, dsn, task(COUNT, state="absent"))
    finally:
        server.end()
    without, recorded = (statistics.median(values) for values in zip(*turns))
    bench.row(f"{COUNT} VMs unchanged, recorded", recorded, bare=without)
    bench.note(f"recording takes {100 * (recorded / without - 1):.0f} % more than the same call without a database (aim: under 10 %)")


def play(bench, dsn, order):
    """Seconds of one call."""
    os.environ.pop(VARIABLE, None)
    if dsn:
        os.environ[VARIABLE] = dsn
    try:
        return bench.play({"intake.vms.intake_vm": order})
    finally:
        os.environ.pop(VARIABLE, None)
