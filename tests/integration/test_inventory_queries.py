# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory read by the module and by the lookup, from a real PostgreSQL that was filled as the recording modules do it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
import yaml
from results import results

from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError
from ansible_collections.intake.vms.plugins.plugin_utils.ask import queries, relations
from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema
from ansible_collections.intake.vms.plugins.plugin_utils.hosts import Host
from ansible_collections.intake.vms.plugins.plugin_utils.kinds import columns
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.machines import write_addresses
from ansible_collections.intake.vms.plugins.plugin_utils.record.ledger import Ledger
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records

UUID = "00000000-0000-4000-8000-{:012d}"
GIB = 1 << 30
EVIL = "x'); DROP TABLE intake.vms; --"
PERCENT = r"100%_\*?"
NFS = {"name": "shared", "type": "nfs", "server": "nas", "export": "/exports/vms", "state": "active", "path": "/shared", "autostart": True}
NFS.update(capacity=100 * GIB, allocation=25 * GIB, available=75 * GIB, labels={"tier": "gold"}, health={"status": "ok"})


def machine(number, name, state="running", memory=GIB, addresses=(), **more):
    """A machine as intake_vm_info tells it."""
    disks = {"root": {"device": "disk", "path": f"/shared/{name}.qcow2", "bus": "virtio", "target": "vda"}}
    disks["seed"] = {"device": "cdrom", "path": "/elsewhere/seed.iso", "bus": "sata", "target": "sda"}
    cards = {"lan": {"type": "network", "source": "default", "mac": f"52:54:00:AB:00:{number:02x}", "model": "virtio"}}
    found = {"uuid": UUID.format(number), "name": name, "state": state, "cpus": number, "memory": memory, "autostart": number == 1, "description": None}
    return {**found, "labels": {}, "disks": disks, "interfaces": cards, "addresses": [{"address": one} for one in addresses], **more}


def entry(kind, found):
    """An entry as Records takes it."""
    return {"kind": kind, "name": found["name"], "storage": found.get("storage"), "asked": None, "found": found}


def fill(connection, dsn):
    """Two hosts with one export, three machines on the first and two on the second, and a journal of three calls."""
    hosts = [Host(UUID.format(900 + number), f"hv{number}", f"203.0.113.{number}", f"hv{number}.example.com") for number in (1, 2)]
    disk = {"storage": "shared", "format": "qcow2", "description": None, "labels": {"project": "blue"}}
    files = [entry("volume", {**disk, "name": "web1.qcow2", "size": 20 * GIB, "backing": "/shared/debian.qcow2", "source": "shared/debian.qcow2"})]
    files += [
        entry("volume", {**disk, "name": EVIL, "size": 5 * GIB}),
        entry("image", {**disk, "name": "debian.qcow2", "size": 3 * GIB, "checksum": "sha256:00"}),
    ]
    machines = [
        machine(1, "web1", memory=2 * GIB, addresses=["10.0.0.1", "192.0.2.1"], labels={"tier": "web", "it's": EVIL}),
        machine(2, "web2", "stopped", labels={"tier": "web", "number": "2"}, description="the second"),
        machine(3, "db", memory=8 * GIB, addresses=["10.0.0.3"], labels={"tier": "db"}),
    ]
    records = Records(connection, hosts[0])
    records.write([entry("storage", {**NFS, "uuid": UUID.format(800)}), *files, *(entry("vm", one) for one in machines)])
    write_addresses(records, machines)
    others = [machine(4, EVIL, "paused"), machine(5, PERCENT)]
    records = Records(connection, hosts[1])
    records.write([entry("storage", {**NFS, "uuid": UUID.format(801), "allocation": 50 * GIB}), *(entry("vm", one) for one in others)])
    for number, (status, names) in enumerate((("changed", ["web1"]), ("failed", ["web1", "web2"]), ("started", [EVIL]))):
        ledger = Ledger(connection, dsn)
        about = {"host_name": "hv1", "module": "intake_vm", "kind": "vm", "controller": "deploy", "controller_user": "ops", "job": str(number)}
        ledger.begin({**about, "names": names, "arguments": {"name": names[0], "memory": "2GiB"}})
        if status != "started":
            ledger.end(status, hosts[0].id, names[:1], "line one\nline two" if status == "failed" else None)


@pytest.fixture(scope="module")
def dsn(server):
    """A database that is filled; no test changes it."""
    made = server.dsn()
    with client.connected(made) as connection:
        schema.migrate(connection)
        fill(connection, made)
    return made


