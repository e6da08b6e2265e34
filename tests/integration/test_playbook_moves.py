# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks drain and fill where hosts are unreachable or broken; modules that only pretend keep the machines in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("intake_vm", "intake_vm_info", "intake_vm_migrate")
PRETENDER = '''
import json
import os

from ansible.module_utils.basic import AnsibleModule

SPEC = {"gather": {"type": "list"}, "labels": {"type": "dict"}, "names": {"type": "list"}, "vms": {"type": "list", "elements": "dict"}}
SPEC.update((key, {"type": "str"}) for key in ("destination_uri", "migrate_uri", "timeout", "auto_converge", "bandwidth"))
module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
params = module.params
with open(os.environ["FAKE_WORLD"]) as file:
    world = json.load(file)
here, mine = os.environ["FAKE_HOST"], world["vms"][os.environ["FAKE_HOST"]]
resources = []


def listed():
    asked = (params["labels"] or {}).items()
    found = [{"name": name, "state": "running", **vm} for name, vm in sorted(mine.items()) if not params["names"] or name in params["names"]]
    return [vm for vm in found if all(vm["labels"].get(key) == value for key, value in asked)]


def fault(name, there):
    """Why it is refused, before anything has moved."""
    if name in world["stuck"]:
        return "vm %s: is stuck" % name
    if name in mine and name in there:
        return "vm %s: is defined twice" % name
    return None if name in mine or name in there else "vm %s: is nowhere" % name


def move(name, there):
    """Whether it went, and what went wrong on the way."""
    if name not in mine or name in world["lame"]:
        return {"changed": False, "error": "vm %s: took too long" % name if name in mine else None}
    if not module.check_mode:
        there[name] = mine.pop(name)
    return {"changed": True, "error": None}


def migrate():
    """All or nothing is planned, as in converge()."""
    if any([here, vm["destination"]] in world["cut"] for vm in params["vms"]):
        keep("%s does not answer" % params["vms"][0]["destination"], {})
    asked = [(vm["name"], world["vms"][vm["destination"]]) for vm in params["vms"]]
    done = [{"changed": False, "error": fault(*one)} for one in asked]
    if not any(one["error"] for one in done):
        done = [move(*one) for one in asked]
    return [{"name": name, **one} for (name, _there), one in zip(asked, done)]


def keep(error, result):
    if not module.check_mode:
        with open(os.environ["FAKE_WORLD"], "w") as file:
            json.dump(world, file)
    if error:
        module.fail_json(msg=error, **result)
    module.exit_json(changed=True, **result)


if module._name.endswith("info"):
    module.exit_json(vms=listed())
world["calls"].append([module._name.rpartition(".")[2], here, [vm["name"] for vm in params["vms"]]])
if module._name.endswith("migrate"):
    resources = migrate()
else:
    for vm in params["vms"]:  # and one that is missing is made
        mine.setdefault(vm["name"], {"memory": 0})["labels"] = vm["labels"]
keep("; ".join(one["error"] for one in resources if one["error"]), {"resources": resources})
'''
BROKEN = "#!/bin/sh\necho 'no libvirt here'; exit 1\n"
HOST = "#!/bin/sh\nFAKE_HOST={} exec {} \"$@\"\n"
FAR = "ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=9 ansible_ssh_common_args='-o ControlMaster=no -o ConnectTimeout=3'"


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    """The collection with its own playbooks and filters, and modules that pretend."""
    folder = tmp_path_factory.mktemp("collections")
    plugins = folder / "ansible_collections" / "intake" / "vms" / "plugins"
    (plugins / "modules").mkdir(parents=True)
    for name in ("filter", "module_utils", "plugin_utils"):
        (plugins / name).symlink_to(ROOT / "plugins" / name)
    for name in ("playbooks", "galaxy.yml", "meta"):
        (plugins.parent / name).symlink_to(ROOT / name)
    for name in NAMES:
        (plugins / "modules" / f"{name}.py").write_text(PRETENDER)
    return folder


