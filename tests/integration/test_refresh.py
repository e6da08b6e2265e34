# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A storage is looked at while others make and remove files in it."""

from __future__ import annotations

import os
import subprocess
import time

import shared_storage

SECONDS = 15
CHURN = f"cd {{}} && timeout {SECONDS} sh -c 'while :; do for i in 1 2 3 4 5 6 7 8 9 10 11 12; do : >t$i; done; rm -f t*; done'; rm -f t*"


def others_at_work(path):
    """A process that makes and removes files, on the server where there is one: only other clients' files become stale."""
    where = ["sh", "-c", CHURN.format(path)]
    if shared_storage.ASKED:
        _version, server, export = shared_storage.ASKED.split(",")
        where = ["ssh", server, CHURN.format(export)]
    return subprocess.Popen(where, stdin=subprocess.DEVNULL)


def test_files_that_others_take_away_are_simply_gone(storage, run_tasks):
    asked = [(f"intake_{kind}_info", {key: storage.name}, False) for kind, key in (("volume", "storage"), ("image", "storage"), ("storage", "names"))]
    end = time.monotonic() + SECONDS
    with others_at_work(storage.path) as others:
        while time.monotonic() < end:
            for result in run_tasks(*asked):
                assert not result.get("failed") and not result.get("warnings") and not result["unreadable"], result
    assert others.returncode == 0


def test_files_that_others_take_away_stop_no_storage(storage, connection):
    from ansible_collections.intake.vms.plugins.module_utils.host.hypervisor import session

    pool, end, mounted = connection.storagePoolLookupByName(storage.name), time.monotonic() + SECONDS, os.path.ismount(storage.path)
    with others_at_work(storage.path) as others, session("qemu:///system") as hypervisor:
        while time.monotonic() < end:
            hypervisor.refresh(storage.name)
            assert pool.isActive() and os.path.ismount(storage.path) is mounted
    assert others.returncode == 0
