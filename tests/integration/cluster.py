# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL cluster of a test's own, which the role inventory_db makes and keeps; nothing of it is left at the end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest
from golden_image import run_role

PROGRAM = Path("/usr/local/sbin/intake-vms-inventory-backup")
PASSWORDS = {"owner": "own'er \\pass/%@1", "writer": "writer-secret-1", "reader": "reader-secret-1"}
ANY = {"owner": "intake_owner", "writer": "intake_writer", "reader": "intake_reader"}
DENIED = "permission denied"


def changed(done):
    """The number of changed tasks in the recap."""
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"changed=(\d+)", done.stdout)[1])


def as_postgres(*words, **more):
    """One program as the server's user; answers the finished process."""
    argv = ["runuser", "-u", "postgres", "--", *map(str, words)]
    return subprocess.run(argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **more)


class Cluster:
    """What a test run has of its own: a cluster's name, a port, a folder for backups."""

    def __init__(self):
        self.name = f"ivt{uuid.uuid4().hex[:8]}"
        self.folder = Path(tempfile.mkdtemp(prefix="intake-vms-db-", dir="/var/tmp"))
        self.folder.chmod(0o711)
        self.backups = self.folder / "backups"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def role(self, *arguments, **more):
        """The role, with its variables changed by `more`."""
        values = {f"inventory_db_{role}_password": password for role, password in PASSWORDS.items()}
        values |= {"inventory_db_cluster": self.name, "inventory_db_port": self.port, "inventory_db_backup_directory": self.backups}
        return run_role("inventory_db", *arguments, **(values | more))

    def line(self):
        """The words of pg_lsclusters about it, [] where there is none."""
        lines = subprocess.run(["pg_lsclusters", "-h"], capture_output=True, text=True, check=True).stdout.splitlines()
        return next((line.split() for line in lines if line.split()[1] == self.name), [])

    def sql(self, text, database="inventory"):
        """What psql says to the superuser."""
        done = as_postgres("psql", "--port", self.port, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def login(self, role, text="SELECT 1", password=None, database="inventory", host="127.0.0.1", sslmode="prefer"):
        """What psql says to a role that logs in over TCP: output and errors in one."""
        environment = dict(os.environ, PGPASSWORD=password or PASSWORDS[role], PGSSLMODE=sslmode)
        argv = ["psql", "--host", host, "--port", str(self.port), "-XAtq", "-U", ANY[role], "-d", database, "-c", text]
        done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return done.stdout.strip() + done.stderr.strip()

    def whole_name(self):
        """Version and name, as PostgreSQL's programs on Debian take them."""
        return f"{self.line()[0]}/{self.name}"

    def files(self):
        """Where its configuration is."""
        return Path("/etc/postgresql", self.whole_name())

    def back_up(self, keep=14):
        """The program as the timer runs it; answers the path of the dump."""
        done = as_postgres(PROGRAM, self.whole_name(), "inventory", self.backups, keep)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    def end(self):
        """Nothing of it is left."""
        found = self.line()
        if found:
            subprocess.run(["pg_dropcluster", "--stop", found[0], self.name], cwd="/", check=True)
        shutil.rmtree(self.folder)
        for path in (*Path("/etc/cron.d").glob(f"*{self.name}*"), *Path("/etc/systemd/system").glob(f"*{self.name}*")):
            path.unlink()


@contextlib.contextmanager
def made_by_role():
    """A Cluster on which the role has run once, after a check run that made nothing; what they said is in `foretold` and `first`."""
    if not shutil.which("pg_lsclusters"):
        pytest.skip("needs the package postgresql")
    there, made = PROGRAM.exists(), Cluster()
    try:
        made.foretold = made.role("--check")
        made.untouched = not made.line() and not made.backups.exists()
        made.first = made.role("-vvv", "--diff")
        assert made.first.returncode == 0, made.first.stdout + made.first.stderr
        yield made
    finally:
        made.end()
        if not there:
            PROGRAM.unlink(missing_ok=True)
