# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where machines go: whatever is asked, they fit, and those that belong apart are apart."""

from __future__ import annotations

import itertools
import random

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.intake.vms.plugins.filter.place import place as place_filter
from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.plugin_utils.placement import place

GIB = 1 << 30


def vm(name, gib, group=None):
    return {"name": name, "memory": gib * GIB, "labels": {"anti_affinity": group} if group else {}}


def host(name, gib, *there):
    return {"name": name, "free": gib * GIB, "vms": list(there)}


CASES = {
    "nothing to place": ([], [host("a", 1)], {}),
    "nothing to place, and nowhere": ([], [], {}),
    "where most is free": ([vm("x", 1)], [host("a", 2), host("b", 4), host("c", 3)], {"x": "b"}),
    "by name where it is the same": ([vm("x", 1)], [host("b", 4), host("a", 4)], {"x": "a"}),
    "exactly full": ([vm("x", 2), vm("y", 2)], [host("a", 2), host("b", 2)], {"x": "a", "y": "b"}),
    "evenly": ([vm(name, 1) for name in "wxyz"], [host("a", 8), host("b", 8)], {"w": "a", "x": "b", "y": "a", "z": "b"}),
    "the largest first": ([vm("s", 1), vm("l", 4)], [host("a", 4), host("b", 1)], {"l": "a", "s": "b"}),
    "full up where evenly does not fit": (
        [vm("l", 3), vm("m", 3), vm("s", 2), vm("t", 2), vm("u", 2)],
        [host("a", 6), host("b", 6)],
        {"l": "a", "m": "a", "s": "b", "t": "b", "u": "b"},
    ),
    "without memory anywhere": ([vm("x", 0)], [host("a", 0)], {"x": "a"}),
    "without memory on an overcommitted host": ([vm("x", 0)], [host("a", -1)], {"x": "a"}),
    "without memory beside what fits": ([vm("s", 0), vm("r", 1)], [host("a", -9), host("b", 1)], {"r": "b", "s": "b"}),
    "not on an overcommitted host": ([vm("x", 0)], [host("a", -1), host("b", 1)], {"x": "b"}),
    "apart": ([vm("x", 1, "web"), vm("y", 1, "web")], [host("a", 8), host("b", 2)], {"x": "a", "y": "b"}),
    "apart from what is there": ([vm("x", 1, "web")], [host("a", 8, vm("old", 1, "web")), host("b", 1)], {"x": "b"}),
    "apart from its own group only": ([vm("x", 1, "db")], [host("a", 8, vm("old", 1, "web")), host("b", 1)], {"x": "a"}),
    "together where there is no other way": ([vm("x", 1, "web")], [host("a", 8, vm("old", 1, "web")), host("b", 0)], {"x": "a"}),
    "spread as far as possible": ([vm(name, 1, "web") for name in "wxyz"], [host("a", 8), host("b", 8)], {"w": "a", "x": "b", "y": "a", "z": "b"}),
    "apart by looking again": ([vm("x", 2, "web"), vm("y", 1, "web")], [host("a", 3), host("b", 2, vm("old", 1, "db"))], {"x": "a", "y": "b"}),
}


@pytest.mark.parametrize("name", CASES)
def test_places(name):
    vms, hosts, expected = CASES[name]
    assert place(vms, hosts) == expected


@pytest.mark.parametrize(
    "vms, hosts, is_hard, words",
    [
        ([vm("x", 4)], [host("a", 3), host("b", 1)], False, ["vm x: needs 4.0 GiB", "a 3.0 GiB", "b 1.0 GiB"]),
        ([vm("x", 1)], [], False, ["vm x", "no host"]),
        ([vm("x", 1)], [host("a", -5)], False, ["vm x: needs 1.0 GiB", "a 0 B"]),
        ([vm("x", 3), vm("y", 3)], [host("a", 4)], False, ["vm y: needs 3.0 GiB", "when 1 larger", "a 1.0 GiB"]),
        ([vm("x", 1, "web"), vm("y", 1, "web")], [host("a", 8)], True, ["vm y", "anti_affinity=web", "a"]),
        ([vm("x", 1, "web")], [host("a", 8, vm("old", 1, "web"))], True, ["vm x", "anti_affinity=web"]),
        ([vm("x", 1, "web")], [host("a", 8, vm("old", 1, "web")), host("b", 0)], True, ["vm x", "anti_affinity=web", "(a)"]),
    ],
)
def test_refuses_with_what_is_needed_and_what_is_there(vms, hosts, is_hard, words):
    with pytest.raises(Refused) as refused:
        place(vms, hosts, is_hard=is_hard)
    assert refused.value.reason == "no_room"
    for word in words:
        assert word in str(refused.value)


