# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages asked for in nonsense: every answer is a sentence, and nothing moves."""

from __future__ import annotations

import json
import os

from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.resources.storage.storages import INFO_SPEC, Storages

MODULES = Modules(Storages, INFO_SPEC)


def answered(result):
    """Failed with words of ours or of Ansible's validation, never with a traceback."""
    assert result.get("failed"), result
    assert "Traceback" not in json.dumps(result) and "MODULE FAILURE" not in result["msg"], result
    return result["msg"]


THROUGH_ANSIBLE = [
    {"storages": "not a list of dictionaries"},
    {"storages": [5]},
    {"storages": [None]},
    {"storages": [{"name": "x", "colour": "red"}]},
    {"name": "x\0y", "path": "/var/tmp/x"},
    {"name": "x", "path": "/var/tmp/x\0y"},
    {"name": "x", "path": "/var/tmp/x", "uri": "nonsense"},
    {"name": "x", "path": "/var/tmp/x", "lock_timeout": "soon"},
]
BAD = [
    {"storages": [{}]},
    {"storages": [{"name": None}]},
    {"storages": [{"path": "/srv/x"}]},
    {"storages": [{"name": "x", "colour": "red"}]},
    {"storages": [{"name": "x", "storages": []}]},
    {"storages": [{"name": "x", "state": "gone"}]},
    {"storages": [{"name": "x", "mount_options": {"a": "b"}}]},
    {"storages": [{"name": "x", "labels": ["a"]}]},
    {"storages": [{"name": "x", "autostart": "perhaps"}]},
    {"storages": [{"name": "x", "path": "/var/tmp/x"}, {"name": "x", "path": "/var/tmp/y"}]},
    {"name": "x", "storages": [{"name": "y"}]},
    {"name": ["x"], "path": "relative"},
    {"name": "x\ny", "path": "/var/tmp/x"},
    {"name": "x\0y", "path": "/var/tmp/x"},
    {"name": "-x", "path": "/var/tmp/x"},
    {"name": " x", "path": "/var/tmp/x"},
    {"name": ".", "path": "/var/tmp/x"},
    {"name": "x" * 300, "path": "/var/tmp/x"},
    {"name": "\u202ex", "path": "/var/tmp/x"},
    {"name": "x", "path": "/var/tmp/x\ny"},
    {"name": "x", "path": "/var/tmp/x\0y"},
    {"name": "x", "path": "/var/tmp/" + "x" * 300},
    {"name": "x", "path": "/var/tmp/../../etc"},
    {"name": "x", "path": "//etc"},
    {"name": "x", "path": "/var/tmp/x/"},
    {"name": "x", "path": "/proc/self/cwd"},
    {"name": "x", "path": "/dev/shm"},
    {"name": "x", "path": "~/x"},
    {"name": "x", "device": "/dev/\0"},
    {"name": "x", "device": "UUID="},
    {"name": "x", "device": "UUID=../../../dev/null"},
    {"name": "x", "device": "UUID=/dev/null"},
    {"name": "x", "device": "UUID=x; touch /tmp/x"},
    {"name": "x", "device": "UUID=00000000-0000-0000-0000-000000000000"},
    {"name": "x", "device": "loop0"},
    {"name": "x", "device": "--help"},
    {"name": "x", "device": "/dev"},
    {"name": "x", "device": "/dev/null", "mount_options": ["noatime\nx"]},
    {"name": "x", "state": "empty"},
    {"name": "x", "state": "empty", "confirm": "x"},
]


def test_nonsense_is_answered_with_a_sentence(connection):
    for options in BAD:
        for check in (True, False):
            result = MODULES.run(check=check, **options)
            assert answered(result), options
            assert not result["changed"], options
    assert not {"x", "y"} & {pool.name() for pool in connection.listAllStoragePools(0)}
    assert not os.path.exists("/var/tmp/x") and not os.path.exists("/var/tmp/y")


def test_nonsense_through_ansible(run_tasks):
    results = run_tasks(*[("intake_storage", options, False) for options in THROUGH_ANSIBLE])
    for options, result in zip(THROUGH_ANSIBLE, results):
        assert answered(result), options
        assert not result["changed"], options
    assert any("Unsupported parameters: colour" in result["msg"] for result in results)


def test_nonsense_in_filters(run_tasks, storage):
    bad = [{"names": {"a": 1}}, {"labels": ["a"]}, {"timeout": 0}, {"timeout": 10**12}, {"colour": "red"}]
    fine = [{"names": [5, None, storage.name]}, {"labels": {"\n": None}}]
    results = run_tasks(*[("intake_storage_info", options, False) for options in [*bad, *fine]])
    for result in results[: len(bad)]:
        answered(result)
    assert [[one["name"] for one in result["storages"]] for result in results[len(bad) :]] == [[storage.name], []]
