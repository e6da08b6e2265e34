# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud-init seed of a virtual machine: a small read-only disk beside its root disk."""

from __future__ import annotations

import os

from ...errors import Refused
from ...files.catalogue import Catalogue
from ...files.transfer import discard_partial, partial_path, publish
from ...flow.converge import Step
from . import cloudinit
from .definition import uuid_of

DISK = "cloud-init"


def file_name(vm):
    """The volume that holds a VM's seed; it goes when the VM goes."""
    return f"{vm}-seed.iso"


def include(vms, plan, have, want):
    """The want with the seed among its disks; adds the step that writes the seed where its content differs."""
    if want.get("cloud_init") is None:
        return want
    name = want["name"]
    refuse_remote(vms, name)
    storage = storage_of(vms, want, have)
    path = os.path.join(vms.hypervisor.storage_path(storage), file_name(name))
    documents = cloudinit.documents(want["cloud_init"], name, have.uuid if have else uuid_of(name))
    existing = cloudinit.read_seed(path)
    if existing != documents:
        shown = [cloudinit.show(one) if one else None for one in (existing, documents)]
        plan.steps.append(Step("write", "cloud_init", lambda: write(vms, storage, name, path, documents), "next_boot", *shown))
        if have is not None and have.is_active:
            plan.warnings.append(f"vm {name}: the new cloud-init seed is read at the next boot")
    disk = {"name": DISK, "state": "present", "device": "disk", "path": path, "format": "raw", "read_only": True, "bus": "virtio"}
    return {**want, "disks": (want.get("disks") or []) + [disk]}


def refuse_remote(vms, name):
    """A seed is a file of the host this module runs on."""
    if not vms.hypervisor.is_local:
        raise Refused(
            f"vm {name}: a cloud-init seed is written on the hypervisor; run the task there instead of using the URI {vms.hypervisor.uri}",
            "remote_uri",
        )


def storage_of(vms, want, have):
    """The storage asked for, else where the seed is already, else that of the first disk, asked for or there, else the only one there is."""
    if want["cloud_init"].get("storage"):
        return want["cloud_init"]["storage"]
    if have is not None:
        current = have.description["disks"].get(DISK)
        place = current and vms.media.place_of_file(current["path"])
        if place:
            return place[0]
    there = [disk for disk in have.description["disks"].values() if disk["device"] == "disk"] if have else []
    for disk in [*(want.get("disks") or ()), *there]:
        place = disk.get("path") and vms.media.place_of_file(disk["path"])
        if place:
            return place[0]
    return vms.media.storage_of(want["name"], {"name": DISK})


def write(vms, storage, name, path, documents):
    """Write the seed beside its name and swap it in; a running guest keeps the one it booted with."""
    root = os.path.dirname(path)
    partial = partial_path(root, file_name(name))
    discard_unfinished(path)
    cloudinit.write_seed(partial, documents)
    publish(partial, path, mode=0o600, replace=True)
    Catalogue(root).put(file_name(name), {"kind": "seed", "source": f"vm/{name}"})  # neither a volume nor an image to people
    vms.touched.add(storage)


def discard_unfinished(path):
    """Remove what a killed run left of the seed at this path: it holds secrets."""
    root, name = os.path.split(path)
    discard_partial(root, name)
    cloudinit.discard_parts(partial_path(root, name))
