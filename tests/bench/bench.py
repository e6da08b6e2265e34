# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the collection against bare libvirt-python and against its peers, in one run."""

from __future__ import annotations

import sys

import clones
import machines
import provisioning
import recording
import volumes
from workbench import Workbench

import inventory

PARTS = {
    "vms": machines.measure,
    "volumes": volumes.measure,
    "provision": provisioning.measure,
    "clones": clones.measure,
    "recording": recording.measure,
    "inventory": inventory.measure,
}


def main(asked):
    """Run the parts that were asked for, all of them by default, and print one table."""
    unknown = set(asked) - set(PARTS)
    if unknown:
        sys.exit(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with Workbench() as bench:
        for name in asked or PARTS:
            PARTS[name](bench)
        bench.print_table()


if __name__ == "__main__":
    main(sys.argv[1:])
