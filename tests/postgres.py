# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of a test run's own: its data in a temporary folder, reached by a socket in it, gone at the end."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
import time

OPTIONS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=60", "log_min_messages=fatal")
USER = "postgres"


def programs():
    """The folder of the newest server's programs; Debian keeps them out of PATH."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    assert found, "PostgreSQL is missing; install the package postgresql"
    return os.path.dirname(max(found, key=lambda path: int(path.split("/")[4])))


class Postgres:
    """A server that tests may stop and start. `dsn("name")` makes a database and answers how it is reached."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="intake-vms-pg-", dir="/var/tmp")
        self.bin, self.process, self.made = programs(), None, 0
        shutil.chown(self.folder, USER)
        os.chmod(self.folder, 0o755)  # others pass to the socket
        self.run("initdb", "-D", f"{self.folder}/data", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()

    def run(self, program, *words):
        """One of the server's programs, as its user."""
        argv = ["runuser", "-u", USER, "--", f"{self.bin}/{program}", *words]
        done = subprocess.run(argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self):
        """Start, and wait until it answers."""
        settings = [word for option in (*OPTIONS, f"unix_socket_directories={self.folder}") for word in ("-c", option)]
        argv = ["runuser", "-u", USER, "--", f"{self.bin}/postgres", "-D", f"{self.folder}/data", *settings]
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(argv, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.folder], check=False).returncode:
            assert time.monotonic() < deadline and self.process.poll() is None, open(f"{self.folder}/log").read()
            time.sleep(0.05)

    def stop(self):
        """Stop at once, with all sessions cut, as after a power failure but for the data."""
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-m", "fast", "-w", "stop")
        self.process.wait()

    def dsn(self, user=USER):
        """A new database, owned by `user`."""
        self.made += 1
        name = f"inventory{self.made}"
        self.sql(f"CREATE DATABASE {name} OWNER {user}")
        return f"host={self.folder} dbname={name} user={user}"

    def sql(self, text, database="postgres"):
        """What psql says, one line for each row."""
        return self.run("psql", "-h", self.folder, "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text).splitlines()

    def end(self):
        """Nothing of it is left."""
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder)
