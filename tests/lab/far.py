# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a host of the lab: commands and programs in Python that come by a socket, in forks of a process that has imported what modules import.

A program gets what `python3` with it on standard input would, without the seconds that its start takes on an emulated host.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

PLACE = "/root/intake-vms-far"
SOCKET = "/run/intake-vms-far.sock"
OTHERS = ["ansible.module_utils._internal._ansiballz._loader", "ansible.modules.command", "runpy", "zipfile"]
OTHERS += [f"ansible.module_utils._internal._json._profiles._module_legacy_{way}" for way in ("c2m", "m2c")]


def main(digest):
    """Until a question says to end; `digest` is that of the code which is imported."""
    sys.path[:0] = [f"{PLACE}/packages", f"{PLACE}/collections", f"{PLACE}/vms/tests"]
    collections = Path(PLACE, "collections/ansible_collections/intake")
    collections.mkdir(parents=True, exist_ok=True)
    (collections / "vms").is_symlink() or (collections / "vms").symlink_to(f"{PLACE}/vms")
    warm()
    gc.freeze()
    Path(SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(SOCKET)
        listener.listen(16)
        print("ready", flush=True)
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
        while True:
            answered(listener, digest)


def warm():
    """Import what modules import; one that this version of Ansible has not is not needed."""
    from forked import MODULES, NAMES

    for name in [*OTHERS, *(f"{MODULES}.{name}" for name in NAMES)]:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            print(f"{name}: {error}", file=sys.stderr)


def answered(listener, digest):
    """One question, in a process of its own."""
    line, _address = listener.accept()
    with line:
        if not os.fork():
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with line.makefile("rwb") as stream:
                code, output, errors = answer(json.loads(stream.readline()), stream, digest)
                stream.write(json.dumps([code, len(output), len(errors)]).encode() + b"\n" + output + errors)
            os._exit(0)


def answer(asked, stream, digest):
    """(code, output, errors) of a command, of a program in Python where there is none; without a word of it this ends."""
    from forking import forked

    body = stream.read(asked["size"])
    if asked["argv"]:
        done = subprocess.run(asked["argv"], input=body, capture_output=True, check=False, start_new_session=True)
        return done.returncode, done.stdout, done.stderr
    if asked["argv"] is not None:
        os.kill(os.getppid(), signal.SIGTERM)
        return 0, b"", b""
    if asked["digest"] != digest:
        return 1, b"", b"this checkout has changed since it was brought to the host; again: lab.py forks"
    code, output, errors = forked(program, body)
    return code, output.encode(), errors.encode()


def program(source):
    """What the interpreter makes of a program on its standard input."""
    os.setsid()
    sys.argv = [""]
    exec(compile(source, "<stdin>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main(*sys.argv[1:])