@pytest.fixture(scope="module")
def reader(server, dsn):
    """The same database, as a role that may only read."""
    server.sql("CREATE ROLE reporting LOGIN")
    with client.connected(dsn) as connection:
        schema.grant(connection, "reporting", ["SELECT"])
    return dsn.replace("user=postgres", "user=reporting")


@pytest.fixture
def ask(dsn):
    """ask("vms", filters=..., ...) -> the result."""

    def run(kind=None, to=dsn, **given):
        return queries.ask(to, queries.options({"kind": kind, **given} if kind else given), "intake.vms tests")

    return run


@pytest.fixture
def refused(ask):
    """refused("reason", ...) -> the sentence."""

    def run(reason, *words, **given):
        with pytest.raises(IntakeError) as error:
            ask(*words, **given)
        assert error.value.reason == reason, error.value
        return str(error.value)

    return run


@pytest.fixture
def play(ansible_environment, playbooks, tmp_path):
    """play(tasks, *words) -> (results, what was said besides) of a playbook on localhost; tasks are dicts."""

    def run(*tasks, variables=None, words=(), **environment):
        told = [{"ignore_errors": True, **task} for task in tasks]
        path = tmp_path / "play.json"
        path.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables or {}, "tasks": told}]))
        done = playbooks.run([path, *words], {**ansible_environment, **environment})
        found = [result for _host, result in results(done.stdout)]
        assert len(found) == len(tasks), done.stdout + done.stderr
        return found, " ".join((done.stdout + done.stderr).split())

    return run


def names(result):
    """The names in a result, in their order."""
    return [row["name"] for row in result["rows"]]


def test_every_column_of_every_table_can_be_asked_for(ask, dsn):
    renamed = {("operations", "host_name"): "host"}
    for kind, known in relations.relations().items():
        about = "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'intake' AND table_name = %s"
        there = {renamed.get((kind, name), name) for name in names(ask(sql=about, params=[kind]))}
        assert there and there <= set(known.columns), kind
        result = ask(kind, fields=list(known.columns))
        assert result["rows"] and json.loads(json.dumps(result)) == result
        for name in known.columns:
            assert ask(kind, fields=[name], sort=[f"-{name}"], filters={name: None if known.columns[name][0] != columns.LABELS else {"x": None}}) is not None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["web1", "web2", "db", EVIL, PERCENT]),
        ({"name": "web1"}, ["web1"]),
        ({"name": ["web1", "db", "none"]}, ["web1", "db"]),
        ({"name": []}, []),
        ({"name": {"like": "web*"}}, ["web1", "web2"]),
        ({"name": {"like": ["w?b1", "d*"]}}, ["web1", "db"]),
        ({"name": {"like": "web_"}}, []),
        ({"name": {"like": "100%_\\**"}}, [PERCENT]),
        ({"name": {"not_like": "web*", "ne": "db"}}, [EVIL, PERCENT]),
        ({"name": {"ge": "web1", "lt": "web2"}}, ["web1"]),
        ({"name": EVIL}, [EVIL]),
        ({"name": PERCENT}, [PERCENT]),
        ({"name": 5}, []),
        ({"host": "hv2", "state": "paused"}, [EVIL]),
        ({"memory": "2GiB"}, ["web1"]),
        ({"memory": {"ge": "2GiB"}}, ["web1", "db"]),
        ({"memory": {"gt": "1 GiB", "lt": "8GiB"}}, ["web1"]),
        ({"memory": ["2GiB", "8GiB"]}, ["web1", "db"]),
        ({"cpus": [1, 10**30]}, ["web1"]),
        ({"cpus": {"le": "2"}}, ["web1", "web2"]),
        ({"autostart": True}, ["web1"]),
        ({"autostart": "no", "host": "hv1"}, ["web2", "db"]),
        ({"description": None, "host": "hv1"}, ["web1", "db"]),
        ({"description": {"ne": None}}, ["web2"]),
        ({"description": [None, "the second"], "state": "stopped"}, ["web2"]),
        ({"description": {"ne": "the second"}, "host": "hv1"}, ["web1", "db"]),
        ({"uuid": UUID.format(3).upper()}, ["db"]),
        ({"uuid": {"like": "*3"}}, ["db"]),
        ({"labels": {"tier": "web"}}, ["web1", "web2"]),
        ({"labels": {"tier": ["web", "db"]}}, ["web1", "web2", "db"]),
        ({"labels": {"tier": "web", "number": 2}}, ["web2"]),
        ({"labels": {"tier": {"like": "w*"}, "number": None}}, ["web1"]),
        ({"labels": {"tier": {"ne": "web"}}}, ["db", EVIL, PERCENT]),
        ({"labels": {"it's": EVIL}}, ["web1"]),
        ({"labels": {EVIL: "x"}}, []),
        ({"labels": {}}, ["web1", "web2", "db", EVIL, PERCENT]),
        ({"addresses": "192.0.2.1"}, ["web1"]),
        ({"addresses": {"like": "10.0.0.*"}}, ["web1", "db"]),
        ({"addresses": None, "host": "hv1"}, ["web2"]),
        ({"addresses": {"ne": None}}, ["web1", "db"]),
        ({"addresses": {"ne": "192.0.2.1"}, "host": "hv1"}, ["web2", "db"]),
        ({"storages": "shared", "name": "db"}, ["db"]),
        ({"recorded": {"disks": {"root": {"bus": "virtio"}}}, "cpus": 3}, ["db"]),
        ({"recorded": {"cpus": 9}}, []),
        ({"asked": None, "cpus": 3}, ["db"]),
        ({"recorded_at": {"ge": "1 hour ago"}, "cpus": 3}, ["db"]),
        ({"recorded_at": {"lt": "2020-01-01"}}, []),
    ],
)
def test_filters(ask, filters, expected):
    assert names(ask("vms", filters=filters, sort=["id"])) == expected


