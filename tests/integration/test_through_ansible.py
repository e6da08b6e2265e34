# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every writing module in every way that Ansible runs a task: each test is one way, and runs for each of KINDS."""

from __future__ import annotations

import json

import pytest
from through import KINDS, Play, said


@pytest.fixture
def play(playbooks, ansible_environment, tmp_path):
    """Plays on hosts of this test."""
    return Play(playbooks, ansible_environment, tmp_path)


@pytest.fixture(params=KINDS, ids=lambda one: one.module)
def kind(request, connection, folder, storage, unique, forget_vms, forget_pool):
    """A writing module; what a test made by names that begin with its own is gone afterwards."""
    yield request.param(connection, folder, storage)
    forget_vms(unique)
    for pool in connection.listAllStoragePools(0):
        if pool.name().startswith(unique) and pool.name() != storage.name:
            forget_pool(pool.name())


def test_a_second_run_changes_nothing_and_both_are_in_the_journal(kind, play, unique):
    want, name = kind.want(f"{unique}-a", description="kept"), kind.journalled(f"{unique}-a")
    done = play(kind.task(want, name="First"), kind.task(want, name="Second"), recorded=True).results
    assert said(done) == [True, False] and kind.description(f"{unique}-a") == "kept"
    assert done[0][kind.noun] == done[0]["resources"][0]["state"] and "diff" not in done[0]
    assert play.journal("module, kind, host_name, status, names, changed, play, task", unique) == [
        (kind.module, kind.noun, "one", "changed", [name], [name], "a play", "First"),
        (kind.module, kind.noun, "one", "unchanged", [name], [], "a play", "Second"),
    ]


def test_it_goes_again(kind, play, unique):
    gone = {key: value for key, value in kind.want(f"{unique}-a").items() if key in ("name", "storage")}
    there = kind.task({**gone, "state": "absent"})
    done = play(kind.task(kind.want(f"{unique}-a")), {**there, "check_mode": True}, there, there).results
    assert said(done) == [True, True, True, False] and done[1]["resources"][0]["steps"] == done[2]["resources"][0]["steps"]
    assert [one[kind.noun] is None for one in done] == [False, False, True, True] and kind.description(f"{unique}-a") is None


def test_check_mode_touches_neither_the_host_nor_the_journal(kind, play, unique):
    tasks = [kind.task(kind.want(f"{unique}-a")), kind.task(kind.want(f"{unique}-b"), check_mode=False)]
    told, done = play(*tasks, words=["--check"], recorded=True).results
    assert told["changed"] and done["changed"] and told["resources"][0]["steps"] == done["resources"][0]["steps"]
    assert kind.description(f"{unique}-a") is None and told[kind.noun] is None and kind.description(f"{unique}-b") == ""
    assert play.journal("names", unique) == [([kind.journalled(f"{unique}-b")],)]


def test_diff_is_told_where_it_is_asked_for(kind, play, unique):
    first, second = (kind.want(f"{unique}-a", description=text) for text in ("old", "new"))
    made, told, silent = play(kind.task(first), kind.task(second, check_mode=True), kind.task(second, diff=False), words=["--diff"]).results
    header = f"{kind.noun} {unique}-a"
    assert made["diff"][0]["before_header"] == header and made["diff"][0]["before"] == {} and made["diff"][0]["after"]
    assert told["diff"] == [{"before_header": header, "after_header": header, "before": {"description": "old"}, "after": {"description": "new"}}]
    assert silent["changed"] and "diff" not in silent and kind.description(f"{unique}-a") == "new"


def test_a_loop_is_a_call_for_each_and_goes_on_behind_a_failure(kind, play, unique):
    items = [kind.want(f"{unique}-a", description="first"), kind.bad(f"{unique}-b"), kind.want(f"{unique}-c")]
    keys = {key for item in items for key in item}
    task = kind.task({key: f"{{{{ item.{key} | default(omit) }}}}" for key in keys}, loop=items, ignore_errors=True)
    (done,) = play(task, recorded=True).results
    assert done["failed"] and said(done["results"]) == [True, kind.refusal, True]
    assert [kind.description(f"{unique}-{end}") for end in "abc"] == ["first", None, ""]
    assert play.journal("status", unique) == [("changed",), ("failed",), ("changed",)]


