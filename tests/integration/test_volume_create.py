# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes from nothing: every format, size and preallocation, their records, names, removal, and what is refused."""

from __future__ import annotations

import os
import stat

import pytest
from disks import MIB, directory_storage, facts, files, left, qemu_img, records

KINDS = [
    (form, preallocation)
    for form in ("qcow2", "raw", None)
    for preallocation in (None, "off", "metadata", "falloc", "full")
    if (form, preallocation) != ("raw", "metadata")
]
ODD_NAMES = ["weiße Wäsche.qcow2", "a,b=c", "x:y", "100%s", "'quoted\" <&>.raw", "no-suffix", "two  blanks", "#1;ls", "$(x)", "json:{}"]


def test_every_format_and_preallocation(storage, ensure, connection):
    wants = [{"name": f"{form}-{preallocation}", "format": form, "preallocation": preallocation} for form, preallocation in KINDS]
    done = ensure("intake_volume", storage=storage.name, size="8MiB", volumes=wants)
    for (form, preallocation), entry in zip(KINDS, done["resources"]):
        state, path = entry["state"], f"{storage.path}/{entry['name']}"
        assert facts(path) == (form or "qcow2", 8 * MIB, None), entry
        found = os.stat(path)
        assert (state["format"], state["size"], state["path"], state["storage"]) == (form or "qcow2", 8 * MIB, path, storage.name)
        assert state["allocation"] == found.st_blocks * 512
        assert (state["allocation"] >= 8 * MIB) is (preallocation in ("falloc", "full")), entry
        assert (found.st_size >= 8 * MIB) is (form == "raw" or preallocation in ("metadata", "falloc", "full")), entry
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert [step["verb"] for step in entry["steps"]] == ["create"]
    names = {want["name"] for want in wants}
    assert names <= set(connection.storagePoolLookupByName(storage.name).listVolumes())
    assert not left(storage.path)
    ensure("intake_volume", storage=storage.name, state="absent", volumes=[{"name": name} for name in names])
    assert files(storage.path) == [] and not records(storage.path)
    assert not names & set(connection.storagePoolLookupByName(storage.name).listVolumes())


def test_one_by_flat_options_its_state_and_diff(storage, ensure, run_module):
    said = {"description": "data of web1", "labels": {"project": "blue", "rack": 7}, "read_only": True}
    done = ensure("intake_volume", name="one.qcow2", storage=storage.name, size="1GiB", **said)
    state = done["volume"]
    assert state == done["resources"][0]["state"]
    shown = {key: state[key] for key in ("name", "description", "labels", "read_only", "size", "backing", "source", "kind")}
    assert shown == {
        "name": "one.qcow2",
        "description": "data of web1",
        "labels": {"project": "blue", "rack": "7"},
        "read_only": True,
        "size": 1024 * MIB,
        "backing": None,
        "source": None,
        "kind": "volume",
    }
    assert done["diff"][0]["before"] == {} and done["diff"][0]["after"]["size"] == "1 GiB"
    again = run_module("intake_volume", name="one.qcow2", storage=storage.name)
    assert not again["changed"] and again["volume"] == state and again["diff"] == []


def test_sizes_as_people_write_them(storage, ensure):
    """Disks are made of sectors of 512 bytes; what is no multiple is rounded up, once."""
    sizes = {"1048576": MIB, "1.5MB": 1_500_160, "1000": 1024, "3M": 3 * MIB, "0.5 GiB": 512 * MIB, "2TiB": 2 * 2**40, "10gb": 10**10, "513B": 1024}
    wants = [{"name": f"{form} {size}", "size": size, "format": form} for size in sizes for form in ("qcow2", "raw")]
    done = ensure("intake_volume", storage=storage.name, volumes=wants)
    for want, entry in zip(wants, done["resources"]):
        assert entry["state"]["size"] == sizes[want["size"]] == facts(f"{storage.path}/{want['name']}")[1], want


def test_odd_names_are_kept_exactly(storage, ensure, connection):
    wants = [{"name": name, "format": form} for name, form in zip(ODD_NAMES, ("qcow2", "raw") * len(ODD_NAMES))]
    ensure("intake_volume", storage=storage.name, size="1MiB", volumes=wants)
    assert files(storage.path) == sorted(ODD_NAMES) and set(records(storage.path)) == set(ODD_NAMES)
    clones = [{"name": f"of {name}", "source_volume": name, "format": "qcow2"} for name in ODD_NAMES]
    ensure("intake_volume", storage=storage.name, clone="linked", volumes=clones)
    for name in ODD_NAMES:
        assert facts(f"{storage.path}/of {name}")[2] == f"{storage.path}/{name}"
    ensure("intake_volume", storage=storage.name, size="2MiB", volumes=[{"name": f"of {name}"} for name in ODD_NAMES])
    ensure("intake_volume", storage=storage.name, state="absent", volumes=[{"name": f"of {name}"} for name in ODD_NAMES])
    ensure("intake_volume", storage=storage.name, state="absent", volumes=[{"name": name} for name in ODD_NAMES])
    assert files(storage.path) == []


