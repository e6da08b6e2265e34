# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role inventory_db on this machine, with a PostgreSQL cluster of the test's own, dropped at the end."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import jinja2
import pytest
import yaml
from cluster import ANY, DENIED, PASSWORDS, PROGRAM, as_postgres, changed, made_by_role
from golden_image import ROOT

ROLE = ROOT / "roles" / "inventory_db"


@pytest.fixture(scope="module", name="cluster")
def make():
    """The role has run once."""
    with made_by_role() as made:
        yield made


def test_check_mode_on_a_machine_without_the_cluster_foretells_it(cluster):
    assert changed(cluster.foretold) == 1
    assert f"make and start the cluster {cluster.name}" in cluster.foretold.stdout
    assert cluster.untouched


def test_second_run_changes_nothing(cluster):
    assert changed(cluster.role()) == 0
    assert changed(cluster.role("--check")) == 0


def test_passwords_are_in_no_output_and_in_no_log(cluster):
    log = Path(cluster.line()[6]).read_text(encoding="utf-8")
    for password in PASSWORDS.values():
        assert password not in cluster.first.stdout + cluster.first.stderr + log
    assert "SCRAM-SHA-256$" not in cluster.first.stdout + cluster.first.stderr + log


def test_roles_may_do_what_they_are_for_and_no_more(cluster):
    assert cluster.login("reader", "SELECT count(*) FROM intake.vms") == "0"
    assert DENIED in cluster.login("reader", "DELETE FROM intake.vms")
    assert cluster.login("writer", "DELETE FROM intake.vms") == ""
    for role in ("writer", "reader"):
        for statement in ("CREATE SCHEMA x", "CREATE TABLE public.x (y int)", "CREATE TEMP TABLE x (y int)", "DELETE FROM intake.schema_versions"):
            assert DENIED in cluster.login(role, statement)
    assert cluster.login("owner", "CREATE SCHEMA x; DROP SCHEMA x") == ""
    assert "must be owner" in cluster.login("owner", "ALTER DATABASE inventory RENAME TO other")
    assert cluster.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'intake%' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication)") == "0"


def test_a_changed_password_is_changed_in_place_and_logged_nowhere(cluster):
    cluster.sql("ALTER SYSTEM SET log_statement = 'all'")
    cluster.sql("SELECT pg_reload_conf()")
    new = {"inventory_db_reader_password": "another-secret-2"}
    assert changed(cluster.role("--check", **new)) == 1
    assert cluster.login("reader") == "1"
    done = cluster.role("-vvv", **new)
    assert changed(done) == 1
    assert "login and password of role intake_reader" in done.stdout
    assert "authentication failed" in cluster.login("reader")
    assert cluster.login("reader", password="another-secret-2") == "1"
    log = Path(cluster.line()[6]).read_text(encoding="utf-8")
    assert "another-secret-2" not in log + done.stdout
    assert "SCRAM-SHA-256$" not in log + done.stdout
    assert changed(cluster.role()) == 1
    assert cluster.login("reader") == "1"
    cluster.sql("ALTER SYSTEM RESET log_statement")
    cluster.sql("SELECT pg_reload_conf()")


def greeting(cluster, tls):
    """What the server says to the reader who comes from 127.0.0.3: which kind of login it wants, or its refusal."""
    words = "".join(f"{word}\0" for word in ("user", "intake_reader", "database", "inventory", "")).encode()
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=10, source_address=("127.0.0.3", 0)) as connection:
        if tls:
            connection.sendall(struct.pack("!ii", 8, 80877103))  # SSLRequest
            assert connection.recv(1) == b"S"
            connection = ssl._create_unverified_context().wrap_socket(connection)
        connection.sendall(struct.pack("!ii", len(words) + 8, 3 << 16) + words)
        return connection.recv(4096).decode(errors="replace")


def certificate(folder):
    """Variables that name a new certificate and its key, which only the server reads."""
    files = {"inventory_db_ssl_certificate": folder / "server.crt", "inventory_db_ssl_key": folder / "server.key"}
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-out", *files.values()]
    subprocess.run([*argv[:-1], "-keyout", argv[-1]], check=True, capture_output=True)
    shutil.chown(files["inventory_db_ssl_key"], "postgres")
    return files


def test_networks_are_not_admitted_where_the_server_has_no_tls(cluster):
    if cluster.sql("SHOW ssl") == "on":
        pytest.skip("this machine has a certificate that PostgreSQL takes for a new cluster")
    more = {"inventory_db_networks": ["127.0.0.3/32"], "inventory_db_listen_addresses": ["localhost"]}
    done = cluster.role(**more)
    assert done.returncode != 0
    assert "this server has none" in done.stdout


