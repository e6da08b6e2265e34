# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asked for, as the inventory keeps it: every item with its defaults, and no secret."""

from __future__ import annotations

import json

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import Images
from ansible_collections.intake.vms.plugins.module_utils.resources.storage.storages import Storages
from ansible_collections.intake.vms.plugins.module_utils.resources.vm.vms import Vms
from ansible_collections.intake.vms.plugins.module_utils.resources.volume.volumes import Volumes
from ansible_collections.intake.vms.plugins.plugin_utils.record.order import entries_of, order_of


def report(name, state, error=None):
    """What a module says of an item."""
    return {"name": name, "state": state, "error": error, "changed": True, "steps": []}


def test_one_resource():
    order = order_of(Vms, {"name": "web1", "memory": "2GiB", "cpus": "2", "description": None, "lock_timeout": "5", "uri": "qemu:///session"})
    assert (order.kind, order.names, order.lock_timeout, order.uri) == ("vm", ["web1"], 5, "qemu:///session")
    assert order.items == [{"name": "web1", "storage": None, "asked": {"name": "web1", "memory": "2GiB", "cpus": 2}}]
    assert order.arguments["cpus"] == 2 and "description" not in order.arguments


def test_defaults_are_in_every_item():
    order = order_of(
        Volumes, {"storage": "fast", "size": "1GiB", "volumes": [{"name": "a"}, {"name": "b", "size": "2GiB", "storage": "slow"}, {"name": "c", "size": None}]}
    )
    assert order.names == ["fast/a", "slow/b", "fast/c"]
    assert [item["asked"]["size"] for item in order.items] == ["1GiB", "2GiB", "1GiB"]
    assert [item["storage"] for item in order.items] == ["fast", "slow", "fast"]


def test_what_was_not_said_is_not_kept():
    order = order_of(Storages, {"name": "fast", "path": "/srv"})
    assert order.items[0]["asked"] == {"name": "fast", "path": "/srv"} and order.lock_timeout == 60


@pytest.mark.parametrize(
    "arguments",
    [{}, {"vms": [{"memory": "1GiB"}]}, {"vms": [{"name": "a"}, {}]}, {"name": "a", "cpus": "many"}, {"name": "a", "nonsense": 1}, {"vms": "a"}, {"vms": [3]}],
)
def test_what_no_module_would_take_is_refused(arguments):
    with pytest.raises(Refused):
        order_of(Vms, arguments)


def test_names_are_text():
    order = order_of(Volumes, {"volumes": [{"name": 7, "storage": 3, "size": "1MiB"}, {"name": "a", "size": "1MiB"}]})
    assert order.names == ["3/7", "a"] and order.items[0]["storage"] == "3"


def test_no_items_are_no_names():
    assert order_of(Vms, {"vms": []}).names == []


SECRETS = ["hunter22", "c0nfig", "pl4in", "p4ss", "s1gned", "t0psecret"]


@pytest.mark.parametrize(
    ("resource", "options"),
    [
        (Vms, {"name": "a", "graphics": {"type": "vnc", "password": "hunter22"}, "description": "opens with hunter22", "labels": {"door": "hunter22"}}),
        (Vms, {"name": "a", "cloud_init": {"user_data": "c0nfig", "network_config": {"x": "c0nfig"}}}),
        (Vms, {"name": "a", "cloud_init": {"users": [{"name": "joe", "plain_text_passwd": "pl4in", "hashed_passwd": "pl4in"}]}}),
        (Images, {"name": "a", "storage": "s", "url": "https://joe:p4ss@mirror/x.qcow2", "description": "from https://joe:p4ss@mirror/"}),
        (Images, {"name": "a", "storage": "s", "url": "https://mirror/x.qcow2?signature=s1gned"}),
        (Images, {"name": "a", "storage": "s", "url": "https://mirror/x.qcow2", "url_password": "t0psecret", "labels": {"x": "t0psecret"}}),
    ],
)
def test_secrets_are_not_kept(resource, options):
    for arguments in (options, {resource.plural: [options]}, {**options, "name": None, resource.plural: [{"name": "a"}, {"name": "b"}]}):
        order = order_of(resource, arguments)
        kept = json.dumps([order.items, order.arguments])
        assert [secret for secret in SECRETS if secret in kept] == []
        assert order.names[0].endswith("a")


def test_a_secret_of_one_item_is_hidden_in_all():
    items = [{"name": "a", "graphics": {"password": "hunter22"}}, {"name": "b", "description": "as a: hunter22"}]
    order = order_of(Vms, {"vms": items, "cmdline": "x=hunter22"})
    assert "hunter22" not in json.dumps([order.items, order.arguments])


def test_a_task_with_no_log_says_what_it_is_about_only():
    order = order_of(Vms, {"name": "a", "memory": "1GiB"}, secret=True)
    assert order.arguments is None and order.names == ["a"] and order.items[0]["asked"] is None


def test_entries_have_what_was_asked_beside_what_is_there():
    order = order_of(Vms, {"memory": "1GiB", "vms": [{"name": "a"}, {"name": "b", "state": "absent"}, {"name": "c"}]})
    result = {"resources": [report("a", {"name": "a"}), report("b", None), report("c", {"name": "c"}, "cannot start")]}
    a, b, c = entries_of(order, result)
    assert a == {"kind": "vm", "name": "a", "storage": None, "asked": {"memory": "1GiB", "name": "a"}, "found": {"name": "a"}}
    assert b["asked"] is None and b["found"] is None
    assert c["asked"] is None and c["found"] == {"name": "c"}
    assert [entry["asked"] for entry in entries_of(order, result, describes=False)] == [None] * 3


def test_one_name_in_two_storages_stays_two_entries():
    order = order_of(Volumes, {"size": "1MiB", "volumes": [{"name": "a", "storage": "x"}, {"name": "a", "storage": "y"}]})
    found = [{"name": "a", "storage": "x"}, {"name": "a", "storage": "y"}]
    entries = entries_of(order, {"resources": [report("a", one) for one in found]})
    assert [(entry["storage"], entry["found"]["storage"]) for entry in entries] == [("x", "x"), ("y", "y")]


def test_a_result_without_resources_tells_of_nothing():
    order = order_of(Vms, {"name": "a"})
    assert entries_of(order, {"failed": True, "msg": "unreachable"}) == [] and entries_of(order, {"resources": None}) == []
