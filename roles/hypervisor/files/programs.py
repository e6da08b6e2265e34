# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs with time limits, and what the journal is told. Nothing here waits for a server longer than it was allowed to."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile

GRACE = 2  # seconds for a killed program to be gone, where the kernel lets it
SILENT = "no answer within {} s"
VIRSH = ["virsh", "--quiet", "--connect", "qemu:///system"]
ANSWER = 60  # seconds for what libvirt only looks up
SAID: dict = {}  # subject: the last that was said of it


class Failed(Exception):
    """A program failed or did not end in time; its text is its last words."""


def run(argv, limit):
    """What a program prints, or Failed; one that does not end in `limit` seconds is killed and left to the kernel."""
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaints:
        environment = dict(os.environ, LC_ALL="C")
        try:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=told, stderr=complaints, env=environment, start_new_session=True)
        except OSError as error:
            raise Failed(f"{argv[0]}: {error.strerror}") from error
        code = ended(child, limit)
        told.seek(0)
        complaints.seek(0)
        if code:
            raise Failed(last_line(complaints.read()) or f"{argv[0]} failed, exit code {code}")
        return told.read().decode("utf-8", "surrogateescape")


def ended(child, limit):
    """The exit code of a child, or Failed."""
    try:
        return child.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        raise Failed(SILENT.format(limit))


def last_line(content):
    """The last words of a program."""
    lines = content.decode("utf-8", "replace").strip().splitlines()
    words = lines[-1].strip() if lines else ""
    return words[len("error: ") :] if words.startswith("error: ") else words


def virsh(*words, limit=ANSWER):
    """What virsh prints, or Failed."""
    return run([*VIRSH, *words], limit)


def names(*words):
    """The names that virsh lists, one on each line; those of storages are filled with blanks."""
    return [line.strip() for line in virsh(*words, "--name").splitlines() if line.strip()]


def say(subject, text):
    """Tell the journal; the same about the same only once."""
    if SAID.get(subject) != text:
        SAID[subject] = text
        print(f"{subject}: {text}", flush=True)