def test_networks_are_admitted_with_tls_only(cluster):
    more = {"inventory_db_networks": ["127.0.0.3/32", "2001:db8::/32"], "inventory_db_listen_addresses": ["localhost", "127.0.0.2"]}
    more |= certificate(cluster.folder)
    assert "pg_hba.conf rejects connection" in greeting(cluster, tls=False)
    assert changed(cluster.role("--check", **more)) == 2
    assert changed(cluster.role(**more)) == 4  # two files, a restart and a reload
    assert changed(cluster.role(**more)) == 0
    assert cluster.login("reader", host="127.0.0.2") == "1"
    assert "SCRAM-SHA-256" in greeting(cluster, tls=True)
    assert "pg_hba.conf rejects connection" in greeting(cluster, tls=False)
    assert changed(cluster.role(**more, inventory_db_require_ssl=False)) == 2
    assert "SCRAM-SHA-256" in greeting(cluster, tls=False)
    assert changed(cluster.role()) == 4


def test_rights_of_public_are_taken_away_again(cluster):
    cluster.sql("GRANT CONNECT ON DATABASE inventory TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert changed(cluster.role("--check")) == 1
    done = cluster.role()
    assert changed(done) == 1
    assert "rights of PUBLIC on the database inventory" in done.stdout
    assert "rights of PUBLIC on the schema public" in done.stdout


def test_a_cluster_that_is_down_is_started(cluster):
    subprocess.run(["pg_ctlcluster", cluster.line()[0], cluster.name, "stop"], cwd="/", check=True)
    assert "Would start the cluster" in cluster.role("--check").stdout
    assert cluster.line()[3] == "down"
    assert changed(cluster.role()) == 1
    assert cluster.line()[3] == "online"


REFUSED = [
    ({"inventory_db_owner": "postgres"}, "three different roles"),
    ({"inventory_db_reader": "intake_writer"}, "three different roles"),
    ({"inventory_db_name": 'x"; drop'}, "three different roles"),
    ({"inventory_db_reader_password": "grüße-grüße"}, "printable ASCII"),
    ({"inventory_db_reader_password": "with-a-line\n"}, "printable ASCII"),
    ({"inventory_db_networks": ["10.0.0.0/99"], "inventory_db_listen_addresses": ["*"]}, "networks are written"),
    ({"inventory_db_networks": ["10.0.0.0/8"]}, "needs inventory_db_listen_addresses"),
    ({"inventory_db_networks": ["10.0.0.999/8"], "inventory_db_listen_addresses": ["*"]}, "does not appear to be"),
    ({"inventory_db_ssl_certificate": "/etc/hostname", "inventory_db_ssl_key": "/etc/hostname"}, "postgres cannot use /etc/hostname"),
    ({"inventory_db_owner": "elsewhere"}, "has createdb, so it is there for more than the inventory"),
    ({"inventory_db_reader": "joined"}, "REVOKE pg_write_all_data FROM joined"),
    ({"inventory_db_address": "192.0.2.9"}, "over the network, at 192.0.2.9; set inventory_db_listen_addresses"),
    ({"inventory_db_dsn": "host=db.example.com dbname=inventory"}, "over the network, at db.example.com; set inventory_db_listen_addresses"),
    ({"inventory_db_address": "192.0.2.9", "inventory_db_networks": ["192.0.2.0/24"], "inventory_db_listen_addresses": ["localhost"]}, "set inventory_db"),
]


@pytest.fixture(scope="module")
def refusals(cluster):
    """{host: what the role said to it}: one run with a host for each of REFUSED."""
    cluster.sql("CREATE ROLE elsewhere CREATEDB; CREATE ROLE joined IN ROLE pg_write_all_data")
    hosts = {f"host{number}": variables for number, (variables, _said) in enumerate(REFUSED)}
    done = cluster.role("--check", hosts=hosts)
    assert done.returncode != 0 and set(re.findall(r"^(host\d+) .* failed=1 ", done.stdout, re.M)) == set(hosts), done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith(("fatal: ", "failed: "))]
    return {host: " ".join(line for line in lines if f": [{host}]" in line) for host in hosts}


@pytest.mark.parametrize(("number", "said"), [(number, said) for number, (_variables, said) in enumerate(REFUSED)])
def test_refuses_before_anything_has_moved(refusals, number, said):
    assert said in re.sub(r"\s+", " ", refusals[f"host{number}"])


def test_a_cluster_that_would_not_start_again_is_not_restarted(cluster):
    rules = cluster.files() / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    rules.write_text(f"{before}host all all 10.0.0.0/99 reject\n", encoding="utf-8")
    done = cluster.role(inventory_db_listen_addresses=["127.0.0.1", "127.0.0.2"])
    rules.write_text(before, encoding="utf-8")
    assert done.returncode != 0
    assert "would not start again with its files: pg_hba.conf line" in done.stdout
    assert cluster.line()[3] == "online"
    assert changed(cluster.role()) == 2  # the file is another one than it has read
    assert changed(cluster.role()) == 0


