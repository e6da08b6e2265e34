# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reaper.py PROGRAM [ARGUMENTS]: runs a daemon in the background, and takes in at once what its children leave behind.

libvirt waits until a killed QEMU has left the table of processes. QEMU is no child of libvirtd but of the first process, which in a
container may look for its dead only every other second: a machine's end takes 2 s there, and here 0.1 s.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main(argv):
    """The daemon's exit code, when it has gone to the background."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    return os.spawnvp(os.P_WAIT, argv[0], argv)


def reap():
    """Until there is nobody left."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    READ, WRITE = os.pipe()
    if os.fork():
        os.close(WRITE)
        sys.exit(int(os.read(READ, 1) != b"0"))
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.write(WRITE, b"0" if main(sys.argv[1:]) == 0 else b"1")
    for stream in (READ, WRITE, 0, 1, 2):
        os.close(stream)
    reap()