def test_names_that_are_no_file_names_are_refused(storage, run_tasks):
    bad = ["../x", "a/b", ".hidden", "-x", " x", "x ", "a\nb", "x" * 201, "ä" * 101]
    calls = [("intake_volume", {"name": name, "storage": storage.name, "size": "1MiB"}, False) for name in bad]
    calls += [("intake_volume", {"name": "fine", "new_name": "../x", "storage": storage.name, "size": "1MiB"}, False)]
    calls += [("intake_volume", {"name": name, "storage": storage.name, "state": "absent"}, False) for name in ("..", "../../etc/x")]
    for call, result in zip(calls, run_tasks(*calls)):
        assert result["failed"] and result["reason"] == "invalid_name", (call, result)
        assert not result["changed"]
    assert files(storage.path) == []


REFUSED = {
    "shrunk.qcow2": ({"size": "0"}, "invalid_size"),
    "negative": ({"size": "-1GiB"}, "invalid_size"),
    "word": ({"size": "big"}, "invalid_size"),
    "unit": ({"size": "1XB"}, "invalid_size"),
    "comma": ({"size": "1,5GiB"}, "invalid_size"),
    "huge": ({"size": "9000000000TiB"}, "invalid_size"),
    "none": ({}, "size_missing"),
    "both": ({"image": "a", "source_volume": "b"}, "two_sources"),
    "of-image": ({"image": "a"}, "image_not_found"),
    "of-volume": ({"source_volume": "b"}, "source_volume_not_found"),
    "raw-metadata": ({"size": "1MiB", "format": "raw", "preallocation": "metadata"}, "invalid_preallocation"),
    "filled": ({"size": "1PiB", "preallocation": "falloc"}, "no_space"),
    "filled.raw": ({"size": "1PiB", "preallocation": "full", "format": "raw"}, "no_space"),
    "linked-raw": ({"source_volume": "base", "clone": "linked", "format": "raw"}, "invalid_clone"),
    "linked-full": ({"source_volume": "base", "clone": "linked", "preallocation": "full"}, "invalid_clone"),
    "linked-metadata": ({"source_volume": "base", "clone": "linked", "preallocation": "metadata"}, "invalid_clone"),
    "copy-falloc": ({"source_volume": "base", "preallocation": "falloc"}, "invalid_preallocation"),
    "copy-small": ({"source_volume": "base", "size": "1MiB"}, "shrink_refused"),
    "of-vmdk": ({"source_volume": "base.vmdk"}, "invalid_source"),
}


def test_what_cannot_be_made_is_refused_before_anything_moves(storage, run_tasks):
    qemu_img("create", "-q", "-f", "qcow2", f"{storage.path}/base", "2M")
    qemu_img("create", "-q", "-f", "vmdk", f"{storage.path}/base.vmdk", "2M")
    wants = [{"name": "good", "size": "1MiB"}] + [{"name": name, **options} for name, (options, reason) in REFUSED.items()]
    options = {"storage": storage.name, "volumes": wants}
    for result in run_tasks(("intake_volume", options, True), ("intake_volume", options, False)):
        assert result["failed"] and not result["changed"] and not any(entry["steps"] for entry in result["resources"])
        found = {entry["name"]: entry.get("reason") for entry in result["resources"]}
        assert found == {"good": None, **{name: reason for name, (options, reason) in REFUSED.items()}}
        assert all(name in entry["error"] for name, entry in zip(REFUSED, result["resources"][1:]))
    assert files(storage.path) == ["base", "base.vmdk"]


def test_calls_that_name_nothing(storage, unique, run_tasks, connection):
    cases = [
        ({"storage": storage.name, "size": "1MiB"}, "name_missing"),
        ({"name": "x", "size": "1MiB"}, "storage_missing"),
        ({"name": "x", "state": "absent"}, "storage_missing"),
        ({"name": "x", "storage": f"{unique}-none", "size": "1MiB"}, "storage_not_found"),
        ({"storage": storage.name, "volumes": [{"size": "1MiB"}]}, "name_missing"),
        ({"storage": storage.name, "volumes": [{"name": "x", "siz": "1MiB"}]}, "invalid_options"),
        ({"storage": storage.name, "volumes": [{"name": "x", "format": "vdi"}]}, "invalid_options"),
        ({"storage": storage.name, "name": "x", "volumes": [{"name": "y"}]}, "ambiguous_name"),
        ({"name": "x", "storage": storage.name, "size": "1MiB", "uri": "qemu+tcp://127.0.0.1:1/system"}, "not_reachable"),
    ]
    for (options, reason), result in zip(cases, run_tasks(*(("intake_volume", options, False) for options, _reason in cases))):
        assert result["failed"] and result["reason"] == reason, (options, result)
    assert files(storage.path) == []


def test_a_storage_that_is_not_active_is_refused(storage, refuse, connection):
    connection.storagePoolLookupByName(storage.name).destroy()
    sentence = refuse("intake_volume", "storage_inactive", name="x", storage=storage.name, size="1MiB")
    assert f"name={storage.name} state=present" in sentence and files(storage.path) == []


@pytest.mark.parametrize("relocation", [{"new_name": "b"}, {"new_storage": True}, {"new_name": "b", "new_storage": True}], ids=str)
def test_what_is_nowhere_is_made_where_it_shall_be(relocation, storage, unique, folder, ensure, connection):
    """A play that renames and describes at once also begins on an empty host, and its second run changes nothing."""
    other = f"{unique}-other"
    with directory_storage(connection, other, f"{folder}/other"):
        relocation = {key: other if value is True else value for key, value in relocation.items()}
        done = ensure("intake_volume", name="a", storage=storage.name, size="1MiB", **relocation)
        place = f"{folder}/other" if "new_storage" in relocation else storage.path
        assert done["volume"]["path"] == f"{place}/{relocation.get('new_name', 'a')}"
