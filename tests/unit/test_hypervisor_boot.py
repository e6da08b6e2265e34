# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor starts after a boot, and what it leaves alone."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from ansible_collections.intake.vms.plugins.module_utils.drivers import nfs, pool
from ansible_collections.intake.vms.plugins.module_utils.host import mounts, silence
from ansible_collections.intake.vms.plugins.module_utils.lens import parse

FILES = Path(__file__).resolve().parents[2] / "roles" / "hypervisor" / "files"
POOL = """<!-- by libvirt -->
<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>late</name>
<source><host name='[fd77::1]'/><dir path='/srv/vms'/><format type='nfs'/><protocol ver='4.2'/></source>
<target><path>/var/lib/intake/storages/late</path></target>{}</pool>"""
OPTIONS = "<fs:mount_opts><fs:option name='hard'/><fs:option name='noatime'/></fs:mount_opts>"
MACHINE = """<domain><name>web</name><os><kernel>/s/boot/vmlinuz</kernel></os><devices>
<disk device='disk'><source file='/s/late/web.qcow2'/></disk>
<disk device='disk'><source file='/s/late/shared.raw'/><shareable/></disk>
<disk device='cdrom'><source file='/s/iso/a.iso'/><readonly/></disk><disk device='cdrom'/>
<disk device='disk' type='volume'><source pool='other' volume='x'/></disk></devices></domain>"""


@pytest.fixture(scope="module", autouse=True)
def path():
    """The programs import one another from their own folder, as on a hypervisor."""
    names = ("boot", "machines", "programs", "storages")
    sys.path.insert(0, str(FILES))
    yield
    sys.path.remove(str(FILES))
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def boot(tmp_path, monkeypatch):
    """The program with a room of its own and a libvirt that is two sets: what is inactive, and what starts."""
    module = importlib.import_module("boot")
    monkeypatch.setattr(module, "WAITING", str(tmp_path / "waiting.json"))
    monkeypatch.setattr(module, "FRESH", str(tmp_path / "fresh"))
    return module


class Libvirt:
    """Answers what the program asks: names of storages that stay inactive, of machines that are off, and of those that fail."""

    def __init__(self, boot, monkeypatch, inactive, off, failing=()):
        self.inactive, self.off, self.failing, self.attempts, self.boot = set(inactive), set(off), set(failing), [], boot
        monkeypatch.setattr(boot.storages, "start", lambda names: {name: f"/s/{name}" for name in names if name in self.inactive})
        monkeypatch.setattr(boot.machines, "not_started", lambda: sorted(self.off))
        monkeypatch.setattr(boot.machines, "is_ready", lambda name, inactive: name not in inactive)
        monkeypatch.setattr(boot.machines, "start", self.start)

    def start(self, name):
        assert name not in json.loads(Path(self.boot.WAITING).read_text())["vms"]  # a crash now must not start it again
        self.attempts.append(name)
        return name not in self.failing


def test_the_words_of_mount_are_those_of_the_storage():
    storages = importlib.import_module("storages")
    plain, own = storages.described(POOL.format("")), storages.described(POOL.format(OPTIONS))
    assert (plain["name"], plain["path"]) == ("late", "/var/lib/intake/storages/late")
    assert plain["mount"] == ["-o", "nfsvers=4.2,retry=0,nodev,nosuid,noexec,hard", "[fd77::1]:/srv/vms"]
    assert own["mount"][1] == "nfsvers=4.2,retry=0,nodev,nosuid,noexec,hard,noatime"
    assert storages.described(POOL.format("").replace("'nfs'", "'cifs'"))["mount"] is None


def test_autostart_storages_are_read_without_libvirt(tmp_path):
    storages = importlib.import_module("storages")
    (tmp_path / "late.xml").write_text(POOL.format(""))
    (tmp_path / "torn.xml").write_text("<pool")
    assert [one["name"] for one in storages.configured(str(tmp_path))] == ["late"]
    assert storages.configured(str(tmp_path / "none")) == []


def test_mounts_are_read_with_blanks(tmp_path):
    storages = importlib.import_module("storages")
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text("31 1 0:45 / /s/a\\040b rw shared:1 - nfs4 lab1:/x rw\n22 1 0:21 / /proc rw - proc proc rw\n")
    assert storages.mounted(str(tmp_path)) == {"/s/a b": "nfs4", "/proc": "proc"}


def test_only_what_was_not_stopped_by_anybody_is_noted(monkeypatch):
    machines = importlib.import_module("machines")
    reasons = (("failed", 6), ("it's", 0), ("off", 1))
    told = "\n".join(f"Domain: '{name}'\n  state.state=5\n  state.reason={reason}\n" for name, reason in reasons)
    monkeypatch.setattr(machines, "virsh", lambda *_words: told)
    monkeypatch.setattr(machines.programs, "names", lambda *_words: ["failed", "it's", "off", "new"])
    assert machines.not_started() == ["failed", "it's"]


