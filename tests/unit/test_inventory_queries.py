# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the inventory, without a database: options, statements, values, tables, documentation."""

from __future__ import annotations

import importlib
import re
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from ansible_collections.intake.vms.plugins.doc_fragments.inventory_query import ModuleDocFragment
from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.plugin_utils.ask import conditions, queries, relations
from ansible_collections.intake.vms.plugins.plugin_utils.kinds import columns

INJECTION = "x'); DROP TABLE vms; --"


def statement(**given):
    return queries.statement(queries.options(given))


@pytest.mark.parametrize(
    ("given", "word", "told"),
    [
        ({}, "invalid_options", "one of the following is required: kind, sql"),
        ({"kind": "vms", "sql": "SELECT 1"}, "invalid_options", "mutually exclusive"),
        ({"sql": "SELECT 1", "filters": {}}, "invalid_options", "mutually exclusive"),
        ({"kind": "vms", "params": []}, "invalid_options", "required by 'params'"),
        ({"kind": "vms", "filter": {}}, "invalid_options", "Supported parameters include: dsn, fields, filters"),
        ({"kind": "vm"}, "unknown_kind", "there are hosts, storages, host_storages, volumes, images, vms, disks, interfaces, operations, samples, vm_overview"),
        ({"kind": "vms; DROP TABLE vms"}, "unknown_kind", "there is no 'vms; DROP TABLE vms'"),
        ({"kind": "vms", "limit": 0}, "invalid_limit", "1 to 1000000"),
        ({"kind": "vms", "limit": 10**20}, "invalid_limit", "1 to 1000000"),
        ({"kind": "vms", "timeout": 0}, "invalid_timeout", "1 to"),
    ],
)
def test_options_that_are_none(given, word, told):
    with pytest.raises(Refused) as refused:
        queries.options(given)
    assert refused.value.reason == word and told in str(refused.value)


@pytest.mark.parametrize(
    "given", [{"filters": {INJECTION: 1}}, {"fields": ["name", INJECTION]}, {"sort": [f"-{INJECTION}"]}, {"sort": ["--name"]}, {"fields": [""]}]
)
def test_columns_that_are_none(given):
    with pytest.raises(Refused) as refused:
        statement(kind="vms", **given)
    assert refused.value.reason == "unknown_column"
    assert "it has name, uuid, state, cpus, memory, autostart" in str(refused.value)


@pytest.mark.parametrize(
    ("filters", "word", "told"),
    [
        ({"name": {"near": "x"}}, "unknown_operator", "no operator 'near' for a text; there are eq, ne, like, not_like, lt, le, gt, ge"),
        ({"cpus": {"like": "2*"}}, "unknown_operator", "there are eq, ne, lt, le, gt, ge"),
        ({"autostart": {"gt": True}}, "unknown_operator", "there are eq, ne"),
        ({"addresses": {"gt": "10.0.0.1"}}, "unknown_operator", "there are eq, ne, like, not_like"),
        ({"labels": {"tier": {"near": "x"}}}, "unknown_operator", "labels: tier: there is no operator"),
        ({"labels": "tier=web"}, "invalid_filter", "write a dictionary of labels"),
        ({"recorded": "x"}, "invalid_filter", "write a dictionary, all of which"),
        ({"memory": "much"}, "invalid_size", "is not a size"),
        ({"cpus": "two"}, "invalid_filter", "is no integer"),
        ({"cpus": [1, [2]]}, "invalid_filter", "is not a text"),
        ({"uuid": INJECTION}, "invalid_filter", "is no UUID"),
        ({"autostart": "perhaps"}, "invalid_filter", "is no boolean"),
        ({"recorded_at": {"ge": "yesterday"}}, "invalid_filter", "2 hours ago"),
        ({"recorded_at": {"ge": "999999 weeks ago"}}, "invalid_filter", "is no time"),
        ({"memory": {"ge": None}}, "invalid_filter", "ge needs one value"),
        ({"memory": {"ge": ["1GiB"]}}, "invalid_filter", "ge needs one value"),
        ({"name": "a\0b"}, "invalid_filter", "NUL"),
    ],
)
def test_filters_that_are_none(filters, word, told):
    with pytest.raises(Refused) as refused:
        statement(kind="vms", filters=filters)
    assert refused.value.reason == word and told in str(refused.value)


@pytest.mark.parametrize("kind", relations.relations())
def test_no_value_is_in_the_text_of_a_statement(kind):
    for name, (of, _expression) in relations.relations()[kind].columns.items():
        if of in (columns.TEXT, columns.LIST, columns.LABELS):
            wanted = {INJECTION: INJECTION} if of == columns.LABELS else [INJECTION, None]
            text, parameters = statement(kind=kind, filters={name: wanted})
            assert "DROP" not in text and INJECTION in parameters.values()


@pytest.mark.parametrize("kind", relations.relations())
def test_a_kind_has_what_it_shows_and_sorts_by(kind):
    known = relations.relations()[kind]
    assert {*known.fields, *(name.removeprefix("-") for name in known.sort)} <= set(known.columns)


