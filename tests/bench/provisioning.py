# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Started machines from one image."""

from __future__ import annotations

import os
import subprocess

from workbench import stopwatch

COUNT = 10
STORAGE = "bench-provision"


def names(prefix):
    return [f"bench-{prefix}{number}" for number in range(COUNT)]


def virt_install(bench, image):
    """Seconds for the same machines, their disks made as overlays of the same image."""
    folder = os.path.dirname(image)
    with stopwatch() as seconds:
        for name in names("vi"):
            argv = ["virt-install", "--connect", "qemu:///system", "--virt-type", "qemu", "--name", name, "--memory", "64", "--vcpus", "1"]
            argv += ["--disk", f"path={folder}/{name}.qcow2,size=1,backing_store={image},backing_format=qcow2,format=qcow2", "--import"]
            argv += ["--network", "user", "--graphics", "none", "--noautoconsole", "--osinfo", "detect=off,require=off"]
            subprocess.run(argv, check=True, capture_output=True)
    return seconds[0]


def measure(bench):
    """Define and start machines with a disk made from an image, in one call, then remove them with their disks."""
    print("provisioning")
    folder = bench.storage(STORAGE)
    source = os.path.join(bench.folder, "source.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", source, "1G"], check=True)
    bench.play({"intake.vms.intake_image": {"name": "bench.qcow2", "storage": STORAGE, "path": source}})
    disk = {"name": "root", "storage": STORAGE, "image": "bench.qcow2", "clone": "linked"}
    task = {
        "state": "running",
        "memory": "64MiB",
        "virt_type": "qemu",
        "disks": [disk],
        "interfaces": [{"name": "lan", "user": True}],
        "vms": [{"name": name} for name in names("our")],
    }
    provisioned = bench.play({"intake.vms.intake_vm": task})
    unchanged = bench.play({"intake.vms.intake_vm": task})
    gone = {"state": "absent", "force_stop": True, "stop_timeout": 1, "remove_disks": ["all"], "vms": task["vms"]}
    removed = bench.play({"intake.vms.intake_vm": gone})
    peer = virt_install(bench, os.path.join(folder, "bench.qcow2"))
    bench.row(f"provision {COUNT} started VMs", provisioned, **{"virt-install": peer})
    bench.row(f"{COUNT} started VMs unchanged", unchanged)
    bench.row(f"stop and remove {COUNT} VMs", removed)
