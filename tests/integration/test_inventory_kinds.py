# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of resource that the collection does not have, added as one is added: a description, a line in the registry, a migration."""

from __future__ import annotations

import pytest
from recorded import Recorded

from ansible_collections.intake.vms.plugins.filter.options import options
from ansible_collections.intake.vms.plugins.filter.table import table
from ansible_collections.intake.vms.plugins.module_utils.flow.converge import Resource
from ansible_collections.intake.vms.plugins.plugin_utils.ask import queries
from ansible_collections.intake.vms.plugins.plugin_utils.compare import survey
from ansible_collections.intake.vms.plugins.plugin_utils.database import client
from ansible_collections.intake.vms.plugins.plugin_utils.hosts import Host
from ansible_collections.intake.vms.plugins.plugin_utils.kinds import KINDS
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.columns import HOST, INTEGER, STATES, TEXT, Relation, columns
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.kind import Kind, writer
from ansible_collections.intake.vms.plugins.plugin_utils.kinds.tables import ASKED, WORDS, Table
from ansible_collections.intake.vms.plugins.plugin_utils.record.ledger import Ledger
from ansible_collections.intake.vms.plugins.plugin_utils.record.order import entries_of, order_of
from ansible_collections.intake.vms.plugins.plugin_utils.record.records import Records

MIGRATION = """CREATE TABLE intake.tunnels (host_id bigint NOT NULL REFERENCES hosts ON DELETE CASCADE, name text NOT NULL, mtu integer,
    description text, labels jsonb NOT NULL, asked jsonb, recorded jsonb NOT NULL, asked_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (host_id, name))"""
ROWS = "SELECT 'tunnel', NULL, name, asked, recorded, recorded_at FROM tunnels WHERE host_id = %s"


class Tunnels(Resource):
    """What the module of the kind is made of."""

    noun, plural = "tunnel", "tunnels"
    spec = {"name": {"type": "str"}, "mtu": {"type": "int"}, "labels": {"type": "dict"}, "key": {"type": "str", "no_log": True}, "state": {"type": "str"}}


KIND = Kind(
    Tunnels,
    write=writer(Table("tunnels", ("host_id", "name"), {"host_id": "bigint", "name": "text", "mtu": "integer", **WORDS, **ASKED})),
    rows=ROWS,
    arguments={"gather": []},
    passing=("peers",),
    kept=("name", "mtu", "labels"),
    report={"TUNNEL": "name", "MTU": "mtu"},
    relations={
        "tunnels": Relation(
            "tunnels JOIN hosts ON hosts.id = host_id",
            {**columns("tunnels", name=TEXT, mtu=INTEGER, **STATES), "host": HOST},
            ("host", "name", "mtu", "labels"),
            ("host", "name"),
        )
    },
)


@pytest.fixture
def recorded(server, tmp_path, monkeypatch):
    """A database that has its table."""
    monkeypatch.setitem(KINDS, "tunnel", KIND)
    made = Recorded(server, {}, tmp_path)
    made.rows(MIGRATION)
    return made


def found(name, mtu=1500, **more):
    """A tunnel as its info module lists it."""
    return {"name": name, "mtu": mtu, "labels": {"site": "a"}, "peers": 3, **more}


def seen(*tunnels):
    """A look at the host, which has these."""

    def call(module, arguments):
        assert (module, arguments) == ("intake_tunnel_info", {"uri": "qemu:///system", "gather": []})
        return {"hypervisor": {"uuid": "u"}, "tunnels": list(tunnels)}

    return survey.survey(call, ["tunnel"], "qemu:///system")


def test_a_made_up_kind(recorded):
    """Recorded from a task, found again by a query, in drift with what the host has, and in the export."""
    order = order_of(Tunnels, {"tunnels": [{"name": "t1", "mtu": 1500, "key": "Hidden4711"}, {"name": "t2"}], "state": "present"})
    assert order.names == ["t1", "t2"] and "Hidden4711" not in str(order)
    reports = [{"state": found(name), "error": None, "changed": True} for name in ("t1", "t2")]
    with client.connected(recorded.plain) as connection:
        ledger = Ledger(connection, recorded.plain)
        ledger.lock(["hv1"], order.kind, order.names, 5)
        records = Records(connection, Host("11111111-2222-4333-8444-555555555555", "hv1"))
        records.write(entries_of(order, {"resources": reports}))
        asked = queries.options({"kind": "tunnels", "filters": {"mtu": {"ge": 1400}, "labels": {"site": "a"}}})
        answer = queries.ask(recorded.plain, asked, "intake.vms tests")
        assert [(one["host"], one["name"], one["mtu"]) for one in answer["rows"]] == [("hv1", "t1", 1500), ("hv1", "t2", 1500)]
        rows = survey.rows_of(connection, records.host.id, ["tunnel"])
        there = seen(found("t1", 9000, peers=9), found("t3"))
        told = {(one["name"], one["drift"], one["field"], one["asked"]) for one in survey.differences(rows, there, [])}
        assert told == {("t1", "changed", "mtu", 1500), ("t2", "missing", None, None), ("t3", "unexpected", None, None)}
        survey.take_in(records, rows, there, ["tunnel"], [])
        assert recorded.rows("SELECT name, mtu FROM intake.tunnels ORDER BY name") == [("t1", 9000), ("t3", 1500)]
        assert survey.differences(survey.rows_of(connection, records.host.id, ["tunnel"]), there, []) == []


def test_a_made_up_kind_is_exported_and_shown(recorded):
    assert options([found("t1")], "tunnel") == [{"name": "t1", "mtu": 1500, "labels": {"site": "a"}}]
    assert table([found("t1")], "tunnel") == ["TUNNEL  MTU", "t1      1500"]
