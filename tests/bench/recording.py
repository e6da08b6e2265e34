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

from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema

COUNT = 500
MORE = 4  # calls of a play with several
TURNS = 5
VARIABLE = "INTAKE_INVENTORY_DSN"


def measure(bench):
    """The same call in turns, without and with a database: as the only one of a play, and each further one of it."""
    print("recording in the inventory")
    server = Postgres()
    try:
        dsn = server.dsn()
        with client.connected(dsn) as connection:
            schema.migrate(connection)
        order = task(COUNT)
        play(bench, dsn, order)
        turns = [[play(bench, one, *[order] * count) for count in (1, MORE) for one in (None, dsn)] for _turn in range(TURNS)]
        play(bench, dsn, task(COUNT, state="absent"))
    finally:
        server.end()
    bare, recorded, bare_more, recorded_more = (statistics.median(values) for values in zip(*turns))
    say(bench, "in a play of its own", recorded, bare)
    say(bench, "each further in the play", (recorded_more - recorded) / (MORE - 1), (bare_more - bare) / (MORE - 1))


def say(bench, how, recorded, bare):
    """A row, and the share in words."""
    bench.row(f"{COUNT} VMs unchanged, recorded, {how}", recorded, bare=bare)
    bench.note(f"recording takes {100 * (recorded / bare - 1):.0f} % more than the same call without a database, {how} (aim: under 10 %)")


def play(bench, dsn, *orders):
    """Seconds of a play of these calls."""
    os.environ.pop(VARIABLE, None)
    if dsn:
        os.environ[VARIABLE] = dsn
    try:
        return bench.play(*({"intake.vms.intake_vm": order} for order in orders))
    finally:
        os.environ.pop(VARIABLE, None)