def test_rows_of_machines(ask):
    result = ask("vms", filters={"name": "web1"})
    (row,) = result["rows"]
    assert row.pop("recorded_at").endswith("+00:00")
    assert row == {
        "name": "web1", "host": "hv1", "state": "running", "cpus": 1, "memory": 2 * GIB, "autostart": True, "addresses": ["10.0.0.1", "192.0.2.1"],
        "storages": ["shared"], "labels": {"tier": "web", "it's": EVIL}, "description": None, "uuid": UUID.format(1),
    }  # fmt: skip
    assert (result["count"], result["truncated"]) == (1, False)
    small = ask("vms", fields=["host", "name", "memory"], sort=["-memory", "-name"], limit=2)
    assert small["rows"] == [{"host": "hv1", "name": "db", "memory": 8 * GIB}, {"host": "hv1", "name": "web1", "memory": 2 * GIB}]
    assert small["truncated"] and small["count"] == 2
    assert small["table"] == ["HOST  NAME  MEMORY", "hv1   db    8.0 GiB", "hv1   web1  2.0 GiB", "(the first 2 rows; limit allows more)"]
    assert not ask("vms", limit=5)["truncated"]


def test_names_instead_of_numbers(ask):
    assert [(row["name"], row["hosts"]) for row in ask("storages")["rows"]] == [("shared", ["hv1", "hv2"])]
    assert [(row["host"], row["name"], row["type"]) for row in ask("host_storages")["rows"]] == [("hv1", "shared", "nfs"), ("hv2", "shared", "nfs")]
    assert [(row["storage"], row["name"]) for row in ask("volumes", filters={"size": {"gt": "10GiB"}})["rows"]] == [("shared", "web1.qcow2")]
    assert names(ask("volumes", filters={"labels": {"project": "blue"}, "hosts": "hv2"}, sort=["size"])) == [EVIL, "web1.qcow2"]
    assert [(row["storage"], row["checksum"]) for row in ask("images")["rows"]] == [("shared", "sha256:00")]
    disks = ask("disks", filters={"vm": "web1"})["rows"]
    assert [(row["host"], row["name"], row["storage"]) for row in disks] == [("hv1", "root", "shared"), ("hv1", "seed", None)]
    (card,) = ask("interfaces", filters={"mac": "52-54-00-ab-00-03"})["rows"]
    assert (card["vm"], card["host"], card["mac"]) == ("db", "hv1", "52:54:00:ab:00:03")
    assert [row["vm"] for row in ask("interfaces", filters={"mac": {"like": "52:54:00:AB:00:01"}})["rows"]] == ["web1"]
    assert names(ask("hosts", filters={"names": "hv2"})) == ["hv2"]
    assert not any(name.endswith("_id") for kind in relations.relations().values() for name in kind.fields)


