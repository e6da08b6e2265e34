# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves between two hosts of libvirt's test driver, which does all but move; here a definition is carried over by hand."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError, NotReachable
from ansible_collections.intake.vms.plugins.module_utils.flow.converge import converge
from ansible_collections.intake.vms.plugins.module_utils.host.hypervisor import Hypervisor, libvirt
from ansible_collections.intake.vms.plugins.module_utils.resources.migration import destination, migrations, moving, notes

pytestmark = pytest.mark.skipif(libvirt is None, reason="needs python3-libvirt")
DOMAIN = "<domain type='test'><name>web1</name><memory>1024</memory><os><type>hvm</type></os></domain>"
STORED = """<pool type='netfs'><name>shared</name><source><host name='nas'/><dir path='/vms'/><format type='nfs'/></source>
<target><path>/srv/shared</path></target></pool>"""
VOLUME = "<volume><name>{}</name><capacity>1024</capacity></volume>"
FILE = {"path": "/srv/shared/a", "root": "/srv/shared", "source": "nas:/vms"}
WANT = {"name": "web1", "destination": None, "destination_uri": "other", "migrate_uri": None, "timeout": 20, "connect_timeout": 5, "bandwidth": None}


class Host(destination.Destination):
    """A host of its own: a connection to a file is none that others share."""

    def __init__(self, folder, name):
        path = folder / f"{name}.xml"
        path.write_text("<node/>")
        super().__init__(libvirt.open(f"test://{path}"), f"test://{path}")
        self.name = name

    def read_identity(self):
        return {"host": f"uuid-of-{self.name}", "hostname": self.name}


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """Two hosts, the first with a running machine that starts with it."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
    first, second = Host(tmp_path, "hv1"), Host(tmp_path, "hv2")
    domain = first.connection.defineXML(DOMAIN)
    domain.create()
    domain.setAutostart(1)
    monkeypatch.setattr(destination, "reach", lambda uri, seconds: second.forget() or second)
    monkeypatch.setattr(migrations.Migrations, "held", lambda self, wants: contextlib.nullcontext())
    monkeypatch.setattr(moving, "migrate", carry)
    return first, second


def carry(have, there, want, outcome):
    """What libvirt does when all is well."""
    new = there.connection.defineXML(have.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    if have.is_active:
        new.create()
        have.domain.destroy()
    have.domain.undefine()
    outcome["done"] = True


def killed(*words):
    raise IntakeError("killed")


def move(first, check=False):
    """The only plan of a run."""
    first.forget()
    return converge(migrations.Migrations(first, {}), [dict(WANT)], check)[0]


def steps(plan):
    return [(step.verb, step.name) for step in plan.done]


def there(host):
    """(running, autostart, note) of the machine on a host, None where it is not."""
    found = [one for one in host.connection.listAllDomains(0) if one.name() == "web1"]
    if not found:
        return None
    root = migrations.domain_if_there(Hypervisor(host.connection, host.uri), found[0]).root
    return bool(found[0].isActive()), bool(found[0].autostart()), notes.read(root)


def test_a_move_brings_autostart_and_leaves_no_note(hosts):
    first, second = hosts
    asked, done, again = move(first, check=True), move(first), move(first)
    assert not done.error and steps(asked) == steps(done) == [("move", "host")] and steps(again) == []
    assert there(first) is None and there(second) == (True, True, None)
    assert done.state["host"] == "hv2" and done.state["autostart"] is True


def test_one_without_autostart_gets_none(hosts):
    first, second = hosts
    first.connection.lookupByName("web1").setAutostart(0)
    assert steps(move(first)) == [("move", "host")] and there(second) == (True, False, None) and steps(move(first)) == []


def test_a_run_that_ends_right_after_the_move_is_finished_by_the_next(hosts, monkeypatch):
    first, second = hosts
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "arrive", killed)
        assert str(move(first).error) == "killed"
    assert there(second) == (True, False, {"host": "uuid-of-hv2", "hostname": "hv2", "autostart": True})
    asked, done, again = move(first, check=True), move(first), move(first)
    assert steps(asked) == steps(done) == [("set", "autostart")] and there(second) == (True, True, None)
    assert steps(again) == [] and not again.steps


def test_a_note_of_another_move_says_nothing_of_this_host(hosts):
    first, second = hosts
    assert not move(first).error
    second.connection.lookupByName("web1").setAutostart(0)
    notes.write(second.connection.lookupByName("web1"), {"host": "uuid-of-hv3", "hostname": "hv3"}, True)
    assert steps(move(first)) == [] and there(second) == (True, False, None)


def test_a_machine_that_waits_there_since_its_move_is_told(hosts, monkeypatch):
    first, second = hosts
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "arrive", killed)
        move(first)
    second.connection.lookupByName("web1").suspend()
    assert move(first).warnings == ["vm web1: is paused on hv2; intake_vm with state: running there lets it go on"]


def test_a_move_that_fails_leaves_no_note(hosts, monkeypatch):
    first, second = hosts
    monkeypatch.setattr(moving, "migrate", lambda have, there, want, outcome: outcome.update(error="no route to host"))
    error = move(first).error
    assert error.reason == "migration_failed" and "no route to host; it is running on this host, as before" in str(error)
    assert there(first) == (True, True, None) and there(second) is None


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda first, second: second.connection.lookupByName("web1").suspend(), "it is paused on hv2 now"),
        (lambda first, second: second.connection.lookupByName("web1").destroy(), "it is stopped on hv2 now"),
        (lambda first, second: first.connection.defineXML(DOMAIN), "it is neither on this host nor on hv2"),
    ],
)
def test_what_libvirt_says_is_looked_after(hosts, monkeypatch, wrong, words):
    first, second = hosts

    def half(have, there, want, outcome):
        carry(have, there, want, outcome)
        wrong(first, second)

    monkeypatch.setattr(moving, "migrate", half)
    if "neither" in words:
        monkeypatch.setattr(moving, "state_on", lambda connection, uuid, seconds: None)
    error = move(first).error
    assert error.reason == "migration_unverified" and f"libvirt says it was moved, but {words}" in str(error)


def test_a_host_that_does_not_tell_its_state_is_no_success(hosts, monkeypatch):
    first, second = hosts
    monkeypatch.setattr(moving, "power", type("Deaf", (), {"state_of": lambda domain: time.sleep(9)}))
    monkeypatch.setitem(WANT, "connect_timeout", 1)
    assert "in an unknown state on hv2" in str(move(first).error)


def test_a_machine_on_both_hosts_is_not_touched(hosts):
    first, second = hosts
    second.connection.defineXML(first.connection.lookupByName("web1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    plan = move(first)
    assert plan.error.reason == "defined_twice" and "is running on this host and stopped on hv2" in str(plan.error) and not plan.done


# --- files, one by one -------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(hosts):
    """The second host, with a storage that has a volume `a`."""
    pool = hosts[1].connection.storagePoolDefineXML(STORED)
    pool.create()
    pool.createXML(VOLUME.format("a"))
    return hosts[1]


@pytest.mark.parametrize(
    "file, words",
    [
        (FILE, None),
        ({**FILE, "path": "/srv/shared/b"}, "no storage vol with matching name 'b'"),
        ({**FILE, "path": "/srv/shared/folder/b"}, None),
        ({**FILE, "path": "/srv/shared/b", "source": None}, None),
        ({**FILE, "path": "/srv/shared/b", "source": "other:/vms"}, None),
        ({**FILE, "path": "/srv/fast/b", "root": "/srv/fast"}, None),
        ({**FILE, "path": None, "root": None, "source": None}, None),
    ],
)
def test_a_file_is_opened_there(stored, file, words):
    closed = stored.closed([file, FILE], 5)
    assert list(closed) == ([file["path"]] if words else [])
    assert words is None or words in closed[file["path"]]


def test_the_list_of_files_is_read_anew_once(stored, monkeypatch):
    read = []
    monkeypatch.setattr(Host, "refresh", lambda self, name: read.append(name))
    assert len(stored.closed([{**FILE, "path": f"/srv/shared/{name}"} for name in "abc"], 5)) == 2
    assert read == ["shared"]


def test_a_storage_that_hangs_there_is_waited_for_once(stored, monkeypatch):
    monkeypatch.setattr(Host, "volume_fault", lambda self, root, path: threading.Event().wait())
    begin = time.monotonic()
    closed = stored.closed([{**FILE, "path": f"/srv/shared/{name}"} for name in "abc"], 0.3)
    assert len(closed) == 3 and all("did not answer within 0.3 s" in words for words in closed.values())
    assert time.monotonic() - begin < 2


# --- questions with a limit --------------------------------------------------------------------------------------------


def test_an_answer_comes_as_it_is():
    assert destination.within(5, "hv2", lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        destination.within(5, "hv2", lambda: 1 / 0)


def test_no_answer_is_waited_for_longer():
    with pytest.raises(NotReachable, match=r"hv2 did not answer within 0\.1 s"):
        destination.within(0.1, "hv2", lambda: threading.Event().wait())


def test_a_machine_without_a_definition_gets_no_note(hosts):
    domain = hosts[1].connection.createXML(DOMAIN)
    notes.write(domain, {"host": "x", "hostname": "y"}, False)
    assert there(hosts[1])[2] is None
