# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that move between two real hypervisors: their guests go on, and they are on one host only, whatever happens."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

import pytest
import tiny_guest
from postgres import Postgres
from results import results

from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema

ROOT = Path(__file__).resolve().parents[2]
STORAGE = "/var/lib/intake/storages/moving"
NETWORK = "<network><name>moving</name><bridge name='moving0'/></network>"
GUEST = {"kernel": f"{STORAGE}/vmlinuz", "initrd": f"{STORAGE}/initrd", "memory": "128MiB"}
EXEC = {"execute": "guest-exec", "arguments": {"path": "/bin/cat", "arg": ["/proc/uptime"], "capture-output": True}}
LATE = {"timeout": 900, "connect_timeout": 120}  # emulated hosts are slow


@pytest.fixture(scope="module")
def rows(lab):
    """All that is done here is recorded; rows(sql) answers what the inventory has."""
    server = Postgres()
    try:
        dsn = server.dsn()
        with client.connected(dsn) as connection:
            schema.migrate(connection)
            lab.environment["INTAKE_INVENTORY_DSN"] = dsn
            yield lambda sql: connection.execute(sql).fetchall()
    finally:
        lab.environment.pop("INTAKE_INVENTORY_DSN", None)
        server.end()


@pytest.fixture(scope="module")
def on(lab, rows):
    """on((host, module, options), ...) -> the result of each; "check" as a fourth part asks only. A failed one does not end it."""

    def run(*calls):
        return lab.tasks([task(*call) for call in calls], "lab1")["lab1"]

    return run


def task(host, module, options, check=None):
    """One task on one host."""
    name = module if module.startswith("ansible.") else f"intake.vms.{module}"
    return {name: options, "delegate_to": host, "check_mode": check == "check", "ignore_errors": True}


@pytest.fixture(scope="module")
def playbook(lab):
    """playbook(name, **variables): one of the collection's, which must succeed; all results of its tasks."""

    def run(name, *words, **variables):
        said = {"migrate_address": "{{ private_address }}", "migrate_timeout": 900, **variables}
        done = lab.playbook(f"intake.vms.{name}", *words, "-e", json.dumps(said))
        assert not done.returncode, done.stdout + done.stderr
        return [result for _host, result in results(done.stdout)]

    return run


@pytest.fixture(scope="module")
def storage(lab, on):
    """A storage, a network and the files of a guest that boots in seconds, on both hosts; gone afterwards."""
    GUEST["cmdline"] = tiny_guest.CMDLINE
    network = f'virsh net-define /dev/stdin <<<"{NETWORK}" && virsh net-start moving; virsh -q net-list --name'
    shared = {"name": "moving", "type": "nfs", "server": "lab1", "export": "/srv/vms", "timeout": 60}
    shell = {"ansible.builtin.shell": {"cmd": network, "executable": "/bin/bash"}}
    for made in lab.tasks([{"intake.vms.intake_storage": shared}, shell], "lab1,lab2").values():
        assert not any(result.get("failed") for result in made), made
        assert "moving" in made[1]["stdout"]
    with tempfile.TemporaryDirectory() as folder:
        tiny_guest.tiny_guest(folder)
        for name in ("vmlinuz", "initrd"):
            lab.put("lab1", Path(folder, name).read_bytes(), f"{STORAGE}/{name}")
    yield
    off = {"ansible.builtin.shell": "virsh net-destroy moving; virsh net-undefine moving"}
    lab.tasks([{"intake.vms.intake_storage": {"name": "moving", "state": "absent"}, "ignore_errors": True}, off], "lab1,lab2")
    lab.run("lab1", "find /srv/vms -mindepth 1 -delete")


@pytest.fixture(scope="module")
def guest(on, storage):
    """A machine whose agent answers, on lab1; gone afterwards."""
    disks = [{"name": "root", "storage": "moving", "volume": "moving.qcow2", "size": "64MiB"}]
    options = {"name": "moving", "state": "running", **GUEST, "disks": disks, "interfaces": [{"name": "lan", "network": "moving"}]}
    made = on(("lab1", "intake_vm", {**options, "autostart": True, "wait_for": "agent", "wait_timeout": 600}))[0]
    assert not made.get("failed"), made["msg"]
    yield {**options, "disks": [{"name": "root", "storage": "moving", "volume": "moving.qcow2"}]}
    gone = {"name": "moving", "state": "absent", "force_stop": True, "stop_timeout": 1, "remove_disks": ["root"]}
    on(*((host, "intake_vm", gone) for host in ("lab1", "lab2")))


