# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only some modules do on their way through Ansible: files of the controller, secrets of their own; and what a person sees of a diff."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from plays import Plays
from through import AWAY, CONTENT, HERE, Image, Machine, Play, said

OTHER = CONTENT[::-1] + b"other"


@pytest.fixture
def play(playbooks, ansible_environment, tmp_path):
    """Plays on hosts of this test."""
    return Play(playbooks, ansible_environment, tmp_path)


@pytest.fixture
def image(connection, folder, storage):
    """intake_image; its files go with the storage."""
    return Image(connection, folder, storage)


@pytest.fixture
def machine(connection, folder, unique, forget_vms):
    """intake_vm, whose machines are gone afterwards."""
    yield Machine(connection, folder, None)
    forget_vms(unique)


@pytest.fixture
def src(tmp_path):
    """A file where Ansible looks for those of a play."""
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / "golden.img"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def travels(tmp_path):
    """travels(what a play said): the files of the controller that went to the host, where nothing of them is left."""
    far = tmp_path / "far"

    def told(done):
        assert not far.exists() or list(far.iterdir()) == []
        return [line.split(" PUT ")[1].split(" TO ")[0] for line in done.output.splitlines() if " PUT " in line and "AnsiballZ_" not in line]

    told.variables = {"ansible_connection": "elsewhere", "ansible_remote_tmp": str(far)}
    return told


def from_src(image, name, **more):
    """Options of an image that is a file of the controller."""
    return {"name": name, "storage": image.storage.name, "src": "golden.img", **more}


# --- files of the controller --------------------------------------------------------------------------------------------


def test_a_file_of_the_play_travels_once(image, play, unique, src, travels):
    task = image.task(from_src(image, f"{unique}-a"))
    done = play(task, task, vars=travels.variables, words=["-vvv"], recorded=True)
    assert said(done.results) == [True, False] and travels(done) == [str(src)]
    assert image.description(f"{unique}-a") == "" and src.exists()
    assert play.journal("status, arguments", unique) == [(status, from_src(image, f"{unique}-a")) for status in ("changed", "unchanged")]


def test_an_image_follows_its_file(image, play, unique, src, travels):
    task = image.task(from_src(image, f"{unique}-a"))
    play(image.task(image.want(f"{unique}-a")))
    same = play(task, vars=travels.variables, words=["-vvv"])
    assert said(same.results) == [False] and travels(same) == [], "the host has this content, by whatever way it came"
    src.write_bytes(OTHER)
    new = play(task, vars=travels.variables, words=["-vvv"])
    assert said(new.results) == [True] and travels(new) == [str(src)]
    assert Path(image.storage.path, f"{unique}-a").read_bytes() == OTHER


def test_no_file_travels_in_check_mode(image, play, unique, src, travels):
    done = play(image.task(from_src(image, f"{unique}-a")), vars=travels.variables, words=["-vvv", "--check", "--diff"])
    assert said(done.results) == [True] and travels(done) == [] and image.description(f"{unique}-a") is None
    assert [step["verb"] for step in done.results[0]["resources"][0]["steps"]] == ["upload"] and done.results[0]["diff"]


def test_only_what_a_list_lacks_travels(image, play, unique, src, travels):
    other = src.with_name("other.img")
    other.write_bytes(OTHER)
    play(image.task(image.want(f"{unique}-a")))
    names = [f"{unique}-{end}" for end in "abcd"]
    images = [{"name": names[0]}, {"name": names[1]}, {"name": names[2], "src": str(other)}, {"name": names[3], "state": "absent"}]
    beside = {"src": "golden.img", "storage": image.storage.name}
    done = play(image.task({**beside, "images": images}), vars=travels.variables, words=["-vvv"])
    assert [one["changed"] for one in done.results[0]["resources"]] == [False, True, True, False]
    assert travels(done) == [str(other)], "what another image has is copied on the host"
    assert Path(image.storage.path, names[2]).read_bytes() == OTHER and [image.description(name) for name in (*names[:2], names[3])] == ["", "", None]