class World:
    """Hosts and their machines, and the playbooks run on them."""

    def __init__(self, folder, collections):
        self.folder, self.file = folder, folder / "world.json"
        places = {"COLLECTIONS_PATH": collections, "REMOTE_TEMP": folder / "remote", "LOCAL_TEMP": folder / "local"}
        words = {"ANSIBLE_" + key: str(value) for key, value in places.items()}
        self.environment = {**os.environ, **words, "FAKE_WORLD": str(self.file), "ANSIBLE_NOCOLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def is_as(self, vms, stuck=(), lame=(), cut=(), unreachable=(), broken=()):
        """How it is before a playbook. `stuck` machines are refused, `lame` ones fail on their way; `cut` are (from, to) without a connection."""
        self.file.write_text(json.dumps({"vms": vms, "stuck": stuck, "lame": lame, "cut": cut, "calls": []}))
        lines = ["[hypervisors]"]
        for name in vms:
            python = self.folder / f"python-{name}"
            python.write_text(BROKEN if name in broken else HOST.format(name, sys.executable))
            python.chmod(0o755)
            lines.append(f"{name} {FAR if name in unreachable else 'ansible_connection=local'} ansible_python_interpreter={python}")
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")

    def play(self, name, *words):
        """(exit code, output) of a playbook; what it did is in the file."""
        argv = ["ansible-playbook", "-i", str(self.folder / "hosts"), f"intake.vms.{name}", *words]
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        self.output = done.stdout + done.stderr
        found = json.loads(self.file.read_text())
        self.vms, self.calls = found["vms"], found["calls"]
        return done.returncode

    def moves(self):
        """[source, machines] of every call that moves."""
        return [call[1:] for call in self.calls if call[0] == "intake_vm_migrate"]

    def labels(self, host):
        """{machine: labels} of a host."""
        return {name: vm["labels"] for name, vm in self.vms[host].items()}


@pytest.fixture
def world(tmp_path, collections):
    return World(tmp_path, collections)


def vm(**labels):
    return {"memory": 1024, "labels": labels}


def test_drain_leaves_out_who_does_not_answer(world):
    world.is_as({"hv1": {"web1": vm(), "web2": vm(home="hv9")}, "hv2": {}, "hv3": {}, "hv4": {}}, unreachable=["hv2"], broken=["hv3"])
    assert world.play("drain", "-e", "drain_hosts=hv1") == 0, world.output
    assert "LEFT OUT, because they did not tell what they have: hv2, hv3" in world.output
    assert world.labels("hv1") == {} and world.labels("hv4") == {"web1": {"home": "hv1"}, "web2": {"home": "hv9"}}


def test_drain_fails_where_nobody_takes_a_machine(world):
    world.is_as({"hv1": {"web1": vm()}, "hv2": {}, "hv3": {}}, unreachable=["hv2"], broken=["hv3"])
    assert world.play("drain", "-e", "drain_hosts=hv1") != 0
    assert "LEFT OUT" in world.output and "there is no host for it" in world.output and world.labels("hv1") == {"web1": {}}


def test_drain_of_an_empty_host_needs_nobody(world):
    world.is_as({"hv1": {}, "hv2": {}}, unreachable=["hv2"])
    assert world.play("drain", "-e", "drain_hosts=hv1") == 0, world.output
    assert world.calls == []


def test_drain_asks_again_for_what_went_before(world):
    world.is_as({"hv1": {"web2": vm()}, "hv2": {"web1": vm(home="hv1"), "db1": vm(home="hv3")}, "hv3": {}})
    assert world.play("drain", "-e", "drain_hosts=hv1", "-e", "drain_to=hv2") == 0, world.output
    assert world.moves() == [["hv1", ["web2"]], ["hv1", ["web1"]]]


@pytest.mark.parametrize("trouble", ["stuck", "lame"])
def test_drain_moves_the_others_where_one_cannot_and_fails(world, trouble):
    world.is_as({"hv1": {"web1": vm(), "web2": vm(), "web3": vm()}, "hv2": {}}, **{trouble: ["web2"]})
    assert world.play("drain", "-e", "drain_hosts=hv1") != 0
    assert sorted(world.vms["hv1"]) == ["web2"] and sorted(world.vms["hv2"]) == ["web1", "web3"]
    assert "hv1: vm web2: " in world.output and "these are still here: web2" in world.output


def test_drain_only_asked_fails_where_a_machine_cannot_move(world):
    world.is_as({"hv1": {"web1": vm(), "web2": vm()}, "hv2": {}}, stuck=["web2"])
    assert world.play("drain", "--check", "-e", "drain_hosts=hv1") != 0
    assert "vm web2: is stuck" in world.output and sorted(world.vms["hv1"]) == ["web1", "web2"]


def test_drain_moves_what_is_here_where_an_earlier_move_cannot_be_finished(world):
    world.is_as({"hv1": {"web1": vm()}, "hv2": {"old1": vm(home="hv1")}}, stuck=["old1"])
    assert world.play("drain", "-e", "drain_hosts=hv1") != 0
    assert "hv1: vm old1: is stuck" in world.output and sorted(world.vms["hv2"]) == ["old1", "web1"]


def test_drain_needs_no_connection_where_nothing_goes(world):
    world.is_as({"hv1": {}, "hv2": {"old1": vm(home="hv1")}}, cut=[["hv1", "hv2"]])
    assert world.play("drain", "-e", "drain_hosts=hv1") == 0, world.output
    assert "NOT ASKED" in world.output


def test_fill_brings_home_what_it_finds_and_names_who_was_not_searched(world):
    world.is_as({"hv1": {}, "hv2": {}, "hv3": {"web1": vm(home="hv1", tier="a"), "db1": vm()}, "hv4": {}}, unreachable=["hv2"], broken=["hv4"])
    assert world.play("fill", "-e", "fill_hosts=hv1") != 0
    assert "hv2 was not searched; hv4 was not searched" in world.output
    assert world.labels("hv1") == {"web1": {"tier": "a"}} and world.labels("hv3") == {"db1": {}}


def test_fill_goes_on_with_the_next_host(world):
    world.is_as({"hv1": {}, "hv2": {}, "hv3": {"web1": vm(home="hv1"), "web2": vm(home="hv2")}, "hv4": {}}, unreachable=["hv4"])
    assert world.play("fill", "-e", '{"fill_hosts": "hv1,hv2"}') != 0
    assert world.labels("hv1") == {"web1": {}} and world.labels("hv2") == {"web2": {}}
    assert all(f"fatal: [{host}]: FAILED!" in world.output for host in ("hv1", "hv2"))


@pytest.mark.parametrize("trouble", ["unreachable", "broken"])
def test_fill_goes_on_where_a_home_itself_does_not_answer(world, trouble):
    world.is_as({"hv1": {}, "hv2": {}, "hv3": {"web1": vm(home="hv1"), "web2": vm(home="hv2")}}, **{trouble: ["hv1"]})
    assert world.play("fill", "-e", '{"fill_hosts": "hv1,hv2"}') != 0
    assert "hv1 itself does not answer" in world.output and "hv1 was not searched" in world.output
    assert world.labels("hv2") == {"web2": {}} and world.labels("hv3") == {"web1": {"home": "hv1"}}


@pytest.mark.parametrize("trouble", ["stuck", "lame"])
def test_fill_forgets_the_home_of_what_came_and_goes_on(world, trouble):
    world.is_as({"hv1": {}, "hv2": {"web1": vm(home="hv1"), "web2": vm(home="hv1")}, "hv3": {"web3": vm(home="hv1")}}, **{trouble: ["web1"]})
    assert world.play("fill", "-e", "fill_hosts=hv1") != 0
    assert "hv2: vm web1: " in world.output
    assert world.labels("hv1") == {"web2": {}, "web3": {}} and world.labels("hv2") == {"web1": {"home": "hv1"}}
    assert [call[:2] for call in world.calls][-3:] == [["intake_vm", "hv1"], ["intake_vm_migrate", "hv3"], ["intake_vm", "hv1"]]  # host after host


def test_fill_makes_no_twin_of_what_did_not_come(world):
    world.is_as({"hv1": {}, "hv2": {"web1": vm(home="hv1"), "web2": vm(home="hv1")}}, stuck=["web1"], lame=["web2"])
    before = world.file.read_text()
    assert world.play("fill", "-e", "fill_hosts=hv1") != 0
    assert world.vms == json.loads(before)["vms"] and {call[0] for call in world.calls} == {"intake_vm_migrate"}


def test_fill_forgets_the_home_of_what_is_there_already(world):
    world.is_as({"hv1": {"web1": vm(home="hv1", tier="a"), "db1": vm()}, "hv2": {"web2": vm(home="hv1")}})
    assert world.play("fill", "-e", "fill_hosts=hv1") == 0, world.output
    assert world.labels("hv1") == {"web1": {"tier": "a"}, "db1": {}, "web2": {}}
    assert world.moves() == [["hv2", ["web2"]], ["hv2", ["web1"]]]
    assert world.play("fill", "-e", "fill_hosts=hv1") == 0 and len(world.calls) == 4


def test_fill_brings_the_others_where_one_is_on_two_hosts(world):
    world.is_as({"hv1": {"web1": vm(home="hv1")}, "hv2": {"web1": vm(home="hv1"), "web2": vm(home="hv1")}, "hv3": {"web3": vm(home="hv1")}})
    assert world.play("fill", "-e", "fill_hosts=hv1") != 0
    assert "hv2: vm web1: is defined twice" in world.output
    assert world.labels("hv1") == {"web1": {"home": "hv1"}, "web2": {}, "web3": {}} and world.labels("hv2") == {"web1": {"home": "hv1"}}


def test_fill_brings_the_others_where_an_earlier_move_cannot_be_finished(world):
    world.is_as({"hv1": {"old1": vm(home="hv1"), "old2": vm(home="hv1")}, "hv2": {"web1": vm(home="hv1")}}, stuck=["old1"])
    assert world.play("fill", "-e", "fill_hosts=hv1") != 0
    assert "hv2: vm old1: is stuck" in world.output
    assert world.labels("hv1") == {"old1": {"home": "hv1"}, "old2": {}, "web1": {}}


def test_fill_needs_no_connection_where_nothing_comes_from(world):
    world.is_as({"hv1": {"old1": vm(home="hv1")}, "hv2": {"web1": vm(home="hv1")}, "hv3": {}}, cut=[["hv3", "hv1"]])
    assert world.play("fill", "-e", "fill_hosts=hv1") == 0, world.output
    assert "NOT ASKED" in world.output and world.labels("hv1") == {"old1": {"home": "hv1"}, "web1": {}}


def test_fill_fails_where_a_host_with_machines_has_no_connection(world):
    world.is_as({"hv1": {}, "hv2": {"web1": vm(home="hv1")}, "hv3": {"web2": vm(home="hv1")}}, cut=[["hv2", "hv1"]])
    assert world.play("fill", "-e", "fill_hosts=hv1") != 0
    assert "hv2: hv1 does not answer" in world.output
    assert world.labels("hv1") == {"web2": {}} and world.labels("hv2") == {"web1": {"home": "hv1"}}


def test_fill_keeps_the_label_while_a_host_was_not_searched(world):
    world.is_as({"hv1": {"old1": vm(home="hv1")}, "hv2": {}}, unreachable=["hv2"])
    assert world.play("fill", "-e", "fill_hosts=hv1") != 0
    assert world.labels("hv1") == {"old1": {"home": "hv1"}}


def test_fill_only_asked_moves_nothing(world):
    world.is_as({"hv1": {}, "hv2": {"web1": vm(home="hv1")}, "hv3": {}}, unreachable=["hv3"])
    assert world.play("fill", "--check", "-e", "fill_hosts=hv1") != 0
    assert "hv3 was not searched" in world.output and world.labels("hv2") == {"web1": {"home": "hv1"}}
