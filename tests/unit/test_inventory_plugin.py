# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic inventory without a database and without libvirt: names, filters, addresses, groups, text that is no template."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.plugin_utils.ask import hostvars, sources
from ansible_collections.intake.vms.plugins.plugin_utils.database import untrusted

NOTHING = {"names": [], "states": [], "labels": {}, "hypervisors": [], "storages": []}
BOTH = (hostvars.HYPERVISOR, hostvars.VM)


def machine(name, **more):
    return {**dict.fromkeys(sources.FIELDS), "name": name, "uuid": f"uuid-{name}", "state": "running", "labels": {}, "addresses": [], "storages": [], **more}


def host(name, *machines, **more):
    return {"name": name, "uuid": f"{name:0<8}-1", "hostname": f"{name}.lan", "address": None, "storages": {}, "vms": list(machines), **more}


@pytest.mark.parametrize(
    ("addresses", "preferred", "best"),
    [
        (["192.0.2.1", "10.0.0.1"], [], "192.0.2.1"),
        (["192.0.2.1", "10.0.0.1"], ["10.0.0.0/8"], "10.0.0.1"),
        (["192.0.2.1", "10.0.0.1"], ["172.16.0.0/12", "192.0.2.0/24", "10.0.0.0/8"], "192.0.2.1"),
        (["192.0.2.1", "2001:db8::1"], ["2001:db8::/32"], "2001:db8::1"),
        (["192.0.2.1"], ["10.0.0.0/8"], "192.0.2.1"),
        (["{{ 1 }}", "-oProxyCommand=x", "10.0.0.1"], [], "10.0.0.1"),
        (["nonsense"], [], None),
        ([], ["10.0.0.0/8"], None),
        (["10.0.0.1"], ["10.0.0.9/8"], "10.0.0.1"),
    ],
)
def test_best_address(addresses, preferred, best):
    assert hostvars.best_address(addresses, hostvars.networks(preferred)) == best


def test_networks_that_are_none():
    with pytest.raises(Refused, match="write networks such as"):
        hostvars.networks(["ten"])


@pytest.mark.parametrize("prefix", ["", "a-", "1a", "a b", "a\n"])
def test_prefixes_that_make_no_names(prefix):
    with pytest.raises(Refused, match="variable_prefix"):
        hostvars.prefixed(prefix)


def names(hypervisors, kinds=(hostvars.VM,), hostname="name"):
    return [name for name, *_more in hostvars.named(hypervisors, kinds, hostname)]


def test_every_machine_has_a_name_of_its_own():
    twins = [host("a", machine("x"), machine("x_b")), host("b", machine("x"), machine("x_b"))]
    assert names(twins) == ["x", "x_b", "x_b_uuid-x", "x_b_b"]
    assert names([host("a", machine("x"), machine("x"), machine("x"), machine("x"))]) == ["x", "x_a", "x_a_uuid-x", "x_a_uuid-x_2"]
    assert names([host("a", machine("x")), host("x")], BOTH) == ["a", "x", "x_a"]
    assert names(twins, hostname="name_hypervisor") == ["x_a", "x_b_a", "x_b", "x_b_b"]
    assert names(twins, hostname="uuid") == ["uuid-x", "uuid-x_b", "uuid-x_b_uuid-x", "uuid-x_b_b"]


def test_names_that_mean_something_else_to_ansible():
    assert names([host("a", machine("localhost"), machine("all"))]) == ["localhost_a", "all_a"]
    assert names([host("localhost")], BOTH) == ["localhost.lan"]
    assert names([host("localhost", hostname=None)], BOTH) == ["localhost_localhos"]
    assert names([host("v", uuid=None), host("v", hostname="v", uuid=None), host("v", hostname="v", uuid=None)], BOTH) == ["v", "v_", "v__2"]


