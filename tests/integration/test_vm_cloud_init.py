# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud-init seed: what is in it, when it is written again, where it lies, and that its secrets stay in it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample ops@example"
ROOT = [{"name": "root", "size": "1MiB"}]


@pytest.fixture
def name(unique, forget_vms, storage):
    """A machine's name; it is gone before the storage is."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def machine(name, storage, tiny_guest):
    """What every task here says about the machine beside its seed."""
    return {"name": name, "disks": [{**disk, "storage": storage.name} for disk in ROOT], **tiny_guest.options}


def seed(storage, name, tmp_path):
    """{document: text}, read by another program than ours."""
    into = tmp_path / "seed"
    subprocess.run(["rm", "-rf", into], check=True)
    osirrox = ["xorriso", "-osirrox", "on", "-indev", f"{storage.path}/{name}-seed.iso", "-extract", "/", str(into)]
    subprocess.run(osirrox, check=True, capture_output=True)
    return {path.name: path.read_text(encoding="utf-8") for path in into.iterdir()}


def config(documents):
    """The cloud-config; it is JSON, which is YAML."""
    header, _newline, text = documents["user-data"].partition("\n")
    assert header == "#cloud-config"
    return json.loads(text)


def test_the_short_form(name, machine, storage, ensure, tmp_path):
    short = {
        "hostname": "web1.example.org",
        "users": [{"name": "ops", "sudo": "ALL=(ALL) NOPASSWD:ALL", "ssh_authorized_keys": [KEY]}, {"name": "dev", "shell": "/bin/sh"}],
        "packages": ["htop", "vim"],
    }
    done = ensure("intake_vm", cloud_init=short, **machine)
    found = seed(storage, name, tmp_path)
    assert sorted(found) == ["meta-data", "user-data"]
    users = config(found)["users"]
    assert [(user["name"], user["shell"]) for user in users] == [("ops", "/bin/bash"), ("dev", "/bin/sh")]
    assert users[0]["ssh_authorized_keys"] == [KEY] and users[0]["sudo"] == "ALL=(ALL) NOPASSWD:ALL"
    assert config(found)["packages"] == ["htop", "vim"]
    assert config(found)["hostname"] == "web1" and config(found)["fqdn"] == "web1.example.org"
    meta = json.loads(found["meta-data"])
    assert meta["local-hostname"] == "web1.example.org" and meta["instance-id"].startswith(done["vm"]["uuid"])


def test_keys_beside_users_are_those_of_the_default_user(machine, name, storage, ensure, tmp_path):
    """cloud-init makes no default user where a list of users does not name it."""
    ensure("intake_vm", cloud_init={"ssh_authorized_keys": [KEY]}, **machine)
    alone = config(seed(storage, name, tmp_path))
    assert alone["ssh_authorized_keys"] == [KEY] and "users" not in alone
    ensure("intake_vm", cloud_init={"ssh_authorized_keys": [KEY], "users": [{"name": "ops"}]}, **machine)
    beside = config(seed(storage, name, tmp_path))
    assert beside["users"][0] == "default" and beside["users"][1]["name"] == "ops" and beside["ssh_authorized_keys"] == [KEY]


def test_whole_documents(machine, name, storage, ensure, tmp_path):
    text = "#!/bin/sh\necho 'grüß dich: \"ok\"'\n"
    network = {"version": 2, "ethernets": {"all": {"match": {"name": "e*"}, "dhcp4": True}}}
    ensure("intake_vm", cloud_init={"user_data": text, "meta_data": {"zone": "a"}, "network_config": network}, **machine)
    found = seed(storage, name, tmp_path)
    assert found["user-data"] == text and json.loads(found["network-config"]) == network
    assert json.loads(found["meta-data"])["zone"] == "a" and json.loads(found["meta-data"])["local-hostname"] == name
    ensure("intake_vm", cloud_init={"user_data": {"runcmd": [["true"]]}, "meta_data": {"instance-id": "mine"}}, **machine)
    found = seed(storage, name, tmp_path)
    assert config(found) == {"runcmd": [["true"]]} and "network-config" not in found
    assert json.loads(found["meta-data"])["instance-id"] == "mine"


def test_it_is_written_again_only_when_its_content_changes(machine, name, storage, ensure, run_module, tmp_path):
    ensure("intake_vm", cloud_init={"hostname": "one"}, **machine)
    path = f"{storage.path}/{name}-seed.iso"
    first, before = seed(storage, name, tmp_path), os.stat(path).st_ino
    assert os.stat(path).st_mode & 0o777 == 0o600
    ensure("intake_vm", changed=False, cloud_init={"hostname": "one", "users": []}, **machine)
    ensure("intake_vm", changed=False, name=name, description=None)
    ensure("intake_vm", name=name, description="something else")
    assert os.stat(path).st_ino == before
    done = ensure("intake_vm", name=name, cloud_init={"hostname": "two"})
    assert [(step["verb"], step["name"], step["risk"]) for step in done["resources"][0]["steps"]] == [("write", "cloud_init", "next_boot")]
    second = seed(storage, name, tmp_path)
    ids = [json.loads(found["meta-data"])["instance-id"] for found in (first, second)]
    assert ids[0] != ids[1] and config(second)["hostname"] == "two"
    os.unlink(path)
    done = run_module("intake_vm", name=name, cloud_init={"hostname": "two"})
    assert done["changed"] and seed(storage, name, tmp_path) == second


def test_a_running_machine_gets_its_new_seed_at_the_next_boot(machine, name, storage, ensure, run_module, tmp_path, connection):
    ensure("intake_vm", state="running", wait_for="agent", cloud_init={"hostname": "one"}, **machine)
    number = connection.lookupByName(name).ID()
    done = run_module("intake_vm", name=name, cloud_init={"hostname": "two"}, restart="if_needed")
    assert done["changed"] and connection.lookupByName(name).ID() == number
    assert any("next boot" in warning for warning in done["warnings"])
    ensure("intake_vm", name=name, state="stopped")
    ensure("intake_vm", name=name, state="running")  # QEMU may read the new file
    assert config(seed(storage, name, tmp_path))["hostname"] == "two"


def test_the_seed_lies_where_it_is_asked_for_else_beside_the_first_disk(machine, name, storage, ensure, folder, run_module, forget_pool):
    other = f"{name}-other"
    try:
        ensure("intake_storage", name=other, path=f"{folder}/other")
        ensure("intake_vm", cloud_init={"storage": other}, **machine)
        assert os.path.exists(f"{folder}/other/{name}-seed.iso") and not os.path.exists(f"{storage.path}/{name}-seed.iso")
        ensure("intake_vm", changed=False, name=name, cloud_init={})  # stays where it is
        seen = run_module("intake_vm_info", names=[name], gather=[])["vms"][0]["disks"]["cloud-init"]
        assert seen["path"] == f"{folder}/other/{name}-seed.iso" and seen["read_only"] is True
        ensure("intake_vm", name=name, state="absent")
        assert not os.path.exists(f"{folder}/other/{name}-seed.iso") and os.path.exists(f"{storage.path}/{name}-root.qcow2")
        ensure("intake_vm", **machine)
        ensure("intake_vm", name=name, cloud_init={})  # the disk that is there already counts
        assert os.path.exists(f"{storage.path}/{name}-seed.iso")
        listed = run_module("intake_volume_info", storage=storage.name)["volumes"] + run_module("intake_image_info", storage=storage.name)["images"]
        assert f"{name}-seed.iso" not in [entry["name"] for entry in listed]
        ensure("intake_vm", name=name, state="absent", remove_disks=["all"])
    finally:
        forget_pool(other)


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"user_data": "x", "packages": ["vim"]}, "invalid_cloud_init"),
        ({"user_data": ["x"]}, "invalid_cloud_init"),
        ({"users": [{"sudo": True}]}, "invalid_cloud_init"),
        ({"hostname": "no_such host"}, "invalid_hostname"),
        ({"ssh_authorized_keys": ["AAAA"]}, "invalid_ssh_key"),
        ({"users": [{"name": "ops", "ssh_authorized_keys": ["ssh-rsa AAAA\nssh-rsa BBBB"]}]}, "invalid_ssh_key"),
        ({"network_config": {"ethernets": {}}}, "invalid_network_config"),
    ],
)
def test_what_cloud_init_would_not_understand_is_refused(options, reason, machine, name, refuse, connection):
    assert refuse("intake_vm", reason, cloud_init=options, **machine).startswith(f"vm {name}: cloud_init")
    assert name not in [domain.name() for domain in connection.listAllDomains(0)]