def test_names_are_unique():
    with pytest.raises(Refused, match="vm x: is listed twice"):
        place([vm("x", 1), vm("x", 2)], [host("a", 8)])
    with pytest.raises(Refused, match="host a: is listed twice"):
        place([vm("x", 1)], [host("a", 8), host("a", 8)])


def test_the_label_is_a_choice():
    vms = [{"name": name, "memory": GIB, "labels": {"rack": 1, "anti_affinity": name}} for name in "xy"]
    assert place(vms, [host("a", 8), host("b", 2)], label="rack") == {"x": "a", "y": "b"}
    assert place(vms, [host("a", 8), host("b", 2)], label="") == {"x": "a", "y": "a"}


def brute(vms, hosts, apart):
    """True where some placement fits, by trying all."""
    choices = ({vm["name"]: one["name"] for vm, one in zip(vms, choice)} for choice in itertools.product(hosts, repeat=len(vms)))
    return any(not faults(vms, hosts, placed, apart) for placed in choices)


def faults(vms, hosts, placed, apart):
    """What is wrong with a placement."""
    found = []
    for one in hosts:
        mine = [vm for vm in vms if placed[vm["name"]] == one["name"]]
        if mine and sum(vm["memory"] for vm in mine) > one["free"]:
            found.append(f"{one['name']} is too full")
        groups = [vm["labels"].get("anti_affinity") for vm in mine]
        groups = [group for group in groups if group]
        there = [vm["labels"].get("anti_affinity") for vm in one["vms"]]
        if apart and (len(set(groups)) < len(groups) or set(groups) & set(there)):
            found.append(f"{one['name']} has a group twice")
    return found


@pytest.mark.parametrize("seed", range(150))
def test_whatever_is_asked_fits_or_cannot(seed):
    dice = random.Random(seed)
    groups = [None, None, "web", "db"]
    vms = [vm(f"v{index}", dice.randint(0, 6), dice.choice(groups)) for index in range(dice.randint(1, 6))]
    there = [[vm(f"o{index}", 1, dice.choice(groups))] * dice.randint(0, 1) for index in range(dice.randint(1, 3))]
    hosts = [host(f"h{index}", dice.randint(0, 12), *old) for index, old in enumerate(there)]
    apart = brute(vms, hosts, True)
    try:
        placed = place(vms, hosts, is_hard=True)
        assert apart and not faults(vms, hosts, placed, True)
    except Refused:
        assert not apart
    try:
        placed = place(vms, hosts)
        assert not faults(vms, hosts, placed, apart)
    except Refused:
        assert not brute(vms, hosts, False)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_question_is_nothing(seed):
    dice = random.Random(seed)
    vms = [vm(f"v{index}", dice.randint(1, 4), dice.choice([None, "web"])) for index in range(12)]
    hosts = [host(f"h{index}", dice.randint(12, 20)) for index in range(4)]
    first = place(vms, hosts)
    dice.shuffle(vms)
    dice.shuffle(hosts)
    assert place(vms, hosts) == first
    assert list(first) == sorted(first)


def test_thousands_are_placed():
    vms = [vm(f"v{index}", 1 + index % 4, f"g{index % 100}") for index in range(3000)]
    hosts = [host(f"h{index}", 200) for index in range(50)]
    assert not faults(vms, hosts, place(vms, hosts, is_hard=True), True)


def test_the_filter_takes_what_the_info_module_gives():
    found = [{"name": "x", "memory": GIB, "labels": {}, "state": "running"}]
    assert place_filter(found, [{"name": "a", "free": 2.0 * GIB}]) == {"x": "a"}


def test_stopped_machines_are_spread_by_what_they_will_take_and_have_a_place_on_full_hosts():
    found = [{"name": name, "memory": 4 * GIB, "state": state} for name, state in (("r", "running"), *((name, "stopped") for name in "stu"))]
    assert place_filter(found, [host("a", 8), host("b", 5)], reserve_stopped=False) == {"r": "a", "s": "b", "t": "a", "u": "b"}
    with pytest.raises(AnsibleFilterError, match="vm u: needs 4.0 GiB"):
        place_filter(found, [host("a", 8), host("b", 5)])


@pytest.mark.parametrize(
    "vms, hosts, words",
    [
        ([{"name": "x"}], [], "vm x: memory is a number of bytes"),
        ([{"memory": 1}], [], "every vm is a dictionary with a name"),
        ([], [{"name": "a", "free": "much"}], "host a: free is a number of bytes"),
        ([], ["a"], "every host is a dictionary"),
        ([vm("x", 1)], [], "vm x: there is no host for it"),
    ],
)
def test_the_filter_says_what_is_wrong(vms, hosts, words):
    with pytest.raises(AnsibleFilterError, match=words):
        place_filter(vms, hosts)