@pytest.mark.parametrize(
    ("filters", "is_listed"),
    [
        ({}, True),
        ({"names": ["w?b*"]}, True),
        ({"names": ["db", "W*"]}, False),
        ({"states": ["running", "paused"]}, True),
        ({"states": ["stopped"]}, False),
        ({"labels": {"tier": "web", "n": 1}}, True),
        ({"labels": {"tier": "db"}}, False),
        ({"labels": {"none": "x"}}, False),
        ({"hypervisors": ["hv[0-9]"]}, True),
        ({"hypervisors": ["other"]}, False),
        ({"storages": ["s*"]}, True),
        ({"storages": ["fast"]}, False),
    ],
)
def test_filters(filters, is_listed):
    web = machine("web1", labels={"tier": "web", "n": "1"}, storages=["slow"])
    assert hostvars.is_listed(host("hv1"), web, {**NOTHING, **filters}) is is_listed


def test_only_one_filter_is_about_hypervisors():
    asked = {**NOTHING, "names": ["none"], "states": ["stopped"], "labels": {"a": "b"}, "storages": ["none"]}
    assert hostvars.is_listed(host("hv1"), None, asked)
    assert not hostvars.is_listed(host("hv1"), None, {**asked, "hypervisors": ["hv2"]})


@pytest.mark.parametrize(("text", "port"), [("22", 22), ("65535", 65535), ("0", None), ("65536", None), ("22\n", None), ("-1", None), ("1e3", None)])
def test_ports(text, port):
    way, fault = hostvars.connection(host("hv1"), machine("web1", labels={"p": text, "u": "ops"}), [], ("p", "u"))
    assert way == {"ansible_user": "ops", **({"ansible_port": port} if port else {})}
    assert bool(fault) is (port is None)


def test_groups():
    web = machine("web1", labels={"tier": "web", "bare": ""}, storages=["fast"])
    everything = ["kind", "state", "hypervisor", "storage", "labels"]
    assert hostvars.groups(host("hv1"), web, everything) == [
        "vms", "state_running", "hypervisor_hv1", "storage_fast", "label_tier_web", "label_bare",
    ]  # fmt: skip
    assert hostvars.groups(host("hv1", storages={"fast": "/fast"}), None, everything) == ["hypervisors", "storage_fast"]
    assert hostvars.groups(host("hv1"), web, []) == []


def test_storages_are_found_by_the_folders_of_disks():
    paths = ["/fast/a", "/slow/deeper/b", "", None, "volume"]
    disks = {str(number): {"path": path} for number, path in enumerate(paths)}
    assert sources.storages_of({"disks": disks}, {"fast": "/fast", "slow": "/slow", "lost": None}) == ["fast"]


def test_who_is_off_has_no_address():
    assert sources.machine({"state": "stopped"}, ["10.0.0.1"], {})["addresses"] == []
    assert sources.machine({"state": "paused"}, ["10.0.0.1"], {})["addresses"] == ["10.0.0.1"]


def test_a_hypervisor_that_two_uris_lead_to():
    found = {"qemu+ssh://a/system": host("a"), "qemu+tcp://b/system": host("b", uuid="a0000000-1"), "qemu+ssh://a/session": host("a")}
    faults = {}
    assert len(sources.without_twins(found, faults)) == 2
    assert list(faults) == ["qemu+tcp://b/system"]


@pytest.mark.parametrize("text", ["web1", "10.0.0.1", "2001:db8::1", "/fast/a.qcow2", "a b, c=d+e@f", "52:54:00:00:00:01", "", "größe"])
def test_text_that_can_be_no_template(text):
    assert untrusted.marked(text, lambda one: "trusted", lambda one: "marked") == "trusted"


@pytest.mark.parametrize("text", ["{{ x }}", "{% x %}", "x }}", "lookup('pipe', 'x')", "a | b", "a\nb", "a[0]", "#}", "x()"])
def test_text_that_could_be_one(text):
    nested = untrusted.marked({"a": [text, 1, None], text: True}, lambda one: one, lambda one: "marked")
    assert nested == {"a": ["marked", 1, None], "marked": True}


def test_literal_is_equal_to_what_it_was():
    told = {"labels": {"a": "{{ x }}"}, "disks": ["root"], "cpus": 2}
    assert untrusted.literal(told) == told
