# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role inventory_db keeps others off its database and its roles off all others, and takes up what an interrupted run left."""

from __future__ import annotations

import os
import re
import socket
import subprocess

import pytest
from cluster import PASSWORDS, as_postgres, changed, made_by_role

REJECTED = "pg_hba.conf rejects connection"


@pytest.fixture(scope="module", name="cluster")
def make():
    """The role has run once."""
    with made_by_role() as made:
        yield made


def stranger(cluster, database, *words):
    """What psql says to a superuser with a password, whom the distribution's rules would let in."""
    cluster.sql("DO $$ BEGIN CREATE ROLE stranger SUPERUSER LOGIN PASSWORD 'stranger-1'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    argv = ["psql", *words, "-p", str(cluster.port), "-U", "stranger", "-d", database, "-XAtqc", "SELECT 1"]
    done = subprocess.run(argv, env=dict(os.environ, PGPASSWORD="stranger-1"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.strip() + done.stderr.strip()


def test_nobody_else_comes_to_the_database(cluster):
    rules = cluster.files() / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    rules.write_text(f"{before}local all all trust\nhost all all all trust\n", encoding="utf-8")
    assert changed(cluster.role()) == 2  # it says that the file was written, and has it read
    assert stranger(cluster, "postgres", "-h", "127.0.0.1") == "1"
    for where in (("-h", "127.0.0.1"), ()):
        assert REJECTED in stranger(cluster, "inventory", *where)
    assert cluster.login("writer") == "1"
    for role in PASSWORDS:
        assert REJECTED in cluster.login(role, database="postgres")
    assert cluster.back_up().stat().st_size > 1000
    assert as_postgres("psql", "-p", cluster.port, "-XAtqc", "SELECT current_user", "-d", "inventory").stdout == "postgres\n"
    rules.write_text(before, encoding="utf-8")
    assert changed(cluster.role()) == 2
    assert changed(cluster.role()) == 0


def test_a_line_above_the_blocks_admits_one_more(cluster):
    rules = cluster.files() / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    rules.write_text(f"host inventory stranger 127.0.0.1/32 scram-sha-256\n{before}", encoding="utf-8")
    assert changed(cluster.role()) == 2
    assert stranger(cluster, "inventory", "-h", "127.0.0.1") == "1"
    rules.write_text(before, encoding="utf-8")
    assert changed(cluster.role()) == 2


@pytest.mark.parametrize(
    ("power", "said"), [("ALTER ROLE intake_reader CREATEDB BYPASSRLS", "NOCREATEDB NOBYPASSRLS"), ("GRANT pg_read_all_data TO intake_reader", "REVOKE")]
)
def test_a_role_with_more_is_refused_before_anything_has_moved(cluster, power, said):
    files = [cluster.files() / "pg_hba.conf", cluster.files() / "conf.d" / "intake_inventory.conf"]
    before = [path.read_text(encoding="utf-8") for path in files]
    cluster.sql(power)
    wanted = {"inventory_db_listen_addresses": ["127.0.0.1", "127.0.0.2"], "inventory_db_writer_password": "another-secret-2"}
    done = cluster.role(**wanted)
    assert done.returncode != 0
    assert "changed=0" in done.stdout
    assert [path.read_text(encoding="utf-8") for path in files] == before
    assert cluster.login("writer") == "1"
    words = " ".join(done.stdout.split())
    assert said in words and "name another role, or say" in words
    cluster.sql(re.search(r'or say ((ALTER|REVOKE) [A-Za-z_ ]+)"', words)[1])  # the sentence helps
    assert changed(cluster.role()) == 0


def written_and_not_taken_up(cluster, **settings):
    """The files of a run that was ended before it came to the restart."""
    path = cluster.files() / "conf.d" / "intake_inventory.conf"
    lines = {"port": cluster.port, **settings}
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    path.write_text(f"# Written by the role intake.vms.inventory_db.\n{text}", encoding="utf-8")


def test_addresses_of_an_interrupted_run_are_taken_up(cluster):
    wanted = {"inventory_db_listen_addresses": ["localhost", "127.0.0.2"]}
    written_and_not_taken_up(cluster, listen_addresses="'localhost,127.0.0.2'")
    foretold = cluster.role("--check", **wanted)
    assert changed(foretold) == 1
    assert "that it does not run with: it is restarted" in foretold.stdout
    assert "refused" in cluster.login("reader", host="127.0.0.2")
    assert changed(cluster.role(**wanted)) == 2  # it says so, and restarts
    assert cluster.login("reader", host="127.0.0.2") == "1"
    assert changed(cluster.role(**wanted)) == 0
    written_and_not_taken_up(cluster)  # the same the other way, where the line is gone
    assert changed(cluster.role("--check")) == 1
    assert changed(cluster.role()) == 2
    assert "refused" in cluster.login("reader", host="127.0.0.2")
    assert changed(cluster.role()) == 0


def test_a_port_of_an_interrupted_run_is_taken_up(cluster):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        new = free.getsockname()[1]
    written_and_not_taken_up(cluster, port=new)
    assert changed(cluster.role("--check", inventory_db_port=new)) == 1
    assert cluster.login("reader") == "1"
    assert changed(cluster.role(inventory_db_port=new)) == 2
    assert "refused" in cluster.login("reader")
    cluster.port = new
    assert cluster.login("reader") == "1"
    assert changed(cluster.role()) == 0


def test_a_setting_of_others_that_waits_for_a_restart_waits_on(cluster):
    other = cluster.files() / "conf.d" / "zz_other.conf"
    other.write_text("listen_addresses = 'localhost,127.0.0.4'\n", encoding="utf-8")
    cluster.sql("SELECT pg_reload_conf()")
    assert changed(cluster.role()) == 0
    assert cluster.sql("SHOW listen_addresses") == "localhost"
    other.unlink()
    cluster.sql("SELECT pg_reload_conf()")