def test_the_journal(ask):
    found = ask("operations", filters={"names": "web1", "started_at": {"ge": "1 hour ago"}})
    assert [(row["status"], row["names"], row["changed"]) for row in found["rows"]] == [("failed", ["web1", "web2"], ["web1"]), ("changed", ["web1"], ["web1"])]
    assert isinstance(found["rows"][0]["took"], (int, float)) and found["rows"][0]["host"] == "hv1"
    assert "line one line two" in found["table"][1]
    assert [row["names"] for row in ask("operations", filters={"ended_at": None})["rows"]] == [[EVIL]]
    assert [row["names"] for row in ask("recent_operations", filters={"names": EVIL})["rows"]] == [[EVIL]]
    assert ask("operations", filters={"arguments": {"memory": "2GiB"}, "took": {"lt": 60}})["count"] == 2
    at = ask("operations", fields=["started_at"], limit=1)["rows"][0]["started_at"]
    assert ask("operations", filters={"started_at": at})["count"] == 1  # a time that was told finds its row


def test_views_and_samples(ask):
    (usage,) = ask("storage_usage")["rows"]
    told = {key: usage[key] for key in ("percent", "capacity", "hosts", "volumes", "images", "vms")}
    assert told == {"percent": 50, "capacity": 100 * GIB, "hosts": ["hv1", "hv2"], "volumes": 2, "images": 1, "vms": 5}
    assert ask("storage_usage", filters={"percent": {"gt": 49.9}, "available": {"gt": 0}})["count"] == 1
    assert [row["allocation"] for row in ask("samples", sort=["taken_at"])["rows"]] == [25 * GIB, 50 * GIB]
    assert names(ask("vm_overview", filters={"host": "hv1", "disks": 1, "address": {"like": "10.*"}})) == ["db", "web1"]


def test_sql(ask):
    counted = ask(
        sql="SELECT host, count(*) AS vms, sum(memory) AS memory FROM vm_overview WHERE state = %(state)s GROUP BY 1 ORDER BY 1", params={"state": "running"}
    )
    assert counted["rows"] == [{"host": "hv1", "vms": 2, "memory": 10 * GIB}, {"host": "hv2", "vms": 1, "memory": GIB}]
    assert counted["table"][:2] == ["host  vms  memory", "hv1   2    10737418240"]
    assert names(ask(sql="SELECT name FROM vms WHERE name = %s OR uuid::text = ANY(%s) ORDER BY name;", params=[EVIL, [UUID.format(3)]])) == ["db", EVIL]
    assert names(ask(sql="SELECT name FROM vms WHERE labels @> %s ORDER BY name", params=[{"tier": "web"}])) == ["web1", "web2"]
    assert names(ask(sql="SELECT name FROM vms WHERE name LIKE 'web%' ORDER BY name")) == ["web1", "web2"]
    assert ask(sql="VALUES (1)")["rows"] == [{"column1": 1}]
    assert ask(sql="WITH known AS (TABLE hosts) SELECT count(*) FROM known")["rows"] == [{"count": 2}]
    endless = ask(sql="SELECT generate_series(1, 1000000000) AS n", limit=3)
    assert endless["truncated"] and endless["rows"] == [{"n": 1}, {"n": 2}, {"n": 3}]
    (row,) = ask(sql="SELECT timestamptz '2026-01-31 12:00+02' AS at, interval '2 min' AS took, 1.50 AS n, inet '10.0.0.1' AS ip, 'NaN'::float AS nan")["rows"]
    assert row == {"at": "2026-01-31T10:00:00+00:00", "took": 120.0, "n": 1.5, "ip": "10.0.0.1", "nan": "nan"}


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1; DROP TABLE intake.vms", "cannot insert multiple commands"),
        ("SELECT 1; COMMIT; DROP TABLE intake.vms", "cannot insert multiple commands"),
        ("DROP TABLE intake.vms", "one statement that reads"),
        ("DELETE FROM vms", "one statement that reads"),
        ("COMMIT", "one statement that reads"),
        ("SET transaction_read_only = off", "one statement that reads"),
        ("COPY vms TO PROGRAM 'touch /tmp/pwned'", "one statement that reads"),
        ("WITH gone AS (DELETE FROM vms RETURNING *) SELECT * FROM gone", "data-modifying"),
        ("SELECT * INTO other FROM vms", "INTO"),
        ("SELECT * FROM vms FOR UPDATE", "read-only"),
        ("SELECT nextval('vms_id_seq')", "read-only"),
        ("SELECT set_config('transaction_read_only', 'off', false)", "before any query"),
        ("SELECT query_to_xml('DELETE FROM intake.vms', true, true, '')", "DELETE is not allowed"),
        ("SELECT nothing FROM vms", 'column "nothing" does not exist'),
        ("SELECT 1 AS a, 2 AS a", "name them apart with AS"),
        ("", "one statement that reads"),
        ("SELECT %s", "placeholders"),
    ],
)
def test_sql_that_is_refused(refused, ask, sql, told):
    assert told in refused("invalid_sql", sql=sql, **({"params": []} if "%s" in sql else {}))
    assert ask("vms")["count"] == 5


