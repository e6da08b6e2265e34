# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError
from ansible_collections.intake.vms.plugins.module_utils.locking import locks

HOLDER = """
import sys, time
from ansible_collections.intake.vms.plugins.module_utils.locking import locks
with locks.hold(sys.argv[2].split(), sys.argv[3].split(), path=sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Starts another process that holds locks; all of them end with the test."""
    started = []

    def start(exclusive="", shared=""):
        argv = [sys.executable, "-c", HOLDER, str(tmp_path / "locks"), exclusive, shared]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def take(tmp_path, exclusive=(), shared=(), timeout=0.3):
    with locks.hold(exclusive, shared, timeout, str(tmp_path / "locks")):
        return True


def test_a_taken_lock_is_waited_for_and_its_holder_named(tmp_path, other):
    process = other("vm/web1")
    start = time.monotonic()
    with pytest.raises(IntakeError, match=f"vm web1: another run is changing it .process {process.pid}.") as caught:
        take(tmp_path, ["vm/web1"])
    assert caught.value.reason == "locked"
    assert time.monotonic() - start < 5


def test_other_names_do_not_wait(tmp_path, other):
    other("vm/web1")
    assert take(tmp_path, [f"vm/web{number}" for number in range(2, 1000)])


def test_shared_locks_go_together_and_exclude_an_exclusive_one(tmp_path, other):
    other("", "storage/fast")
    assert take(tmp_path, shared=["storage/fast"])
    with pytest.raises(IntakeError):
        take(tmp_path, exclusive=["storage/fast"])


def test_a_killed_holder_leaves_nothing(tmp_path, other):
    process = other("vm/web1")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert take(tmp_path, ["vm/web1"])


def test_a_block_within_a_block_gives_nothing_away(tmp_path, other):
    path = str(tmp_path / "locks")
    with locks.hold(["vm/a"], path=path):
        with locks.hold(["vm/a", "vm/b"], path=path):
            pass
        code = (
            "import sys; from ansible_collections.intake.vms.plugins.module_utils.locking import locks\n"
            "print(locks.holder('vm/a', sys.argv[1]), locks.holder('vm/b', sys.argv[1]))"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        asked = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, env=environment, check=True)
        assert asked.stdout.split() == [str(os.getpid()), "None"]
