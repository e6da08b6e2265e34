# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program so that it dies with the build, and say its last words when it fails."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SAID = 25  # lines of a failed program worth showing


def run(command, quiet=False, env=None, stdin=subprocess.DEVNULL):
    """Raises SystemExit with the program's last lines; `quiet` keeps going."""
    libc = ctypes.CDLL(None)
    outcome = subprocess.run(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dict(os.environ, LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin", **(env or {})),
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        check=False,
        close_fds=False,
    )
    if outcome.returncode and not quiet:
        said = "\n".join(outcome.stdout.splitlines()[-SAID:])
        raise SystemExit(f"golden_image: {command[0]} failed ({outcome.returncode}):\n{said}")