def test_a_statement():
    text, parameters = statement(kind="vms", fields=["name", "host", "name"], filters={"memory": {"ge": "2GiB"}}, sort=["-memory"], limit=5)
    assert text == (
        'SELECT vms.name AS "name", hosts.name AS "host" FROM vms JOIN hosts ON hosts.id = vms.host_id WHERE (vms.memory >= %(p0)s) '
        "ORDER BY vms.memory DESC NULLS LAST, vms.name ASC NULLS LAST, hosts.name ASC NULLS LAST, vms.id ASC NULLS LAST LIMIT %(p1)s"
    )
    assert parameters == {"p0": 2 * 1024**3, "p1": 6}


def test_options_of_ad_hoc_words():
    asked = queries.options({"kind": "vms", "filters": "state=running host=hv1", "sort": "-memory,name", "limit": "5"})
    assert (asked["filters"], asked["sort"], asked["limit"]) == ({"state": "running", "host": "hv1"}, ["-memory", "name"], 5)
    assert queries.parameters_of('["a", 1]') == ["a", 1]
    assert queries.parameters_of('{"a": 1}') == {"a": 1}
    for nonsense in ("[", "{"):
        with pytest.raises(Refused):
            queries.parameters_of(nonsense)


@pytest.mark.parametrize(
    ("of", "written", "read"),
    [
        (columns.BYTES, "1.5 KiB", 1536),
        (columns.BYTES, 0, 0),
        (columns.NUMBER, 12.5, Decimal("12.5")),
        (columns.FLAG, "yes", True),
        (columns.MAC, "52-54-00-AB-cd-EF", "52:54:00:ab:cd:ef"),
        (columns.UUID, "6F2D1C1E5D3F4A659D5F0C8F6A0B7A11", "6f2d1c1e-5d3f-4a65-9d5f-0c8f6a0b7a11"),
        (columns.TIME, "2026-01-31", datetime(2026, 1, 31, tzinfo=timezone.utc)),
        (columns.TIME, "2026-01-31 12:30:00.500", datetime(2026, 1, 31, 12, 30, 0, 500000, tzinfo=timezone.utc)),
        (columns.TIME, "2026-01-31T12:30:00Z", datetime(2026, 1, 31, 12, 30, tzinfo=timezone.utc)),
        (columns.TIME, "2026-01-31T12:30:00+02:00", datetime(2026, 1, 31, 10, 30, tzinfo=timezone.utc)),
    ],
)
def test_values_of_filters(of, written, read):
    assert conditions.READERS[of](written, "it") == read


def test_times_that_passed():
    now = datetime.now(timezone.utc)
    for text, passed in {"1 hour ago": timedelta(hours=1), "30 minutes ago": timedelta(minutes=30), "2 weeks ago": timedelta(weeks=2)}.items():
        assert abs(now - passed - conditions.moment(text)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, None),
        (Decimal("12.5"), 12.5),
        (Decimal("12.0"), 12),
        (Decimal("NaN"), "nan"),
        (float("inf"), "inf"),
        (datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T10:00:00+00:00"),
        (datetime(2026, 1, 31, 12), "2026-01-31T12:00:00"),
        (date(2026, 1, 31), "2026-01-31"),
        (timedelta(minutes=2), 120.0),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\x01\xff", "01ff"),
        ([Decimal(1), {"at": date(2026, 1, 31)}], [1, {"at": "2026-01-31"}]),
    ],
)
def test_plain_values(found, told):
    assert queries.value(found) == told


def test_lines_for_people():
    rows = [("web1\x1b[2J\nx", 1 << 30, {"tier": "web", "a": "b"}, [], True), ("y" * 100, None, {}, ["10.0.0.1", "10.0.0.2"], None)]
    assert queries.lines(["name", "memory", "labels", "addresses", "autostart"], rows, "vms") == [
        "NAME                                                          MEMORY   LABELS         ADDRESSES           AUTOSTART",
        "web1 [2J x                                                    1.0 GiB  tier=web, a=b  -                   yes",
        f"{'y' * 57}...  -        -              10.0.0.1, 10.0.0.2  -",
    ]
    assert queries.lines(["a.b|size"], [(Decimal("1.239"),)], None) == ["a.b|size", "1.24"]
    assert queries.lines([], [()], None) == []


@pytest.mark.parametrize("kind", relations.relations())
def test_the_page_has_the_columns(kind):
    page = (Path(__file__).resolve().parents[2] / "docs" / "inventory_queries.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |"))
    shown, besides = (re.findall("`([a-z_]+)`", cell) for cell in line.split("|")[2:4])
    assert tuple(shown) == relations.relations()[kind].fields and {*shown, *besides} == set(relations.relations()[kind].columns)


@pytest.mark.parametrize("name", ["modules.intake_inventory_info", "lookup.intake_inventory"])
def test_the_documentation_has_the_options(name):
    plugin = importlib.import_module(f"ansible_collections.intake.vms.plugins.{name}")
    own, shared = (yaml.safe_load(text)["options"] for text in (plugin.DOCUMENTATION, ModuleDocFragment.DOCUMENTATION))
    told = {**shared, **own}
    assert {("kind" if option == "_terms" else option) for option in told} == set(queries.SPEC)
    for option, words in shared.items():
        spec = queries.SPEC[option]
        assert (words["type"], words.get("elements"), words.get("default")) == (spec["type"], spec.get("elements"), spec.get("default"))
    if "kind" in own:
        assert own["kind"]["choices"] == list(relations.relations())
    else:
        assert all(f"C({kind})" in str(own["_terms"]) for kind in relations.relations())
