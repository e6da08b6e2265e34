# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: one taker, whoever asks; kept through a crash; given, and given back by their owner only."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.module_utils.locking.leases import Leases, end_own


def owner(number):
    return {"vm": f"vm{number}", "uuid": f"u{number}", "host": f"h{number}", "hostname": f"hv{number}"}


@pytest.fixture
def leases(tmp_path):
    return Leases(str(tmp_path))


def test_one_taker_of_many_at_once(leases):
    def take(number):
        try:
            leases.take("root.qcow2", owner(number))
            return number
        except Refused as refused:
            assert refused.reason == "volume_leased"
            return None

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(take, range(40)) if number is not None]
    assert len(winners) == 1
    assert leases.holder("root.qcow2")["vm"] == f"vm{winners[0]}"
    assert os.listdir(leases.folder) == ["root.qcow2.json"]


def test_again_by_the_same_machine_is_no_error_and_another_host_is_refused_in_words(leases):
    leases.take("a", owner(1))
    leases.take("a", owner(1))
    with pytest.raises(Refused, match="volume a belongs to vm vm1 on host hv1.*takeover: true"):
        leases.take("a", {**owner(1), "host": "h2", "hostname": "hv2"})


def test_a_host_that_got_another_uuid_is_told_so(leases):
    leases.take("a", owner(1))
    with pytest.raises(Refused, match="belongs to this vm on a host hv1 with the UUID h1; this host has h2.*takeover: true"):
        leases.take("a", {**owner(1), "host": "h2"})


def test_only_the_owner_gives_it_back_or_hands_it_over(leases):
    leases.take("a", owner(1))
    leases.release("a", owner(2))
    assert leases.holder("a")["host"] == "h1"
    with pytest.raises(Refused):
        leases.give("a", owner(2), owner(3))
    leases.give("a", owner(1), owner(2))
    leases.give("a", owner(1), owner(2))  # a run that was killed after it
    assert leases.holder("a")["host"] == "h2"
    leases.give("a", None, owner(3))
    leases.release("a", owner(3))
    assert leases.holder("a") is None and leases.all() == {}


def test_a_damaged_lease_still_keeps_others_out(leases):
    leases.take("a", owner(1))
    with open(leases.path("a"), "w", encoding="utf-8") as file:
        file.write("{")
    with pytest.raises(Refused, match="unknown"):
        leases.take("a", owner(1))
    assert list(leases.all()) == ["a"]


def test_what_this_host_left_on_a_file_that_goes_ends(leases):
    leases.take("a", owner(1))
    file = os.path.join(os.path.dirname(os.path.dirname(leases.folder)), "a")
    end_own(file, {"host": "h2"})
    assert leases.holder("a")["host"] == "h1"
    end_own(file, {"host": "h1"})
    end_own(file, {"host": "h1"})
    assert leases.holder("a") is None