def test_a_list_with_one_refused_moves_nothing(kind, play, unique):
    items = [kind.want(f"{unique}-a"), kind.bad(f"{unique}-b"), kind.want(f"{unique}-c")]
    tasks = [kind.task({kind.plural: "{{ wanted }}"}, ignore_errors=True), kind.task({kind.plural: "{{ wanted[::2] }}", "description": "both"})]
    refused, done = play(*tasks, vars={"wanted": items}).results
    assert said([refused, done]) == [kind.refusal, True] and not refused["changed"]
    assert [(one["name"][-1], one["changed"], one.get("reason")) for one in refused["resources"]] == [
        ("a", False, None), ("b", False, kind.refusal), ("c", False, None)
    ]  # fmt: skip
    assert [one["state"] for one in refused["resources"]] == [None] * 3
    assert [one["name"] for one in done["resources"]] == [f"{unique}-a", f"{unique}-c"] and kind.noun not in done
    assert [kind.description(f"{unique}-{end}") for end in "abc"] == ["both", None, "both"]


def test_a_task_is_done_by_the_host_it_is_delegated_to(kind, play, unique):
    done = play(kind.task(kind.want(f"{unique}-{{{{ inventory_hostname }}}}"), delegate_to="two"), hosts="away", recorded=True)
    assert done.hosts == ["away"] and said(done.results) == [True]
    assert kind.description(f"{unique}-away") == ""
    assert play.journal("host_name, status", unique) == [("two", "changed")]


def test_become_asks_sudo(kind, play, unique):
    done = play(kind.task(kind.want(f"{unique}-a"), become=True), words=["-vvv"], recorded=True)
    assert said(done.results) == [True] and kind.description(f"{unique}-a") == ""
    assert "sudo -H -S -n" in done.output and "BECOME-SUCCESS" in done.output
    assert play.journal("status", unique) == [("changed",)]


