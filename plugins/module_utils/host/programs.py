# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host, run by argument list and with a time limit; never through a shell."""

from __future__ import annotations

import os
import shutil
import subprocess

from ..errors import IntakeError

SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(*names):
    """The path of the first program that is installed, sbin included, or None."""
    path = os.environ.get("PATH", "") + ":" + SEARCHED
    return next((found for found in (shutil.which(name, path=path) for name in names) if found), None)


def run(argv, timeout=60, stdin=None, accept=(0,)):
    """Standard output of a program; its exit code must be accepted.

    argv: list, the program first. timeout: seconds. stdin: text or None.
    Raises IntakeError with the program's last words: reason `program_missing`, `timeout` or `program_failed`.
    """
    return complete(argv, timeout, stdin, accept).stdout


def complete(argv, timeout=60, stdin=None, accept=(0,)):
    """The same as `run`, with exit code and standard error beside the output."""
    argv = [str(word) for word in argv]
    program = find(argv[0])
    if not program:
        raise IntakeError(f"the program {argv[0]} is not installed on this host", "program_missing")
    try:
        done = subprocess.run(
            [program] + argv[1:],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            env=dict(os.environ, LC_ALL="C"),
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise IntakeError(f"{argv[0]} did not end within {timeout} s", "timeout") from late
    if done.returncode not in accept:
        raise IntakeError(f"{argv[0]} failed: {last_words(done)}", "program_failed")
    return done


def last_words(done):
    """What a failed program said last, or its exit code."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return "; ".join(line.strip() for line in lines[-3:]) or f"exit code {done.returncode}"
