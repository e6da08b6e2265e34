# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as its info modules tell it: what came while they were asked, and what they could not read."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError
from ansible_collections.intake.vms.plugins.plugin_utils.compare.survey import survey

OK = {"status": "ok"}


def asked(**answers):
    """A host that answers so."""
    return lambda module, _arguments: {"hypervisor": {"uuid": "u"}, **answers[module.split("_")[1]]}


def test_what_is_in_a_storage_that_came_meanwhile_waits():
    call = asked(storage={"storages": [{"name": "a", "health": OK}]}, volume={"volumes": [{"name": "v", "storage": one} for one in ("a", "late")]})
    seen = survey(call, ["storage", "volume"], "qemu:///system")
    assert [(one["kind"], one["storage"], one["name"]) for one in seen.entries] == [("storage", None, "a"), ("volume", "a", "v")]
    assert seen.missed() == []


def test_what_could_not_be_read_is_said_and_hidden():
    storages = {"storages": [{"name": "a", "health": OK}, {"name": "b", "health": {"status": "degraded"}}], "unreadable": [{"storage": None, "name": "c"}]}
    volumes = {"volumes": [], "unreadable": [{"storage": "a", "name": "torn"}, {"storage": "d", "name": None}]}
    seen = survey(asked(storage=storages, volume=volumes), ["storage", "volume"], "qemu:///system")
    assert seen.missed() == ["a/torn", "b", "c", "d"]
    rows = [("storage", None, "c"), ("volume", "c", "x"), ("volume", "b", "x"), ("volume", "a", "torn"), ("volume", "d", "x")]
    assert all(seen.hides({"kind": kind, "storage": storage, "name": name}) for kind, storage, name in rows)
    assert not any(seen.hides({"kind": kind, "storage": storage, "name": name}) for kind, storage, name in (("volume", "a", "v"), ("storage", None, "a")))


def test_a_module_that_fails_ends_it():
    with pytest.raises(IntakeError, match="no"):
        survey(lambda *_words: {"failed": True, "msg": "no"}, ["storage"], "qemu:///system")