def test_a_backup_is_restored_beside_and_in_place(cluster):
    cluster.sql("INSERT INTO intake.hosts (uuid, name) VALUES (gen_random_uuid(), 'hv1')")
    dump = cluster.back_up()
    assert dump.stat().st_mode & 0o777 == 0o600
    assert cluster.backups.stat().st_mode & 0o777 == 0o700
    cluster.sql("DELETE FROM intake.hosts")
    restore = ["pg_restore", "--port", cluster.port, "--exit-on-error", "--single-transaction"]
    done = as_postgres(*restore, "--clean", "--if-exists", "--dbname", "inventory", dump)
    assert done.returncode == 0, done.stderr
    assert cluster.login("reader", "SELECT name FROM intake.hosts") == "hv1"
    assert changed(cluster.role()) == 0
    second = {"inventory_db_name": "second", "inventory_db_schema": False, "inventory_db_backup": False}
    assert changed(cluster.role(**second)) > 0
    assert changed(cluster.role(**second)) == 0
    assert changed(cluster.role()) == 0
    assert cluster.login("reader", "SELECT name FROM intake.hosts") == "hv1"
    done = as_postgres(*restore, "--dbname", "second", dump)
    assert done.returncode == 0, done.stderr
    assert cluster.login("reader", "SELECT name FROM intake.hosts", database="second") == "hv1"
    assert DENIED in cluster.login("reader", "DELETE FROM intake.hosts", database="second")


def test_old_backups_of_the_cluster_go_when_a_new_one_is_complete(cluster):
    series = f"{cluster.line()[0]}-{cluster.name}-inventory"
    old, partial = (cluster.backups / name for name in (f"{series}-20200101T000000Z.dump", f".{series}-20200101T000000Z.dump.partial"))
    others = [cluster.backups / name for name in (f"{series}-keep.dump", "9-main-inventory-20200101T000000Z.dump", f"{series}2-20200101T000000Z.dump")]
    for path in (old, partial, *others):
        path.touch()
        os.utime(path, (0, 0))
    failed = as_postgres(PROGRAM, cluster.whole_name(), "missing", cluster.backups, 1)
    assert failed.returncode != 0
    assert old.exists()
    time.sleep(1)
    new = cluster.back_up(keep=1)
    assert new.name.startswith(f"{series}-") and new.exists() and all(path.exists() for path in others)
    assert not old.exists() and not partial.exists()


def test_says_where_nothing_runs_the_backup(cluster):
    if os.path.isdir("/run/systemd/system") or os.path.exists("/usr/sbin/cron"):
        pytest.skip("something runs it here")
    assert "nothing backs up the database until somebody runs" in cluster.first.stdout


def rendered(name, folder):
    """A template of the role as a file, with the values of an ordinary server."""
    values = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    values["__inventory_db_backup_command"] = f"{PROGRAM} 15/main inventory /var/backups/intake-vms-inventory 14"
    text = jinja2.Template((ROLE / "templates" / f"backup.{name}.j2").read_text(encoding="utf-8"), trim_blocks=True).render(values)
    path = folder / f"backup.{name}"
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def test_systemd_understands_the_units(cluster, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    units = [rendered(name, tmp_path) for name in ("service", "timer")]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line or line.startswith("backup.")], done.stderr
    assert done.returncode == 0, done.stderr


def test_the_line_for_cron_has_five_fields_a_user_and_the_program(tmp_path):
    words = rendered("cron", tmp_path).read_text(encoding="utf-8").splitlines()[-1].split()
    assert words[:7] == ["30", "2", "*", "*", "*", "postgres", str(PROGRAM)]


def test_the_documented_statements_make_the_same_by_hand(cluster):
    page = (ROOT / "docs" / "inventory.md").read_text(encoding="utf-8")
    text = page.partition("```sql\n")[2].partition("```")[0]
    for role in ANY.values():
        text = text.replace(f"\\password {role}\n", f"ALTER ROLE by_hand_{role} PASSWORD 'by-hand-1';\n")
        text = re.sub(rf"\b{role}\b", f"by_hand_{role}", text)
    text = text.replace("DATABASE inventory", "DATABASE by_hand").replace("connect inventory", "connect by_hand")
    argv = ["runuser", "-u", "postgres", "--", "psql", "--port", str(cluster.port), "-Xq", "-v", "ON_ERROR_STOP=1"]
    done = subprocess.run(argv, cwd="/", input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {f"inventory_db_{role}": f"by_hand_{name}" for role, name in ANY.items()}
    passwords = {f"inventory_db_{role}_password": "by-hand-1" for role in ANY}
    done = cluster.role("--check", inventory_db_name="by_hand", inventory_db_schema=False, inventory_db_backup=False, **names, **passwords)
    assert changed(done) == 2  # the blocks of pg_hba.conf, and nothing in the database
    assert "Say what it said, which has no secrets in it] ***\nskipping" in done.stdout
