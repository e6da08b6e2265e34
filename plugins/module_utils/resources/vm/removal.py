# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes when a machine goes, and what stays."""

from __future__ import annotations

import contextlib
import os

from ...errors import Refused
from ...files.graph import Graph
from ...flow.converge import DESTRUCTIVE, Step
from ...host.hypervisor import libvirt
from ..volume.reading import catalogue
from . import disks, leasing, seed

FLAGS = ("MANAGED_SAVE", "SNAPSHOTS_METADATA", "NVRAM", "CHECKPOINTS_METADATA", "TPM")


def remove(domain):
    """Undefine with UEFI variables, TPM state, managed save and snapshot metadata: none of them has a use without it."""
    flags = 0
    for name in FLAGS:
        flags |= getattr(libvirt, f"VIR_DOMAIN_UNDEFINE_{name}", 0)
    try:
        domain.undefineFlags(flags)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG):
            raise
        domain.undefine()


def doomed_by_removal(vms, have, want, warnings):
    """Steps that delete the volumes that were named, and the seed, when a machine is removed; `warnings` learns what "all" leaves out."""
    there = disks.read(have.root)
    asked = want.get("remove_disks") or []
    unknown = sorted(set(asked) - set(there) - {"all"})
    if unknown:
        raise Refused(
            f"vm {have.name}: has no disk {', '.join(unknown)} to remove (there are: {', '.join(sorted(there)) or 'none'})", "disk_not_found"
        )
    graph = Graph(vms.hypervisor)
    steps = []
    for name, disk in there.items():
        if name == seed.DISK and os.path.basename(disk["path"] or "") == seed.file_name(have.name):
            why = leasing.foreign(vms, have)
            if why:
                warnings.append(f"vm {have.name}: its seed {disk['path']} stays: {why}")
            else:
                steps.append(deletion(vms, name, disk["path"], seed.discard_unfinished))
        elif name in asked or "all" in asked:
            why = reason_to_keep(graph, have, disk)
            if not why:
                steps.append(deletion(vms, name, disk["path"]))
            elif name in asked and os.path.exists(disk["path"] or ""):  # what a killed run deleted already is no refusal
                raise Refused(f"vm {have.name}: disk {name} is not deleted: {why}", "disk_kept")
            elif disk["device"] == "disk" and os.path.exists(disk["path"] or ""):
                warnings.append(f"vm {have.name}: disk {name} is not deleted: {why}")
    return steps


def doomed_by_edit(vms, have, want):
    """Steps that delete the volumes of disks that are taken away with `remove`."""
    steps, graph = [], Graph(vms.hypervisor)
    for wanted in want.get("disks") or ():
        element = disks.find(have.root, wanted["name"], None) if wanted["remove"] else None
        if element is None:
            continue
        disk = disks.read_one(element)
        why = reason_to_keep(graph, have, disk)
        if why:
            raise Refused(f"vm {have.name}: disk {wanted['name']} is not deleted: {why}", "disk_kept")
        steps.append(deletion(vms, wanted["name"], disk["path"]))
    return steps


def unheld(have, doomed, later):
    """The same steps; Refused where a disk cannot leave the running machine, which would write to a file that is gone."""
    kept = [step.name.split(".")[1] for step in doomed if step.name.rpartition(".")[0] in later]
    if kept:
        raise Refused(
            f"vm {have.name}: {', '.join(f'disk {name}' for name in kept)} cannot be taken out while the machine runs, so that the volume is in use; "
            "stop it first, or restart: if_needed restarts it",
            "disk_kept",
        )
    return doomed


def reason_to_keep(graph, have, disk):
    """Why the file of a disk is never deleted, or None."""
    path = disk["path"]
    if not path or not path.startswith("/"):
        return "it has no file"
    if disk["device"] != "disk" or disk["read_only"]:
        return "it is a medium that others may use"
    if disk["shareable"]:
        return "it is shareable"
    if not os.path.isfile(path):
        return f"{path} is not a file"
    if have.domain.snapshotNum(0):
        return "the machine has snapshots; remove them first"
    users = [user for user in graph.users(path) if user != f"vm {have.name}"]
    return f"{path} is used by {', '.join(users)}" if users else None


def deletion(vms, name, path, before=lambda path: None):
    """The step that deletes one file and its record, after what else belongs to it."""
    return Step("delete", f"disks.{name}.volume", lambda: (before(path), delete(vms, path)), DESTRUCTIVE, before=path)


def delete(vms, path):
    """Unlink the file of a disk, its record first: a killed run leaves what the next one finds. One that is gone is no error."""
    place = vms.media.place_of_file(path)
    if place:
        catalogue(vms, place[0]).remove(place[1])
        vms.touched.add(place[0])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
