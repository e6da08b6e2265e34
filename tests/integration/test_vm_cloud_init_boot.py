# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real guest reads its seed; and nobody else reads the secrets in it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

SECRET = "s3cr3t-w0rd"


@pytest.fixture
def name(unique, forget_vms, storage):
    """A machine's name; it is gone before the storage is."""
    yield unique
    forget_vms(unique)


def inside(name, *command):
    """What a command says in the guest, by its agent."""

    def ask(order, **arguments):
        text = json.dumps({"execute": order, "arguments": arguments})
        done = subprocess.run(["virsh", "qemu-agent-command", name, text], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)["return"]

    number = ask("guest-exec", path=command[0], arg=list(command[1:]), **{"capture-output": True})["pid"]
    while not (said := ask("guest-exec-status", pid=number))["exited"]:
        time.sleep(0.2)
    return base64.b64decode(said.get("out-data", "")).decode().strip()


def test_a_guest_becomes_what_its_seed_says(name, storage, golden_image, run_module, connection):
    shutil.copy(golden_image, f"{storage.path}/debian.qcow2")
    connection.storagePoolLookupByName(storage.name).refresh()
    done = run_module(
        "intake_vm",
        name=name,
        state="running",
        virt_type="qemu",
        memory="512MiB",
        cpus=2,
        disks=[{"name": "root", "volume": "debian.qcow2", "storage": storage.name}],
        interfaces=[{"name": "nat", "user": True}],
        cloud_init={"hostname": "seeded", "users": [{"name": "ops", "plain_text_passwd": SECRET, "ssh_authorized_keys": ["ssh-ed25519 AAAA ops"]}]},
        wait_for="agent",
        wait_timeout=600,
    )
    assert not done.get("failed"), done["msg"]
    assert SECRET not in json.dumps(done)
    inside(name, "/usr/bin/cloud-init", "status", "--wait")
    assert inside(name, "/bin/hostname") == "seeded" == connection.lookupByName(name).hostname(0)
    assert inside(name, "/usr/bin/getent", "passwd", "ops").endswith(":/home/ops:/bin/bash")
    assert inside(name, "/bin/cat", "/home/ops/.ssh/authorized_keys") == "ssh-ed25519 AAAA ops"
    seen = run_module("intake_vm_info", names=[name])["vms"][0]
    assert seen["address"].startswith("10.0.2.") and seen["uptime"] > 0 and SECRET not in json.dumps(seen)


@pytest.fixture
def syslog():
    """syslog() -> what arrived at the system's log since the test began; where no daemon listens, the test does."""
    if os.path.exists("/dev/log"):
        start = f"@{int(time.time())}"
        yield lambda: subprocess.run(["journalctl", "-q", "-o", "cat", "--since", start], check=True, capture_output=True, text=True).stdout
        return
    listener, lines, over = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), [], threading.Event()
    listener.bind("/dev/log")
    listener.settimeout(0.2)

    def listen():
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                lines.append(listener.recv(65536).decode(errors="replace"))

    thread = threading.Thread(target=listen)
    thread.start()
    yield lambda: "".join(lines)
    over.set()
    thread.join()
    listener.close()
    os.unlink("/dev/log")


@pytest.fixture
def command_lines():
    """command_lines() -> every word that any process was started with since the test began, as far as often looks see it."""
    seen, over = set(), threading.Event()

    def look():
        while not over.wait(0.01):
            for entry in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    seen.add((entry / "cmdline").read_bytes() + (entry / "environ").read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    yield lambda: b"\n".join(seen).decode(errors="replace")
    over.set()
    thread.join()


def verbose(environment, tasks):
    """What Ansible's own output says at -vvv with --diff."""
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as playbook:
        json.dump([play], playbook)
        playbook.flush()
        argv = [sys.executable, "-m", "ansible", "playbook", "-vvv", "--diff", "-e", f"ansible_python_interpreter={sys.executable}", playbook.name]
        plain = {**environment, "ANSIBLE_STDOUT_CALLBACK": "default"}
        done = subprocess.run(argv, env=plain, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_secrets_stay_in_the_seed(name, storage, ansible_environment, syslog, command_lines):
    """In the flat form and in the list, done, refused, and with an option that does not exist; and where a seed is replaced."""
    where = {"storage": storage.name}
    user = {"name": "ops", "plain_text_passwd": f"{SECRET}1", "hashed_passwd": f"{SECRET}2"}
    documents = {
        "user_data": f"#cloud-config\nruncmd: [[echo, {SECRET}3]]\n",
        "network_config": {"version": 2, "wifis": {"w": {"access-points": {"x": {"password": f"{SECRET}4"}}}}},
    }
    written = {"write_files": [{"path": "/etc/key", "content": f"{SECRET}5"}]}
    calls = [
        {"name": name, "cloud_init": {"users": [user], **where}},
        {"name": name, "cloud_init": {**documents, **where}},
        {"name": name, "cloud_init": {"user_data": written, "meta_data": {"api_token": f"{SECRET}6"}, **where}},
        {"vms": [{"name": name, "cloud_init": {"user_data": written, **where}}]},
        {"vms": [{"name": name, "cloud_init": {"users": [{**user, "name": ""}], **documents, **where}}]},
        {"name": name, "no_such_option": 1, "cloud_init": {"users": [user], **documents, **where}},
        {"vms": [{"name": name, "cloud_init": {"users": [user], **documents, "no_such_option": 1}}]},
        {"name": name, "cloud_init": {"users": [user], "hostname": "no host", **where}},
    ]
    said = verbose(ansible_environment, [{"intake.vms.intake_vm": call, "ignore_errors": True} for call in calls])
    assert "changed=4" in said and "ignored=4" in said, said
    assert f"vm {name}" in said and SECRET not in said, [line for line in said.splitlines() if SECRET in line]
    assert "intake_vm" in syslog() and SECRET not in syslog()
    assert "intake_vm" in command_lines() and SECRET not in command_lines()
    assert SECRET.encode() in Path(storage.path, f"{name}-seed.iso").read_bytes()
