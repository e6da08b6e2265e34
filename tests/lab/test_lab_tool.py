# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lab.py itself: two labs beside each other, nothing left behind, what a killed run left is cleaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TOOL = [sys.executable, "-B", str(Path(__file__).resolve().with_name("lab.py"))]


def tool(folder, *words):
    """The finished process."""
    return subprocess.run([*TOOL, "--folder", folder, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.fixture
def other(lab):
    """A folder for a second lab, beside the one of the other tests."""
    parent = Path(tempfile.mkdtemp(prefix="ivtlab-", dir="/var/tmp"))
    yield parent / "lab"
    tool(parent / "lab", "down")
    parent.rmdir()


def processes(folder):
    """Of QEMU and ssh that serve this lab."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if f"{folder}/".encode() in words and words.startswith((b"qemu-system", b"ssh")):
            found.append(int(path.parent.name))
    return found


def test_a_second_lab_runs_beside_and_leaves_nothing(lab, other):
    done = tool(other, "up", "--hosts", "1")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == other / "inventory.yml"
    assert tool(other, "ssh", "lab1", "hostname").stdout.strip() == "lab1"
    assert tool(other, "ssh", "--user", "ops", "lab1", "sudo -n id -u").stdout.strip() == "0"
    assert tool(other, "up", "--hosts", "1").returncode == 0, "a lab that runs is kept"
    assert len(processes(other)) >= 1
    assert tool(other, "down").returncode == 0
    assert not other.exists()
    deadline = time.monotonic() + 20
    while processes(other) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes(other) == []
    assert lab.run("lab1", ["hostname"]).stdout.strip() == "lab1"


def test_a_restored_host_is_as_it_was_when_it_came_up(lab, other):
    assert "first: lab.py up" in tool(other, "restore").stderr
    assert tool(other, "up", "--hosts", "1").returncode == 0
    assert tool(other, "ssh", "lab1", "echo more >/root/more; sync").returncode == 0
    done = tool(other, "restore")
    assert done.returncode == 0, done.stderr
    assert tool(other, "ssh", "lab1", "test ! -e /root/more && hostname").stdout.strip() == "lab1"


def test_what_a_killed_lab_left_is_recognised(lab, other):
    assert tool(other, "up", "--hosts", "1").returncode == 0
    pid = int((other / "lab1.pid").read_text(encoding="ascii"))
    (other / "lab1.pid").write_text(str(os.getpid()), encoding="ascii")
    assert "off" in tool(other, "list").stdout, "this test is not its QEMU"
    (other / "lab1.pid").write_text(str(pid), encoding="ascii")
    os.kill(pid, signal.SIGKILL)
    (other / "left").touch()
    done = tool(other, "up", "--hosts", "1")
    assert done.returncode == 0, done.stderr
    assert "discarding what an earlier lab left" in done.stderr
    assert not (other / "left").exists()


def test_a_lab_whose_owner_is_gone_is_taken_down(lab, other):
    orphan = other.parent / "orphan"
    orphan.mkdir()
    (orphan / "owner").touch()
    assert tool(orphan, "up", "--hosts", "1").returncode == 0
    done = tool(other, "up", "--hosts", "1")
    assert done.returncode == 0, done.stderr
    assert "who started it is gone" in done.stderr
    assert not orphan.exists() and processes(orphan) == []


def test_words_for_what_is_not_there(other):
    assert "first: lab.py up" in tool(other, "ssh", "lab1", "true").stderr
    assert "first: lab.py up" in tool(other, "inventory").stderr
    assert tool(other, "list").stdout == ""
    assert tool(other, "down").returncode == 0
    assert "a lab has 1 to 4 hosts" in tool(other, "up", "--hosts", "9").stderr
    assert "longer than" in tool(f"/var/tmp/{'x' * 90}", "up").stderr


def test_a_machine_without_qemu_is_told_what_is_missing(other):
    done = subprocess.run([*TOOL, "--folder", other, "up"], env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert done.returncode == 77
    assert "install the package qemu-system-x86" in done.stderr
