# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one flow, on a resource that lives in a dict."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError, Refused
from ansible_collections.intake.vms.plugins.module_utils.flow.converge import Plan, Resource, Step, converge, summary


class Shelf(Resource):
    """Numbers by name; shrinking is refused, 13 cannot be stored."""

    noun, plural = "box", "boxes"

    def __init__(self, boxes):
        super().__init__()
        self.boxes = boxes

    def read(self, wants):
        return [{"size": self.boxes[want["name"]]} if want["name"] in self.boxes else None for want in wants]

    def plan(self, have, want):
        plan = Plan(want["name"])
        before = have["size"] if have else None
        if before is not None and want["size"] < before:
            raise Refused(f"box {want['name']}: is {before}, asked for {want['size']}", "shrink_refused")
        if before != want["size"]:
            plan.steps.append(Step("set", "size", lambda: self.store(want), before=before, after=want["size"]))
        return plan

    def store(self, want):
        if want["size"] == 13:
            raise IntakeError("thirteen is unlucky")
        self.boxes[want["name"]] = want["size"]


def call(shelf, wants, check_mode=False):
    return summary(shelf, converge(shelf, wants, check_mode))


def test_second_run_is_unchanged_and_check_mode_predicts_the_first():
    shelf = Shelf({"a": 1})
    wants = [{"name": "a", "size": 2}, {"name": "b", "size": 5}]
    predicted = call(shelf, wants, check_mode=True)
    assert shelf.boxes == {"a": 1}
    done = call(shelf, wants)
    assert shelf.boxes == {"a": 2, "b": 5}
    assert predicted["changed"] and done["changed"]
    assert predicted["diff"] == done["diff"]
    assert [r["steps"] for r in predicted["resources"]] == [r["steps"] for r in done["resources"]]
    again = call(shelf, wants)
    assert not again["changed"] and again["diff"] == []
    assert [r["state"] for r in again["resources"]] == [{"size": 2}, {"size": 5}]


def test_one_refusal_moves_nothing():
    shelf = Shelf({"a": 3})
    result = call(shelf, [{"name": "b", "size": 1}, {"name": "a", "size": 2}])
    assert result["failed"] and not result["changed"]
    assert result["reason"] == "shrink_refused" and result["msg"] == "box a: is 3, asked for 2"
    assert shelf.boxes == {"a": 3}


def test_one_failure_does_not_stop_the_others():
    shelf = Shelf({})
    result = call(shelf, [{"name": "a", "size": 13}, {"name": "b", "size": 2}])
    assert result["failed"] and result["changed"]
    assert shelf.boxes == {"b": 2}
    assert [r["changed"] for r in result["resources"]] == [False, True]
    assert result["resources"][0]["error"] == "thirteen is unlucky"


def test_the_same_name_twice_is_refused():
    with pytest.raises(Refused, match="listed twice"):
        converge(Shelf({}), [{"name": "a", "size": 1}, {"name": "a", "size": 2}])


def test_diff_is_made_of_plain_dicts_of_what_changes():
    result = call(Shelf({"a": 1}), [{"name": "a", "size": 2}], check_mode=True)
    assert result["diff"] == [
        {"before_header": "box a", "after_header": "box a", "before": {"size": 1}, "after": {"size": 2}}
    ]