TO_LAB1 = ("lab2", "intake_vm_migrate", {"name": "moving", "destination": "lab1", **LATE})  # unchanged where it is there already
TO_LAB2 = ("lab1", "intake_vm_migrate", {"name": "moving", "destination": "lab2", **LATE})


def agent(command):
    """A call of the guest's agent, as a task."""
    return "ansible.builtin.command", {"argv": ["virsh", "qemu-agent-command", "moving", json.dumps(command)]}


def told(result):
    return json.loads(result["stdout"])["return"]


def listed(*which):
    return "ansible.builtin.command", {"argv": ["virsh", "-q", "list", "--all", *which, "--name"]}


def status(pid):
    return {"execute": "guest-exec-status", "arguments": {"pid": pid}}


def moves(results):
    """The machines that a playbook moved; a loop has its results within one."""
    entries = [entry for result in results for one in result.get("results", [result]) for entry in one.get("resources", ())]
    return [entry["name"] for entry in entries if {"verb": "move", "name": "host", "risk": "live"} in entry["steps"]]


@pytest.mark.core
def test_a_running_machine_goes_on_on_the_other_host(on, guest, rows):
    move = TO_LAB2[1:]
    before = told(on(TO_LAB1, ("lab1", *agent(EXEC)))[1])["pid"]
    asked, done, again, here, there, autostart, uptime, second = on(
        ("lab1", *move, "check"),
        ("lab1", *move),
        ("lab1", *move),
        ("lab1", *listed()),
        ("lab2", *listed()),
        ("lab2", *listed("--autostart")),
        ("lab2", *agent(EXEC)),
        ("lab1", "intake_vm", guest),
    )
    assert not done.get("failed"), done["msg"]
    assert asked["changed"] and asked["resources"][0]["steps"] == done["resources"][0]["steps"] and asked["vm"]["host"] == "lab1"
    assert (done["changed"], done["vm"]["name"], done["vm"]["state"], done["vm"]["host"]) == (True, "moving", "running", "lab2")
    assert (again["changed"], again["vm"]["host"]) == (False, "lab2")
    assert "moving" not in here["stdout_lines"] and "moving" in there["stdout_lines"] and "moving" in autostart["stdout_lines"]
    assert second["failed"] and second["reason"] == "volume_leased" and "lab2" in second["msg"]
    seen = [told(one) for one in on(*(("lab2", *agent(status(pid))) for pid in (before, told(uptime)["pid"])))]
    first, last = (float(base64.b64decode(one["out-data"]).split()[0]) for one in seen)  # the agent itself remembers the first
    assert first < last
    assert rows("SELECT name, host, state FROM vm_overview") == [("moving", "lab2", "running")]
    assert rows("SELECT identity, hosts, vms FROM storage_usage") == [("nfs://lab1:/srv/vms", ["lab1", "lab2"], 1)]
    journal = "SELECT host, module, status, changed FROM recent_operations WHERE names = '{moving}' ORDER BY id DESC LIMIT 3"
    assert rows(journal) == [
        ("lab1", "intake_vm", "failed", []),
        ("lab1", "intake_vm_migrate", "unchanged", []),
        ("lab1", "intake_vm_migrate", "changed", ["moving"]),
    ]


def test_a_migration_that_takes_too_long_leaves_it_running(on, guest):
    slow = {"name": "moving", "destination": "lab1", **LATE, "timeout": 2, "bandwidth": 1}
    found = {"names": ["moving"], "gather": []}
    _moved, failed, here, there = on(TO_LAB2, ("lab2", "intake_vm_migrate", slow), ("lab2", "intake_vm_info", found), ("lab1", "intake_vm_info", found))
    assert failed["failed"] and failed["reason"] == "migration_timeout" and not failed["changed"]
    assert "within 2 s" in failed["msg"] and "it is running on this host, as before" in failed["msg"]
    assert [vm["state"] for vm in here["vms"]] == ["running"] and there["vms"] == []
    assert failed["vm"]["host"] == "lab2" and failed["vm"]["state"] == "running"


