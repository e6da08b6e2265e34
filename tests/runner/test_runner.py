# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as AWX runs them: by ansible-runner, from a private data directory."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import ansible_runner
import pytest

SECRET = "correct-horse-battery"


@pytest.fixture
def job(tmp_path):
    """job(playbook, **extra) runs one job; all share an inventory and the variables of a small platform."""
    name = f"run{uuid.uuid4().hex[:6]}"
    source = tmp_path / "source.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(source), "32M"], check=True)
    variables = {
        "target": "all",
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "provision_storages": [{"name": name, "path": f"/var/tmp/{name}"}],
        "provision_images": [{"name": "base.qcow2", "storage": name, "path": str(source)}],
        "provision_volumes": [{"name": "data.qcow2", "storage": name, "size": "16MiB"}],
        "provision_vm_defaults": {
            "memory": "64MiB",
            "virt_type": "qemu",
            "graphics": {"type": "vnc", "password": SECRET[:8]},
            "cloud_init": {"users": [{"name": "ops", "plain_text_passwd": SECRET}], "storage": name},
            "disks": [{"name": "root", "storage": name, "image": "base.qcow2"}],
        },
        "provision_vms": [{"name": f"{name}-one"}, {"name": f"{name}-two", "cpus": 2}],
        "decommission_remove_disks": True,
        "decommission_remove_images": True,
    }

    def run(playbook, **extra):
        (tmp_path / "inventory").mkdir(exist_ok=True)
        (tmp_path / "inventory" / "hosts").write_text("localhost\n", encoding="utf-8")
        (tmp_path / "env").mkdir(exist_ok=True)
        (tmp_path / "env" / "extravars").write_text(json.dumps({**variables, **extra}), encoding="utf-8")
        return ansible_runner.run(private_data_dir=str(tmp_path), playbook=f"intake.vms.{playbook}", ident=f"job-{uuid.uuid4().hex[:6]}", quiet=True)

    yield run
    run("decommission", decommission_confirm="localhost")
    subprocess.run(["rm", "-r", f"/var/tmp/{name}"], check=False, capture_output=True)


def changed(done):
    return done.stats["changed"].get("localhost", 0)


def output_of(done):
    """What the job said, and every event as AWX stores it."""
    return done.stdout.read() + "".join(json.dumps(event) for event in done.events)


def test_a_job_provisions_once_and_takes_away_with_consent_only(job):
    first = job("provision")
    assert first.status == "successful", first.stdout.read()
    assert changed(first) == 4
    said = output_of(first)
    results = [event for event in said.split('"res":') if "invocation" in event]
    assert results
    assert SECRET not in "".join(event["event_data"].get("res", {}).__repr__() for event in first.events if "event_data" in event)

    again = job("provision")
    assert again.status == "successful" and changed(again) == 0

    report = job("report")
    assert report.status == "successful"
    assert "base.qcow2" in report.stdout.read()

    refused = job("decommission")
    assert refused.status == "failed"
    assert "decommission_confirm=localhost consents" in refused.stdout.read()

    gone = job("decommission", decommission_confirm="localhost")
    assert gone.status == "successful", gone.stdout.read()
    assert changed(gone) == 4
    assert changed(job("decommission", decommission_confirm="localhost")) == 0