def test_nothing_travels_for_a_list_with_one_refused(image, play, unique, src, travels):
    images = [from_src(image, f"{unique}-a"), image.bad(f"{unique}-b")]
    done = play(image.task({"images": images}), vars=travels.variables, words=["-vvv"], code=2)
    assert said(done.results) == [image.refusal] and travels(done) == [] and os.listdir(image.storage.path) == []


def test_a_file_that_cannot_be_brought(image, play, unique, src):
    tasks = [
        image.task(from_src(image, f"{unique}-a", src="missing.img"), ignore_errors=True),
        image.task(from_src(image, f"{unique}-a"), ignore_errors=True, **{"async": 60, "poll": 1}),
    ]
    done = play(*tasks, recorded=True).results
    assert said(done) == ["source_not_found", "src_async"] and "missing.img" in done[0]["msg"]
    assert image.description(f"{unique}-a") is None and [row[0] for row in play.journal("status", unique)][:1] == ["failed"]


def test_a_file_goes_to_the_host_a_task_is_delegated_to(image, play, unique, src, travels):
    play.inventory({"two": {**HERE, **travels.variables}, "away": AWAY})
    done = play(image.task(from_src(image, f"{unique}-a"), delegate_to="two"), hosts="away", words=["-vvv"])
    assert said(done.results) == [True] and travels(done) == [str(src)] and image.description(f"{unique}-a") == ""


def test_a_file_with_become_and_in_a_loop(image, play, unique, src):
    names = [f"{unique}-a", f"{unique}-b"]
    (done,) = play(image.task(from_src(image, "{{ item }}"), loop=names, become=True)).results
    assert said(done["results"]) == [True, True] and [image.description(name) for name in names] == ["", ""]


def test_a_download_goes_by_the_proxy_of_the_environment(image, play, unique, source):
    url = "http://images.invalid/golden.img"
    source.put(url, CONTENT)
    options = {"name": f"{unique}-a", "storage": image.storage.name, "url": url}
    done = play(image.task(options, environment={"http_proxy": source.url(""), "no_proxy": ""})).results
    assert said(done) == [True] and image.description(f"{unique}-a") == "" and len(source.requests(url)) == 1


# --- secrets of the modules themselves ----------------------------------------------------------------------------------


def test_a_password_of_a_download_is_nowhere(image, play, unique, source):
    secret = f"s3cret-{unique}"
    url = source.put("/private", CONTENT, auth=f"ops:{secret}")
    one = {"name": f"{unique}-a", "storage": image.storage.name, "url": url, "url_username": "ops", "url_password": secret}
    assert secret not in said_by_both(image, play, one) and image.description(f"{unique}-a") == ""
    assert secret not in str(play.journal("operations", unique))


def test_a_password_of_a_screen_is_nowhere(machine, play, unique, connection):
    secret = f"Q{unique[-5:]}zX"
    one = machine.want(f"{unique}-a", graphics={"type": "vnc", "password": secret})
    assert secret not in said_by_both(machine, play, one)
    assert f"passwd='{secret}'" in connection.lookupByName(f"{unique}-a").XMLDesc(1)  # VIR_DOMAIN_XML_SECURE
    assert secret not in str(play.journal("operations", unique))


def said_by_both(kind, play, one):
    """All output about an item: of a call that is done and recorded, and of one that Ansible refuses before it knows what is secret in items."""
    done = play(kind.task({kind.plural: [one]}), words=["-vvv", "--diff"], recorded=True)
    refused = play(kind.task({kind.plural: [one], "no_such_option": 1}), words=["-vvv", "--diff"], code=2)
    assert said(done.results) == [True] and "no_such_option" in refused.results[0]["msg"]
    return done.output + refused.output


# --- what a person sees -------------------------------------------------------------------------------------------------


def test_a_person_sees_the_diff(image, machine, ansible_environment, tmp_path, unique):
    play = Plays(tmp_path, ansible_environment)
    path = tmp_path / "diff.json"
    tasks = [one.task(one.want(f"{unique}-a", description=text)) for one in (image, machine) for text in ("old words", "new words")]
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    shown = play(path, "--diff")
    for one in (image, machine):
        assert f"--- before: {one.noun} {unique}-a" in shown and one.description(f"{unique}-a") == "new words"
    assert shown.count('-    "description": "old words"') == 2 and shown.count('+    "description": "new words"') == 2
