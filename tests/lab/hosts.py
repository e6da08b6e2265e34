# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab host: what is written down of it, and the way in by SSH."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import qemu
from image import LabError

PATIENCE = 600  # seconds a host may take to boot; on idle cores a pair needs one or two minutes
READY = """
date --set=@{now} >/dev/null
systemctl is-system-running --wait
systemctl --failed --plain --no-legend | cut -d ' ' -f 1 | tr '\\n' ' '; echo
virsh -q -c qemu:///system uri
"""


@dataclass
class Host:
    """All else follows from its name, number and folder."""

    name: str
    number: int
    port: int
    folder: str
    image: str
    peers: list  # numbers of all hosts of the lab

    as_dict = asdict

    @property
    def address(self):
        return f"10.77.0.{self.number}"

    @property
    def uuid(self):
        """The same in every lab, since a kept state knows it."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.intake.vms"))

    def file(self, kind):
        """Path of one of its files."""
        return os.path.join(self.folder, f"{self.name}.{kind}")

    def ssh_options(self):
        """The same for people, Ansible and this tool: one connection per host and user, which stays."""
        values = ["ControlMaster=auto", "ControlPersist=600", f"ControlPath={self.folder}/%p-%r", "UserKnownHostsFile=/dev/null"]
        values += ["StrictHostKeyChecking=no", "LogLevel=ERROR", "IdentitiesOnly=yes", "ServerAliveInterval=20", "ServerAliveCountMax=6"]
        return ["-F", "none", *(part for value in values for part in ("-o", value))]

    def ssh(self, user="root"):
        """The command that logs in."""
        return ["ssh", *self.ssh_options(), "-i", os.path.join(self.image, "key"), "-p", str(self.port), f"{user}@127.0.0.1"]

    def hang_up(self):
        """End the connections that stay, so that none waits for a host that is gone."""
        for path in Path(self.folder).glob(f"{self.port}-*"):
            command = ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "127.0.0.1"]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
            path.unlink(missing_ok=True)

    def greets(self):
        """Whether its SSH server answers; QEMU itself accepts every connection."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                return line.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait_until_ready(self):
        """SSH answers, systemd has finished, libvirt answers. Says how that went, and what systemd could not start."""
        started = time.monotonic()
        while not self.greets():
            if not qemu.running(self):
                raise LabError(f"{self.name} ended while it booted; the end of its console:\n{self.console()}")
            if time.monotonic() > started + PATIENCE:
                raise LabError(f"{self.name} does not answer by SSH after {PATIENCE} s; the end of its console:\n{self.console()}")
            time.sleep(0.5)
        command = [*self.ssh(), READY.format(now=int(time.time()))]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} answers by SSH, and its systemd did not finish to start within {PATIENCE} s")
        state, failed, uri = (done.stdout.split("\n") + ["", "", ""])[:3]
        if uri != "qemu:///system":
            raise LabError(f"{self.name} is {state or 'silent'}, and its libvirt does not answer: {done.stderr.strip()}")
        return f"{state} ({failed.strip()} failed)" if failed.strip() else state

    def console(self):
        """The last lines of its serial console."""
        with open(self.file("log"), encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-20:])
