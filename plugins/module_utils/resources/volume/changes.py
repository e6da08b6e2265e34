# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that exist: size, format, record, name and storage."""

from __future__ import annotations

import os

from ... import lens
from ...errors import Refused
from ...files import transfer
from ...flow.converge import DESTRUCTIVE, LIVE, Step
from ...host.programs import run
from ...locking.leases import end_own
from ...units import format_size, parse_size
from . import creation, reading

RECORDED = ("description", "labels", "read_only")


def plan(volumes, plan_, have, want):
    """The steps of one existing volume; what makes a volume (image, clone, preallocation) is not compared."""
    locked = dict(have, read_only=have["read_only"] and want.get("read_only") is not False)
    moves = relocation(have, want)
    plan_record(volumes, plan_, have, want)
    plan_format(volumes, plan_, locked, want)
    plan_size(volumes, plan_, locked, want)
    if moves:
        plan_relocation(volumes, plan_, have, want, *moves)
    elif have["_moving_from"]:
        plan_leaving(volumes, plan_, have)


def plan_record(volumes, plan_, have, want):
    """Description, labels and read_only are kept beside the file."""
    for key in RECORDED:
        after = want.get(key)
        if after is None:
            continue
        if key == "labels":
            after = {str(label): str(value) for label, value in after.items()}
        if (after or None) != (have[key] or None):
            apply = recorder(volumes, have, key, after)
            plan_.steps.append(Step("set", key, apply, before=have[key], after=after))


def recorder(volumes, have, key, after):
    """A step that writes one field of the record, and what the file is where there was no record yet."""
    return lambda: reading.catalogue(volumes, have["storage"]).update(
        have["name"], kind=have["kind"], format=have["format"], **{key: after}
    )


def plan_size(volumes, plan_, have, want):
    """Grow, online where a machine runs on it; never shrink."""
    if not want.get("size"):
        return
    where = f"volume {have['name']}"
    size = parse_size(want["size"], f"{where}: size")
    if have["size"] in (size, reading.whole_sectors(size)):
        return
    if size < have["size"]:
        raise Refused(
            f"{where}: is {format_size(have['size'])}, asked for {format_size(size)}; shrinking would lose data", "shrink_refused"
        )
    size = reading.whole_sectors(size)
    volumes.refuse_read_only(have, "resized")
    overlays = [volumes.graph.overlay_words(path) for path in volumes.graph.overlays(have["path"])]
    if overlays:
        raise Refused(f"{where}: is the backing file of {', '.join(overlays)}; it cannot be resized", "volume_in_use")
    running = running_user(volumes, have)
    if running is None and reading.is_open(have):
        raise Refused(f"{where}: is open in a QEMU that is no machine of this hypervisor; it cannot be resized meanwhile", "volume_in_use")
    volumes.engage(want, have["path"])
    apply = reading.named(where, resizer(volumes, have, want, size, running))
    plan_.steps.append(Step("grow", "size", apply, LIVE, format_size(have["size"]), format_size(size)))


def running_user(volumes, have):
    """(domain, target) of the running machine that has the file as a disk, or None."""
    for name in volumes.graph.vms(have["path"]):
        domain = volumes.hypervisor.domains().get(name)
        if domain is None or not domain.isActive():
            continue
        for disk in lens.parse(domain.XMLDesc(0)).iterfind("devices/disk"):
            path = disk_path(volumes.hypervisor, disk)
            if path and os.path.realpath(path) == os.path.realpath(have["path"]):
                return domain, disk.find("target").get("dev")
    return None


def disk_path(hypervisor, disk):
    """The file of a <disk>, also where it is named by pool and volume; None for disks that are no files."""
    source = disk.find("source")
    if source is None:
        return None
    if source.get("pool") and source.get("volume"):
        return hypervisor.volume_path(source.get("pool"), source.get("volume"))
    return source.get("file")


def resizer(volumes, have, want, size, running):
    """Let the running machine resize its disk, or qemu-img the file."""

    def apply():
        form = want.get("format") or have["format"]
        if running:
            domain, target = running
            domain.blockResize(target, size, 1)  # VIR_DOMAIN_BLOCK_RESIZE_BYTES: the size is in bytes, not KiB
        else:
            run(["qemu-img", "resize", "-q", "-f", form, have["path"], size], timeout=600)
        volumes.touched.add(have["storage"])

    return apply


