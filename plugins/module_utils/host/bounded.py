# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that may hang in the kernel, such as a look at a mount whose server is gone, in child processes with a time limit."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import time


def call(work, timeout):
    """What `work` returns (plain data), or None where it does not end within so many seconds."""
    return call_all({"": work}, timeout).get("")


def call_all(works, timeout):
    """{key: what its work returned}, all at the same time; a key is missing whose work did not end within `timeout` seconds.

    Work runs in a child process: what it changes in this one is lost. Raises nothing; work that fails counts as not ended.
    """
    waiting, parts, done = {}, {}, {}
    for key, work in works.items():
        reader, child = begin(work)
        waiting[reader], parts[reader] = (key, child), b""
    deadline = time.monotonic() + timeout
    while waiting:
        ready = select.select(list(waiting), [], [], max(0, deadline - time.monotonic()))[0]
        for reader in ready:
            part = os.read(reader, 65536)
            parts[reader] += part
            if not part:
                key, child = waiting.pop(reader)
                finish(reader, child, parts[reader], key, done)
        if not ready and time.monotonic() >= deadline:
            for reader, (_key, child) in waiting.items():
                give_up(reader, child)
            break
    return done


def begin(work):
    """Start one: (end of the pipe it tells through, process id)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            gc.disable()  # it could close libvirt's connection, which is the parent's
            only_descriptor(writer)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(json.dumps(work()).encode("utf-8", "backslashreplace"))
        finally:
            os._exit(0)
    os.close(writer)
    return reader, child


def only_descriptor(kept):
    """Let go of everything else, so that a hung child keeps nobody waiting for the end of its output."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.closerange(3, kept)
    os.closerange(kept + 1, 65536)


def finish(reader, child, text, key, done):
    """Keep what a child that ended has told."""
    os.close(reader)
    os.waitpid(child, 0)
    try:
        done[key] = json.loads(text.decode("utf-8"))
    except ValueError:
        pass


def give_up(reader, child):
    """Leave a child that does not come back; one that hangs in the kernel cannot even be killed, so it is not waited for."""
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, os.WNOHANG)