def test_functions_leave_nothing_behind(ask):
    ask(sql="SELECT lo_create(4711)")
    ask(sql="SELECT set_config('application_name', 'other', false), pg_advisory_lock(1)")
    assert ask(sql="SELECT count(*) AS left_over FROM pg_largeobject_metadata")["rows"] == [{"left_over": 0}]
    assert ask(sql="SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory'")["rows"] == [{"held": 0}]


def test_sql_that_takes_long(refused):
    assert refused("query_timeout", sql="SELECT pg_sleep(60)", timeout=1) == "the query took longer than 1 s; timeout allows more"


@pytest.mark.parametrize(
    ("sql", "params"), [("SELECT %(a)s", ["x"]), ("SELECT %s", {"a": 1}), ("SELECT %s, %s", ["x"]), ("SELECT '%'", ["x"]), ("SELECT %(b)s", {"a": 1})]
)
def test_params_that_do_not_fit(refused, sql, params):
    refused("invalid_sql", sql=sql, params=params)


def test_the_examples_of_the_documentation(play, dsn, reader):
    module = importlib.import_module("ansible_collections.intake.vms.plugins.modules.intake_inventory_info")
    lookup = importlib.import_module("ansible_collections.intake.vms.plugins.lookup.intake_inventory")
    tasks = yaml.safe_load(module.EXAMPLES) + yaml.safe_load(lookup.EXAMPLES)
    found, text = play(*tasks, variables={"reporting_dsn": reader}, INTAKE_INVENTORY_DSN=dsn)
    assert not any(one.get("failed") for one in found), text


def test_a_role_that_may_only_read(ask, refused, reader, server, dsn):
    assert ask("vms", to=reader)["count"] == 5
    assert ask(sql="SELECT current_user AS who", to=reader)["rows"] == [{"who": "reporting"}]
    assert "permission denied" in refused("inventory_error", sql="SELECT pg_read_file('/etc/passwd')", to=reader)
    server.sql("CREATE ROLE stranger LOGIN")
    assert "permission denied" in refused("inventory_error", "vms", to=dsn.replace("user=postgres", "user=stranger"))


def test_a_database_that_is_not_ready(refused, server, dsn):
    assert "has no inventory yet" in refused("schema_old", "vms", to=server.dsn())
    for away in ("host=127.0.0.1 port=1 user=ops password=s3cret dbname=inventory", "postgresql://ops:s3cret@127.0.0.1:1/inventory"):
        told = refused("inventory_unreachable", "vms", to=away)
        assert "not reached" in told and "s3cret" not in told
    assert "intake_inventory_dsn" in refused("dsn_missing", "vms", to=None)
    newer = server.dsn()
    with client.connected(newer) as connection:
        schema.migrate(connection)
        connection.execute("INSERT INTO schema_versions (version, name) VALUES (9999, 'later')")
    assert "use the newer collection" in refused("schema_newer", sql="SELECT 1", to=newer)


def test_the_module(play, dsn, reader):
    task = {"intake.vms.intake_inventory_info": {"kind": "vms", "filters": {"memory": {"ge": "2GiB"}}, "fields": ["name", "memory"]}}
    other = {"intake.vms.intake_inventory_info": {"sql": "SELECT current_user AS who, %s::text AS said", "params": [EVIL], "dsn": reader}}
    wrong = {"intake.vms.intake_inventory_info": {"kind": "vms", "filters": {"memry": 1}}}
    away = {"intake.vms.intake_inventory_info": {"kind": "vms", "dsn": "host=127.0.0.1 port=1 user=ops password=s3cret dbname=inventory"}}
    variables = {"intake_inventory_dsn": "{{ database_of_the_site }}", "database_of_the_site": dsn}
    (found, checked, said, refusal, unreachable), text = play(task, {**task, "check_mode": True}, other, wrong, away, variables=variables)
    assert found["rows"] == [{"name": "db", "memory": 8 * GIB}, {"name": "web1", "memory": 2 * GIB}]
    assert found["table"] == ["NAME  MEMORY", "db    8.0 GiB", "web1  2.0 GiB"]
    assert (found["count"], found["truncated"], found["changed"]) == (2, False, False)
    assert checked["rows"] == found["rows"] and not checked["changed"]
    assert said["rows"] == [{"who": "reporting", "said": EVIL}]
    assert refusal["failed"] and refusal["reason"] == "unknown_column" and "it has name, uuid" in refusal["msg"]
    assert unreachable["failed"] and unreachable["reason"] == "inventory_unreachable" and "s3cret" not in text