def test_a_user_whom_libvirt_does_not_let_in_is_told(kind, play, unique):
    person = {"become": True, "become_user": "nobody", "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}
    done = play(kind.task(kind.want(f"{unique}-a"), **person), code=2, recorded=True).results
    assert done[0]["reason"] == "not_reachable" and "libvirt" in done[0]["msg"], done
    assert kind.description(f"{unique}-a") is None and play.journal("status", unique) == [("failed",)]


def test_no_log_of_a_task_hides_all_of_it(kind, play, unique):
    secret = f"s3cret-{unique}"
    wants = kind.want(f"{unique}-a", description=secret), {**kind.bad(f"{unique}-b"), "description": secret}
    done = play(*(kind.task(want, no_log=True, ignore_errors=True, register="kept") for want in wants), words=["-vvv", "--diff"], recorded=True)
    assert kind.description(f"{unique}-a") == secret and secret not in done.output
    assert ["censored" in one for one in done.results] == [True, True]
    assert play.journal("status, arguments", unique) == [("changed", None), ("failed", None)]
    assert secret not in str(play.journal("operations", unique))


def test_serial_ends_one_host_before_the_next(kind, play, unique):
    want = kind.want(f"{unique}-{{{{ inventory_hostname }}}}")
    done = play(kind.task(want), kind.task(want), hosts="one,two", serial=1, recorded=True)
    assert done.hosts == ["one", "one", "two", "two"] and said(done.results) == [True, False, True, False]
    assert [kind.description(f"{unique}-{host}") for host in ("one", "two")] == ["", ""]
    assert play.journal("host_name, status", unique) == [("one", "changed"), ("one", "unchanged"), ("two", "changed"), ("two", "unchanged")]


def test_serial_ends_where_the_first_host_fails(kind, play, unique):
    bad = f"{{{{ {json.dumps(kind.bad(f'{unique}-one'))} if inventory_hostname == 'one' else {json.dumps(kind.want(f'{unique}-two'))} }}}}"
    done = play(kind.task({kind.plural: [bad]}), hosts="one,two", serial=1, code=2)
    assert done.hosts == ["one"] and said(done.results) == [kind.refusal]
    assert [kind.description(f"{unique}-{host}") for host in ("one", "two")] == [None, None]


def test_async_that_is_waited_for(kind, play, unique):
    done = play(kind.task(kind.want(f"{unique}-a"), **{"async": 60, "poll": 1}))
    assert said(done.results[-1:]) == [True] and kind.description(f"{unique}-a") == ""
    assert done.results[-1]["resources"][0]["name"] == f"{unique}-a"


def test_async_that_is_asked_after(kind, play, unique):
    wants = [kind.want(f"{unique}-a"), kind.bad(f"{unique}-b")]
    started = [kind.task(want, register=f"job{number}", **{"async": 60, "poll": 0}) for number, want in enumerate(wants)]
    until = {"until": "job is finished", "retries": 1000, "delay": 0, "register": "job", "ignore_errors": True}
    asked = [{"ansible.builtin.async_status": {"jid": f"{{{{ job{number}.ansible_job_id }}}}"}, **until} for number in range(2)]
    done = play(*started, *asked).results
    assert all(one["ansible_job_id"] for one in done[:2]) and said(done[2:]) == [True, kind.refusal], done
    assert [kind.description(f"{unique}-{end}") for end in "ab"] == ["", None]


def test_a_failure_tells_its_reason_to_the_play(kind, play, unique):
    bad = kind.bad(f"{unique}-a")
    rescued = {"block": [kind.task(bad)], "rescue": [{"ansible.builtin.debug": {"msg": "rescued from {{ ansible_failed_result.reason }}"}}]}
    tasks = [
        kind.task(bad, ignore_errors=True, register="ignored"),
        {"ansible.builtin.debug": {"msg": "went on behind {{ ignored.reason }}"}},
        rescued,
        kind.task(bad, register="mine", failed_when=f"mine.reason != '{kind.refusal}'"),
        kind.task(bad),
        kind.task(kind.want(f"{unique}-never")),
    ]
    done = play(*tasks, code=2, recorded=True).results
    assert len(done) == 6 and [done[1]["msg"], done[3]["msg"]] == [f"went on behind {kind.refusal}", f"rescued from {kind.refusal}"]
    assert done[5]["reason"] == kind.refusal and done[5]["msg"] == done[0]["msg"] and f"{unique}-a" in done[0]["msg"]
    assert [kind.description(f"{unique}-{end}") for end in ("a", "never")] == [None, None]
    assert play.journal("status, message", unique) == [("failed", done[0]["msg"])] * 4


def test_the_info_twin_finds_what_the_filter_says(kind, play, unique):
    wants = [kind.want(f"{unique}-{end}", labels={"of": unique, "end": end}) for end in "ab"]
    filters = [{"labels": {"of": unique, "end": "b"}}, {"names": [f"{unique}-a", "none"]}, {"names": [f"{unique}-a"], "labels": {"end": "b"}}]
    done = play(kind.task({kind.plural: wants}), *(kind.task(one, module=kind.info) for one in filters)).results
    assert said(done) == [True, False, False, False]
    assert [[one["name"] for one in answer[kind.plural]] for answer in done[1:]] == [[f"{unique}-b"], [f"{unique}-a"], []]
    assert done[2][kind.plural][0]["labels"] == {"of": unique, "end": "a"}
    assert [kind.description(f"{unique}-{end}") for end in "ab"] == ["", ""]


def test_module_defaults_for_the_group_and_for_the_module(kind, play, unique):
    defaults = {"group/intake.vms.all": {"uri": "nowhere:///"}, f"intake.vms.{kind.module}": {"description": "by default"}}
    here = {"uri": "qemu:///system"}
    tasks = [
        kind.task(kind.want(f"{unique}-a"), ignore_errors=True),
        kind.task({}, module=kind.info, ignore_errors=True),
        kind.task({**kind.want(f"{unique}-b"), **here}),
        kind.task({**kind.want(f"{unique}-c", description="by hand"), **here}),
    ]
    done = play(*tasks, module_defaults=defaults, recorded=True).results
    assert said(done) == ["not_reachable", "not_reachable", True, True] and "nowhere" in done[0]["msg"]
    assert [kind.description(f"{unique}-{end}") for end in "abc"] == [None, "by default", "by hand"]
    assert [row[0]["description"] for row in play.journal("arguments", unique)] == ["by default", "by default", "by hand"]


def test_the_environment_of_a_task_is_that_of_libvirt(kind, play, unique, tmp_path):
    log = tmp_path / "libvirt.log"
    task = kind.task(kind.want(f"{unique}-a"), environment={"LIBVIRT_DEBUG": "1", "LIBVIRT_LOG_OUTPUTS": f"1:file:{log}"})
    assert said(play(task).results) == [True] and kind.description(f"{unique}-a") == ""
    assert "virConnectOpen" in log.read_text(encoding="utf-8", errors="replace")


def test_ad_hoc(kind, play, unique):
    want = kind.want(f"{unique}-a", description="adhoc")
    (told,) = play.adhoc(kind.module, want, "--check", "--diff").results
    assert told["changed"] and told["diff"][0]["after"] and kind.description(f"{unique}-a") is None
    (done,) = play.adhoc(kind.module, " ".join(f"{key}={value}" for key, value in want.items()), recorded=True).results
    assert done["changed"] and kind.description(f"{unique}-a") == "adhoc"
    assert play.journal("status, play", unique) == [("changed", "Ansible Ad-Hoc")]
