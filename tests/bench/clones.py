# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Full and linked clones of 500 MB of data, on a filesystem that shares blocks and on one that does not."""

from __future__ import annotations

import os
import subprocess

from workbench import MIB, stopwatch

DATA = 500
KINDS = {"qcow2": ("full", "linked"), "raw": ("full",)}


def measure(bench):
    """Clone an image of each format; beside it, cp of the same file and libvirt's own clone."""
    print(f"clones of {DATA} MB")
    raw = os.path.join(bench.folder, "data.raw")
    with open(raw, "wb") as file:
        for _block in range(DATA):
            file.write(os.urandom(MIB))
    qcow2 = os.path.join(bench.folder, "data.qcow2")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2], check=True)
    for fs in ("ext4", "xfs"):
        storage = f"bench-{fs}"
        folder = bench.loop_storage(storage, fs, 4096 * MIB)
        for form, source in (("raw", raw), ("qcow2", qcow2)):
            measure_format(bench, storage, folder, fs, form, source)


def measure_format(bench, storage, folder, fs, form, source):
    """Both kinds of clone of one format on one filesystem."""
    image = f"data.{form}"
    bench.play({"intake.vms.intake_image": {"name": image, "storage": storage, "path": source}})
    with stopwatch() as copying:
        subprocess.run(["cp", "--reflink=auto", os.path.join(folder, image), os.path.join(folder, "cp.tmp")], check=True)
        with open(os.path.join(folder, "cp.tmp"), "rb") as file:
            os.fsync(file.fileno())
    os.unlink(os.path.join(folder, "cp.tmp"))
    with stopwatch() as cloning:
        subprocess.run(["virsh", "-q", "vol-clone", "--pool", storage, image, "virsh.tmp"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["virsh", "-q", "vol-delete", "--pool", storage, "virsh.tmp"], check=True, stdout=subprocess.DEVNULL)
    for clone in KINDS[form]:
        volume = {"name": f"{clone}.{form}", "storage": storage, "format": form, "image": image, "clone": clone}
        ours = bench.module("intake_volume", **volume)[0]
        idle = bench.module("intake_volume", **volume)[0]
        bench.row(f"{clone} clone of {form} on {fs}, the module alone", ours, idle=idle, cp=copying[0], virsh=cloning[0])
        bench.module("intake_volume", name=volume["name"], storage=storage, state="absent")
