# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's way to a host of the lab on which far.py runs: all as over SSH, but a module's interpreter is there already."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

sys.path.append(str(Path(__file__).resolve().parents[1]))

from near import ask

DOCUMENTATION = """
name: forks
short_description: A host of the lab, reached by a socket
description: For tests, as root.
author: intake.vms contributors
extends_documentation_fragment:
  - connection_pipelining
options:
  socket:
    description: Where far.py of the host is reached.
    required: true
    vars:
      - name: ansible_forks_socket
"""
PIPED = re.compile(r"/bin/sh -c '(\S*/python3) && sleep 0'")  # a module on the interpreter's input, without an environment of its own


class Connection(ConnectionBase):
    """Commands and files by questions to far.py."""

    transport = "forks"
    has_pipelining = True

    def _connect(self):
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self.ask(None if in_data and PIPED.fullmatch(cmd) else ["/bin/sh", "-c", cmd], in_data or b"")

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        code, _output, errors = self.ask(["dd", "bs=1M", "status=none", f"of={out_path}"], Path(in_path).read_bytes())
        if code:
            raise AnsibleConnectionFailure(errors.decode())

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        code, output, errors = self.ask(["cat", in_path])
        if code:
            raise AnsibleConnectionFailure(errors.decode())
        Path(out_path).write_bytes(output)

    def ask(self, argv, body=b""):
        try:
            return ask(self.get_option("socket"), argv, body)
        except (OSError, ValueError) as error:
            raise AnsibleConnectionFailure(f"{self._play_context.remote_addr}: {error}")

    def close(self):
        """Nothing stays open between two commands."""