def test_the_module_without_a_database(play):
    ((found,), _text) = play({"intake.vms.intake_inventory_info": {"kind": "vms"}}, INTAKE_INVENTORY_DSN="")
    assert found["failed"] and found["reason"] == "dsn_missing"


def test_ad_hoc(ansible_environment, dsn):
    words = "kind=vms filters='state=running host=hv1' fields=name,memory sort=-memory limit=1"
    argv = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-c", "local", "-m", "intake.vms.intake_inventory_info", "-a", words, "-C"]
    environment = {**ansible_environment, "INTAKE_INVENTORY_DSN": dsn}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    told = results(done.stdout)[0][1]
    assert told["table"] == ["NAME  MEMORY", "db    8.0 GiB", "(the first 1 rows; limit allows more)"]


def test_templates_in_the_inventory_are_text(play, server, tmp_path):
    template = f"{{{{ lookup('pipe', 'touch {tmp_path}/pwned') }}}}"
    made = server.dsn()
    with client.connected(made) as connection:
        schema.migrate(connection)
        Records(connection, Host(UUID.format(1), "hv1")).write([entry("vm", machine(1, template, labels={template: template}))])
    query = "query('intake.vms.intake_inventory', 'vms', fields=['name', 'labels'])"
    tasks = [
        {"intake.vms.intake_inventory_info": {"kind": "vms"}, "register": "found"},
        {"ansible.builtin.debug": {"msg": "{{ found.rows[0].name }} {{ found.table }}"}},
        {"ansible.builtin.set_fact": {"rows": f"{{{{ {query} }}}}"}},
        {"ansible.builtin.debug": {"msg": "{{ rows[0].name }} {{ rows[0].labels }}"}},
    ]
    found, _text = play(*tasks, INTAKE_INVENTORY_DSN=made)
    assert not any(one.get("failed") for one in found) and template in found[1]["msg"] and template in found[3]["msg"]
    assert not (tmp_path / "pwned").exists()


def test_the_lookup(play, dsn, reader):
    def told(expression):
        return {"ansible.builtin.debug": {"msg": f"{{{{ {expression} }}}}"}}

    name = "intake.vms.intake_inventory"
    expressions = [
        f"query('{name}', 'vms', filters={{'labels': {{'tier': 'web'}}, 'memory': {{'ge': '1GiB'}}}}, sort=['-name']) | map(attribute='name') | list",
        f"lookup('{name}', 'vms', filters={{'name': wanted}}, fields=['host', 'memory'])",
        f"query('{name}', sql='SELECT current_user AS who, %(a)s::text AS a', params={{'a': wanted}}, dsn=reader)",
        f"query('{name}', 'hosts', limit=1) | length",
        f"query('{name}', 'vms', filter={{'name': 'web1'}})",
        f"query('{name}', 'vms', fields=['nme'])",
        f"query('{name}', 'vms', 'hosts')",
        f"query('{name}', 'machines')",
    ]
    variables = {"intake_inventory_dsn": "{{ database_of_the_site }}", "database_of_the_site": dsn, "wanted": "web1", "reader": reader}
    found, _text = play(*map(told, expressions), variables=variables)
    assert found[0]["msg"] == ["web2", "web1"]
    assert found[1]["msg"] == {"host": "hv1", "memory": 2 * GIB}
    assert found[2]["msg"] == [{"who": "reporting", "a": "web1"}]
    assert int(found[3]["msg"]) == 1
    for result, sentence in zip(found[4:], ("Supported parameters include", "it has name, uuid", "one kind at a time", "there are hosts, storages")):
        assert result["failed"] and sentence in result["msg"], result
    ((by_environment,), _text) = play(told(f"query('{name}', 'hosts') | map(attribute='name') | list"), INTAKE_INVENTORY_DSN=dsn)
    assert by_environment["msg"] == ["hv1", "hv2"]
    ((without,), _text) = play(told(f"query('{name}', 'hosts')"), INTAKE_INVENTORY_DSN="")
    assert without["failed"] and "there is no inventory" in without["msg"]
