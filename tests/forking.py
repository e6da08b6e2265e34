# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in forks of a process that has imported what takes long to import. That process has neither threads nor connections."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback


class Servers:
    """A forking process for each thread that asks; `end()` ends them."""

    def __init__(self, script, environment):
        self.script, self.environment, self.servers, self.own = script, environment, [], threading.local()

    def ask(self, *question):
        """The answer, both as JSON has them."""
        if not hasattr(self.own, "server"):
            argv = [sys.executable, self.script]
            self.own.server = subprocess.Popen(argv, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.servers.append(self.own.server)
        self.own.server.stdin.write(json.dumps(question) + "\n")
        self.own.server.stdin.flush()
        return json.loads(self.own.server.stdout.readline())

    def end(self):
        """No more questions."""
        for server in self.servers:
            server.stdin.close()
            server.stdout.close()
            server.wait()


def serve(answer):
    """The forking process: each line of the input is a question, each line of the output what `answer` made of it."""
    questions, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    gc.freeze()  # what is there stays, so that no fork touches, and thereby copies, all of it
    for line in questions:
        answers.write(json.dumps(answer(*json.loads(line))) + "\n")
        answers.flush()


def forked(perform, *arguments):
    """[exit code, output, errors] of a function in a process of its own; the code is negative where a signal ended it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output, tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            os._exit(exit_code(perform, arguments))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        errors.seek(0)
        return [code, output.read(), errors.read()]


def exit_code(perform, arguments):
    """What the interpreter would make of the function's end."""
    sys.stdin = open(os.devnull, encoding="utf-8")
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))
    code = 0
    try:
        perform(*arguments)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