def test_what_is_missing_there_is_named_before_anything_moves(on, guest):
    network = "virsh net-destroy moving"
    local = {"name": "moving-local", **GUEST, "disks": [{"name": "data", "storage": "alone", "size": "1MiB"}]}
    gone = {"name": "moving-local", "state": "absent", "remove_disks": ["data"]}
    _moved, _storage, _down, made, lacks, alone, nowhere, unknown, _up, _gone = on(
        TO_LAB2,
        ("lab2", "intake_storage", {"name": "alone", "path": "/var/lib/intake/storages/alone"}),
        ("lab1", "ansible.builtin.command", {"cmd": network}),
        ("lab2", "intake_vm", local),
        (*TO_LAB1, "check"),
        ("lab2", "intake_vm_migrate", {"name": "moving-local", "destination": "lab1", **LATE}),
        ("lab2", "intake_vm_migrate", {"name": "moving", "destination": "lab3", "connect_timeout": 5}),
        ("lab2", "intake_vm_migrate", {"name": "moving-unknown", "destination": "lab1", **LATE}),
        ("lab1", "ansible.builtin.command", {"cmd": "virsh net-start moving"}),
        ("lab2", "intake_vm", gone),
    )
    assert not made.get("failed"), made["msg"]
    assert lacks["reason"] == "network_inactive" and "network moving is not active there" in lacks["msg"]
    assert alone["reason"] == "not_shared" and "storage alone is on this host alone" in alone["msg"]
    assert nowhere["reason"] == "destination_not_reachable" and unknown["reason"] == "vm_not_found"


def test_a_volume_that_cannot_be_opened_there_is_named_before_anything_moves(on, guest):
    _moved, _away, lacks, here, _back, moved = on(
        TO_LAB2,
        ("lab1", "ansible.builtin.command", {"cmd": f"umount -l {STORAGE}"}),  # libvirt takes the storage for active still
        TO_LAB1,
        ("lab2", *listed()),
        ("lab1", "intake_storage", {"name": "moving", "timeout": 60}),
        TO_LAB1,
    )
    assert lacks["failed"] and lacks["reason"] == "not_openable" and not lacks["changed"]
    assert f"disk root: {STORAGE}/moving.qcow2 cannot be opened there" in lacks["msg"] and "moving" in here["stdout_lines"]
    assert not moved.get("failed"), moved["msg"]


def test_a_run_that_was_killed_after_the_move_is_finished_by_the_next(on, guest):
    host = on(TO_LAB2, ("lab2", "intake_vm_info", {"names": ["moving"], "gather": []}))[1]["hypervisor"]["uuid"]
    note = f"<move host='{host}' hostname='lab2' autostart='yes'/>"
    metadata = ["virsh", "metadata", "moving", "urn:intake:vms:move:1", "--config"]
    _lost, _noted, asked, done, again, autostart, left = on(
        ("lab2", "ansible.builtin.command", {"argv": ["virsh", "autostart", "--disable", "moving"]}),
        ("lab2", "ansible.builtin.command", {"argv": [*metadata, "--key", "intake-move", "--set", note]}),
        (*TO_LAB2, "check"),
        TO_LAB2,
        TO_LAB2,
        ("lab2", *listed("--autostart")),
        ("lab2", "ansible.builtin.command", {"argv": metadata}),
    )
    assert not done.get("failed"), done["msg"]
    assert asked["changed"] and done["changed"] and not again["changed"]
    assert "moving" in autostart["stdout_lines"] and left.get("failed")


