# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest image for every test that boots a machine: built once by the role, kept in the user's cache."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "intake.vms" / "images"


def run_role(role, *arguments, hosts=None, **variables):
    """Apply one role to this machine; answers the finished ansible-playbook, whatever its exit code.

    With `hosts`, {name: more variables}, to each of these names, which are all this machine.
    """
    with tempfile.TemporaryDirectory(prefix="intake-role-") as folder:
        collections = Path(folder) / "ansible_collections" / "intake"
        collections.mkdir(parents=True)
        (collections / "vms").symlink_to(ROOT)
        play = {"hosts": "all", "gather_facts": False, "roles": [f"intake.vms.{role}"]}
        config = Path(folder) / "ansible.cfg"
        config.write_text("[defaults]\n", encoding="utf-8")
        playbook = Path(folder) / "play.yml"
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        inventory = Path(folder) / "hosts.json"
        values = dict(variables, ansible_python_interpreter=sys.executable)
        named = {name: values | more for name, more in hosts.items()} if hosts else {"localhost": {}}
        inventory.write_text(json.dumps({"all": {"hosts": named}}, default=str), encoding="utf-8")
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "-c", "local"]
        command += [*([] if hosts else ["-e", json.dumps(values, default=str)]), *arguments, str(playbook)]
        settings = {"ANSIBLE_COLLECTIONS_PATH": folder, "ANSIBLE_CONFIG": str(config), "ANSIBLE_NOCOLOR": "1"}
        environment = dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin", **settings)
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def golden_image(cache_dir=CACHE):
    """Path of a Debian 12 image that boots and answers by its guest agent; built when it is not there (about a minute)."""
    directory = Path(cache_dir)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "debian-12.qcow2"
    with open(directory / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run_role("golden_image", golden_image_path=path, golden_image_distribution="debian", golden_image_release="bookworm")
    assert done.returncode == 0, done.stdout + done.stderr
    return path
