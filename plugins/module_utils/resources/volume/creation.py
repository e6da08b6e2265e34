# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that do not exist yet: empty ones, and clones of images and volumes."""

from __future__ import annotations

import os

from ...errors import NotFound, Refused
from ...files import qcow2, transfer
from ...flow.converge import Step
from ...host.programs import run
from ...names import check_name
from ...units import about, format_size, parse_size
from . import reading

MODE = 0o600
CONVERT_SECONDS = 24 * 3600
FILLED = ("falloc", "full")


def plan(volumes, plan_, want):
    """The step that makes one volume; everything that can be refused is refused here."""
    where = f"volume {want['name']}"
    source = source_of(volumes, want)
    size = source and source["size"]
    if want.get("size"):
        asked = parse_size(want["size"], f"{where}: size")
        size = size if asked == size else reading.whole_sectors(asked)
    if not size:
        raise Refused(f"{where}: does not exist; say its size, or the image or source_volume to make it from", "size_missing")
    form = want.get("format") or (source["format"] if source else "qcow2")
    storage, name = reading.goal(want)
    volumes.engage(want, os.path.join(volumes.hypervisor.storage_path(storage), name))
    if source:
        check_source(volumes, where, want, source, size, form)
        volumes.engage(want, source["path"], change=False)
    want = {**want, "storage": storage, "name": name}
    check_preallocation(volumes, where, want, size, source)
    record = {key: want.get(key) for key in ("description", "read_only")}
    record["labels"] = {str(key): str(value) for key, value in (want.get("labels") or {}).items()}
    record.update(kind="volume", format=form, source=source and f"{source['storage']}/{source['name']}")
    make = Maker(volumes, want, source, size, form, record)
    plan_.steps.append(Step("create", "volume", reading.named(where, make), fields=shown(want, size, form, record)))


def shown(want, size, form, record):
    """What a diff shows of a new volume."""
    fields = {"storage": want["storage"], "size": format_size(size), "format": form, "source": record["source"]}
    fields.update({key: record[key] for key in ("description", "labels", "read_only")})
    if record["source"]:
        fields["clone"] = "linked" if want["clone"] == "linked" else "full"
    return {key: (None, value) for key, value in fields.items() if value}


def source_of(volumes, want):
    """The `have` of the image or volume to clone, or None."""
    said = [key for key in ("image", "source_volume") if want.get(key)]
    if len(said) > 1:
        raise Refused(f"volume {want['name']}: is asked to be made from an image and from a volume; say one of them", "two_sources")
    if not said:
        return None
    storage, name = reading.source_place(want)
    found = reading.read(volumes, storage, check_name("volume", name))
    if not found:
        kind = said[0].replace("_", " ")
        raise NotFound(f"volume {want['name']}: {kind} {name} does not exist in storage {storage}", f"{said[0]}_not_found")
    return found


def check_source(volumes, where, want, source, size, form):
    """Refuse clones that would be torn, cut or impossible."""
    if source["format"] not in ("qcow2", "raw"):
        raise Refused(f"{where}: {source['name']} is {source['format']}; only qcow2 and raw files can be cloned", "invalid_source")
    if size < source["size"]:
        raise Refused(
            f"{where}: {source['name']} is {format_size(source['size'])}, asked for {format_size(size)}; a smaller copy would lose data",
            "shrink_refused",
        )
    if qcow2.is_written(source["path"]):
        users = ", ".join(volumes.graph.vms(source["path"])) or "a running QEMU"
        raise Refused(f"{where}: {source['name']} is being written by {users}; a copy of it would be torn, stop that first", "source_in_use")
    if want["clone"] == "linked" and form == "raw":
        raise Refused(f"{where}: a linked clone is qcow2, since raw files cannot name a backing file; leave format out", "invalid_clone")
    if want["clone"] == "linked" and want.get("preallocation") in FILLED + ("metadata",):
        raise Refused(f"{where}: a linked clone holds only what differs, so it is not preallocated", "invalid_clone")


def check_preallocation(volumes, where, want, size, source):
    """Space that is asked for now must be there now."""
    if source and want.get("preallocation") not in (None, "off"):
        raise Refused(f"{where}: preallocation is for new empty volumes", "invalid_preallocation")
    if (want.get("format") or "qcow2") == "raw" and want.get("preallocation") == "metadata":
        raise Refused(f"{where}: preallocation metadata is for qcow2; raw files have none", "invalid_preallocation")
    if want.get("preallocation") in FILLED:
        room = os.statvfs(volumes.hypervisor.storage_path(want["storage"]))
        free = room.f_bavail * room.f_frsize
        if size > free:
            raise Refused(f"{where}: {format_size(size)} are to be allocated, but only {about(free)} are free", "no_space")


class Maker:
    """Makes one volume when it is called."""

    def __init__(self, volumes, want, source, size, form, record):
        self.volumes, self.want, self.source = volumes, want, source
        self.size, self.form, self.record = size, form, record

    def __call__(self):
        """Write the partial file, its record, and give it its name."""
        root = self.volumes.hypervisor.storage_path(self.want["storage"])
        name = self.want["name"]
        transfer.discard_partial(root, name)
        partial = transfer.partial_path(root, name)
        try:
            self.fill(partial)
            reading.catalogue(self.volumes, self.want["storage"]).put(name, self.record)
            transfer.publish(partial, os.path.join(root, name), MODE)
        except BaseException:
            transfer.discard_partial(root, name)
            raise
        self.volumes.touched.add(self.want["storage"])

    def fill(self, partial):
        """An empty file, an overlay, or a copy."""
        if not self.source:
            create(partial, self.form, self.size, self.want.get("preallocation"))
        elif self.want["clone"] == "linked":
            begin(partial)
            backing = ["-b", self.source["path"], "-F", self.source["format"]]
            run(["qemu-img", "create", "-q", "-f", "qcow2"] + backing + [partial, self.size])
        else:
            copy(self.source, partial, self.form)
            if self.size > self.source["size"]:
                run(["qemu-img", "resize", "-q", "-f", self.form, partial, self.size])


def create(partial, form, size, preallocation):
    """An empty file; raw files without preallocation are only a length."""
    options = ["-o", f"preallocation={preallocation}"] if preallocation else []
    begin(partial)
    if form == "raw" and not options:
        os.truncate(partial, size)
        return
    run(["qemu-img", "create", "-q", "-f", form] + options + [partial, size], timeout=CONVERT_SECONDS)


def begin(partial):
    """An empty file that nobody else can read, whatever program fills it."""
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))


def copy(source, partial, form):
    """An independent file: the same bytes where the format is the same and nothing is behind it, else a conversion."""
    if source["format"] == form and not source["backing"]:
        transfer.copy_file(source["path"], partial)
    else:
        convert(source["path"], source["format"], partial, form)


def convert(path, source_form, partial, form):
    """Let qemu-img read a whole chain and write one file of another format."""
    begin(partial)
    run(["qemu-img", "convert", "-q", "-f", source_form, "-O", form, "-W", path, partial], timeout=CONVERT_SECONDS)