def plan_format(volumes, plan_, have, want):
    """Convert a file that nobody uses; the old content is replaced in one rename."""
    form = want.get("format")
    if not form or form == have["format"]:
        return
    volumes.refuse_read_only(have, "converted")
    volumes.refuse_used(have, "converted")
    volumes.engage(want, have["path"])

    def apply():
        root, name = os.path.dirname(have["path"]), have["name"]
        transfer.discard_partial(root, name)
        partial = transfer.partial_path(root, name)
        try:
            creation.convert(have["path"], have["format"], partial, form)
            records = reading.catalogue(volumes, have["storage"])
            records.update(name, kind="volume", changing=True)
            transfer.publish(partial, have["path"], creation.MODE, replace=True)
            records.update(name, format=form, changing=None)
        except BaseException:
            transfer.discard_partial(root, name)
            raise
        volumes.touched.add(have["storage"])

    apply = reading.named(f"volume {have['name']}", apply)
    plan_.steps.append(Step("convert", "format", apply, LIVE, have["format"], form))


def relocation(have, want):
    """(storage, name) it shall have, or None where it has them."""
    place = reading.goal(want)
    return None if place == (have["storage"], have["name"]) else place


def plan_relocation(volumes, plan_, have, want, storage, name):
    """Rename within a storage, or copy to another one and leave the first."""
    where = f"volume {have['name']}"
    taken = reading.read(volumes, storage, name)
    volumes.refuse_used(have, "moved")
    volumes.engage(want, have["path"])
    volumes.engage(want, os.path.join(volumes.hypervisor.storage_path(storage), name))
    if taken and taken["_moving_from"] == have["path"]:
        plan_.steps.append(Step("leave", "storage", lambda: leave(volumes, taken), DESTRUCTIVE, have["storage"], storage))
        return
    if taken and not os.path.samefile(taken["path"], have["path"]):  # the same: a rename was killed between its two names
        raise Refused(f"{where}: storage {storage} has a file {name} already", "exists")
    if storage == have["storage"]:
        apply = reading.named(where, lambda: rename(volumes, have, name))
        plan_.steps.append(Step("rename", "name", apply, LIVE, have["name"], name))
        return
    if have["backing"]:
        raise Refused(f"{where}: is a linked clone of {have['backing']}; make a full clone in storage {storage} instead", "linked_clone")
    before, after = f"{have['storage']}/{have['name']}", f"{storage}/{name}"
    apply = reading.named(where, lambda: move(volumes, have, storage, name))
    plan_.steps.append(Step("move", "storage", apply, LIVE, before, after))


def rename(volumes, have, name):
    """The record goes first: a crash between leaves the file under its old name with the facts of its header."""
    records = reading.catalogue(volumes, have["storage"])
    records.remove(name)
    if records.get(have["name"]):
        records.put(name, records.get(have["name"]))
    try:
        transfer.rename_new(have["path"], os.path.join(os.path.dirname(have["path"]), name))
    except BaseException:
        records.remove(name)
        raise
    records.remove(have["name"])
    end_own(have["path"], volumes.hypervisor.identity())
    volumes.touched.add(have["storage"])


def move(volumes, have, storage, name):
    """Copy whole, publish with a note of where it came from, then leave the old place; a killed run is finished by the next."""
    root = volumes.hypervisor.storage_path(storage)
    record = reading.catalogue(volumes, have["storage"]).get(have["name"])
    transfer.discard_partial(root, name)
    partial = transfer.partial_path(root, name)
    try:
        transfer.copy_file(have["path"], partial)
        record = {"kind": "volume", **record, "format": record.get("format") or have["format"]}
        record.update(moving_from=have["path"], moving_stamp=reading.stamp(have["path"]))
        reading.catalogue(volumes, storage).put(name, record)
        transfer.publish(partial, os.path.join(root, name), creation.MODE)
    except BaseException:
        transfer.discard_partial(root, name)
        raise
    leave(volumes, reading.read(volumes, storage, name))


def plan_leaving(volumes, plan_, have):
    """A killed move is finished, unless somebody has begun to use the old file."""
    users = volumes.graph.users(have["_moving_from"])
    if users:
        plan_.warnings.append(f"volume {have['name']}: was copied from {have['_moving_from']}, which stays since {', '.join(users)} use it")
    else:
        plan_.steps.append(Step("leave", "storage", lambda: leave(volumes, have), DESTRUCTIVE, have["_moving_from"], have["path"]))


def leave(volumes, moved):
    """Remove the file a volume was copied from, and the note of it."""
    old = moved["_moving_from"]
    folder, name = os.path.split(old)
    reading.refuse_open({"name": name, "path": old}, "removed")
    os.unlink(old)
    end_own(old, volumes.hypervisor.identity())
    for storage, root in volumes.hypervisor.storage_paths().items():
        if root == folder:
            reading.catalogue(volumes, storage).remove(name)
            volumes.touched.add(storage)
    reading.catalogue(volumes, moved["storage"]).update(moved["name"], moving_from=None, moving_stamp=None)
    volumes.touched.add(moved["storage"])