@pytest.mark.parametrize("seconds", [2, 5, 10, 20])
def test_a_migration_that_is_killed_is_finished_or_told(on, guest, seconds):
    migrate = "virsh migrate --live --persistent --undefinesource moving qemu+ssh://root@lab2/system?no_tty=1"
    idle = "! {} virsh domjobinfo moving 2>/dev/null | grep -q ^Operation"  # libvirt has noticed, on both
    settled = f"timeout 60 bash -c 'until {idle.format('')} && {idle.format('ssh lab2')}; do sleep 0.2; done'"
    found = {"names": ["moving"], "gather": []}
    _moved, _killed, done, here, there = on(
        TO_LAB1,
        ("lab1", "ansible.builtin.shell", {"cmd": f"timeout -s KILL {seconds} {migrate}; {settled}"}),
        TO_LAB2,
        ("lab1", "intake_vm_info", found),
        ("lab2", "intake_vm_info", found),
    )
    states = [[vm["state"] for vm in one["vms"]] for one in (here, there)]
    if not done.get("failed"):
        assert states == [[], ["running"]]
        return
    assert done["reason"] in ("interrupted", "defined_twice"), done["msg"]
    assert states != [["running"], ["running"]] and "run this again" in done["msg"]
    gone = "virsh destroy moving; virsh undefine --keep-nvram moving"
    owner = f"chown --reference=/tmp/moving-owner {STORAGE}/moving.qcow2"
    if states[1]:  # it had gone over
        on(
            ("lab1", "ansible.builtin.shell", {"cmd": f"touch /tmp/moving-owner; chown --reference={STORAGE}/moving.qcow2 /tmp/moving-owner"}),
            ("lab2", "ansible.builtin.command", {"cmd": "virsh suspend moving"}),
            ("lab1", "ansible.builtin.shell", {"cmd": f"{gone}; {owner}"}),
            ("lab2", "ansible.builtin.command", {"cmd": "virsh resume moving"}),
        )
    else:
        on(("lab1", "intake_vm", {"name": "moving", "state": "running"}))
    again, alive = on(TO_LAB2, ("lab2", *agent(EXEC)))
    assert not again.get("failed"), again["msg"]
    assert again["vm"]["host"] == "lab2" and again["vm"]["state"] == "running" and told(alive)["pid"]


def test_drain_empties_a_host_and_fill_brings_back(on, guest, playbook):
    found = {"names": ["moving"], "gather": []}
    on(TO_LAB2)
    asked, done = playbook("drain", "--check", drain_hosts="lab2"), playbook("drain", drain_hosts="lab2")
    assert moves(asked) == moves(done) == ["moving"]
    here, there = on(("lab1", "intake_vm_info", found), ("lab2", "intake_vm_info", found))
    assert [(vm["state"], vm["labels"]) for vm in here["vms"]] == [("running", {"home": "lab2"})] and there["vms"] == []
    assert not any(result.get("changed") for result in playbook("drain", drain_hosts="lab2"))
    assert moves(playbook("fill", fill_hosts="lab2")) == ["moving"]
    here, there = on(("lab1", "intake_vm_info", found), ("lab2", "intake_vm_info", found))
    assert here["vms"] == [] and [(vm["state"], vm["labels"]) for vm in there["vms"]] == [("running", {})]


def test_a_stopped_machine_moves_by_its_definition(on, guest, rows):
    move = TO_LAB1[1:]
    stopped = {"name": "moving", "state": "stopped", "force_stop": True, "stop_timeout": 30}
    _moved, _off, asked, done, again, here, autostart, started = on(
        TO_LAB2,
        ("lab2", "intake_vm", stopped),
        ("lab2", *move, "check"),
        ("lab2", *move),
        ("lab2", *move),
        ("lab2", *listed()),
        ("lab1", *listed("--autostart")),
        ("lab1", "intake_vm", {"name": "moving", "state": "running"}),
    )
    assert not done.get("failed"), done["msg"]
    assert asked["changed"] and done["changed"] and not again["changed"]
    assert (done["vm"]["state"], done["vm"]["host"]) == ("stopped", "lab1")
    assert "moving" not in here["stdout_lines"] and "moving" in autostart["stdout_lines"]
    assert started["changed"] and started["vm"]["state"] == "running"
    assert rows("SELECT name, host, state FROM vm_overview") == [("moving", "lab1", "running")]


def test_a_machine_defined_on_both_hosts_is_reported_and_refused(on, guest, playbook):
    twice = "set -o pipefail; virsh dumpxml --inactive moving | ssh lab2 virsh define /dev/stdin"
    _moved, copied, refused = on(
        TO_LAB1,
        ("lab1", "ansible.builtin.shell", {"cmd": twice, "executable": "/bin/bash"}),
        TO_LAB2,
    )
    assert not copied.get("failed"), copied
    assert refused["reason"] == "defined_twice" and "lab2" in refused["msg"]
    said = json.dumps(playbook("report"))
    assert "DEFINED ON SEVERAL HOSTS" in said and "lab1, lab2" in said
    on(("lab2", "ansible.builtin.command", {"cmd": "virsh undefine moving"}))
    assert "DEFINED ON SEVERAL HOSTS" not in json.dumps(playbook("report"))