def test_a_machine_waits_for_the_storages_of_its_files():
    machines = importlib.import_module("machines")
    reads, writes, pools = machines.files_of(MACHINE)
    assert writes == ["/s/late/web.qcow2"] and pools == ["other"]
    assert machines.missing_storages(reads, pools, {"late": "/s/late", "lat": "/s/lat", "boot": "/s/boot/", "other": "/s/x"}) == ["boot", "late", "other"]


def test_a_volume_that_went_to_another_host_is_left_to_it(tmp_path):
    machines = importlib.import_module("machines")
    leases = tmp_path / ".intake" / "leases"
    leases.mkdir(parents=True)
    text = MACHINE.replace("/s/late", str(tmp_path))
    assert machines.taken_over(text, lambda: pytest.fail("not asked without a lease")) is None
    (leases / "web.qcow2.json").write_text(json.dumps({"vm": "web", "uuid": "u", "host": "a", "hostname": "lab1"}))
    assert machines.taken_over(text, lambda: ["a"]) is None
    assert "lab1" in machines.taken_over(text, lambda: ["b"])
    autostart = tmp_path / "autostart"
    autostart.mkdir()
    (autostart / "web.xml").write_text(text)
    (autostart / "torn.xml").write_text("<domain")
    assert machines.doubtful(str(autostart), lambda: ["a"]) == {} and list(machines.doubtful(str(autostart), lambda: ["b"])) == ["web"]


def test_what_the_host_may_be_called_is_read_without_libvirt(tmp_path):
    machines = importlib.import_module("machines")
    paths = [tmp_path / name for name in ("firmware", "machine-id", "none", "torn")]
    for path, text in zip(paths, ("6CEE851C-0A3A-46C5-B680-00C58342E3EF\n", "3d1219c7c4c5404aaa1f6d2a48adfda4\n", None, "x")):
        if text:
            path.write_text(text)
    assert machines.possible_uuids(paths) == ["6cee851c-0a3a-46c5-b680-00c58342e3ef", "3d1219c7-c4c5-404a-aa1f-6d2a48adfda4"]


def test_each_machine_is_started_once_when_its_storage_is_there(boot, monkeypatch):
    libvirt, waiting = Libvirt(boot, monkeypatch, ["late"], ["late", "here"]), {"storages": ["late", "dir"], "vms": ["late", "here"]}
    boot.play(waiting)
    assert libvirt.attempts == ["here"] and (waiting["storages"], waiting["vms"]) == (["late"], ["late"])
    boot.play(waiting)
    assert libvirt.attempts == ["here"]
    libvirt.inactive.clear()
    boot.play(waiting)
    assert libvirt.attempts == ["here", "late"] and waiting["storages"] == waiting["vms"] == []


def test_one_that_fails_is_tried_again_only_when_another_storage_came(boot, monkeypatch):
    libvirt, waiting = Libvirt(boot, monkeypatch, ["base"], ["web"], ["web"]), {"storages": ["base"], "vms": ["web"]}
    boot.play(waiting)
    boot.play(waiting)
    assert libvirt.attempts == ["web"] and waiting["vms"] == ["web"]
    libvirt.inactive.clear()
    boot.play(waiting)
    assert libvirt.attempts == ["web", "web"] and waiting["vms"] == []


def test_one_that_somebody_started_and_stopped_meanwhile_is_forgotten(boot, monkeypatch):
    libvirt, waiting = Libvirt(boot, monkeypatch, ["late"], ["late"]), {"storages": ["late"], "vms": ["late"]}
    libvirt.off.clear()
    boot.play(waiting)
    libvirt.off.add("late")
    libvirt.inactive.clear()
    boot.play(waiting)
    assert libvirt.attempts == []


def test_a_boot_that_nobody_saw_begin_is_left_alone(boot, capsys):
    boot.recover()
    assert "nothing is touched" in capsys.readouterr().out


def test_a_program_that_hangs_is_given_up():
    programs = importlib.import_module("programs")
    assert programs.run(["echo", "a"], 10) == "a\n"
    for argv, limit, words in ((["sleep", "60"], 0.2, "no answer"), (["sh", "-c", "echo no >&2; exit 3"], 10, "no"), (["/none"], 1, "No such file")):
        with pytest.raises(programs.Failed, match=words):
            programs.run(argv, limit)


def test_what_runs_without_the_collection_agrees_with_it(tmp_path):
    storages, text = importlib.import_module("storages"), POOL.format(OPTIONS)
    assert storages.NETWORK == silence.NETWORK and tuple(storages.ALWAYS) == nfs.ALWAYS and storages.OPTIONS == pool.OPTIONS
    words, said = pool.words_of(parse(text)), storages.described(text)
    assert said["path"] == words["path"] and said["mount"][-1] == f"{words['server']}:{words['export']}"
    assert said["mount"][1].split(",")[-2:] == words["mount_options"] and f"nfsvers={words['version']}" in said["mount"][1].split(",")
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text("36 35 98:0 / /s/a\\040b\\134c rw,noatime shared:1 - nfs4 [fd77::1]:/srv rw,hard\n")
    assert storages.mounted(str(tmp_path)) == {mount.path: mount.fs for mount in mounts.read(str(tmp_path))} == {"/s/a b\\c": "nfs4"}
