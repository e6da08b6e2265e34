# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a storage as they are: files with a record of kind image, and ISO files without any record."""

from __future__ import annotations

import os
import stat

from ...errors import IntakeError, Refused
from ...files import image_header, qcow2


def read_image(storage, root, name, record):
    """The `have` of one file, or None where there is none. `record` is its catalogue record, {} for none."""
    path = os.path.join(root, name)
    try:
        return describe(storage, root, name, record, os.lstat(path))
    except FileNotFoundError:  # from opening it too: an NFS client remembers for seconds what another host removed
        return None


def describe(storage, root, name, record, found):
    """A `have` from what lstat(2), the header and the record say."""
    path = os.path.join(root, name)
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"image {name}: {path} is not a plain file", "not_a_file")
    have = {
        "name": name,
        "storage": storage,
        "path": path,
        "root": root,
        "record": record,
        "kind": record.get("kind"),
        "format": record.get("format") or format_of(path),
        "allocation": found.st_blocks * 512,
        "stamp": stamp_of(found),
        "description": record.get("description"),
        "labels": record.get("labels") or {},
        "source": record.get("source"),
        "checksum": record.get("checksum"),
    }
    have["size"] = virtual_size(path) if have["format"] == "qcow2" else found.st_size
    have["outside"] = "stamp" in record and record["stamp"] != have["stamp"]
    if not record and have["format"] == "iso":
        have["kind"] = "image"
    return have


def virtual_size(path):
    """Bytes a guest sees of a qcow2 file, or of the file itself where its header is damaged: it can still be shown, renewed and removed."""
    try:
        return qcow2.probe(path)["virtual_size"]
    except IntakeError:
        return os.path.getsize(path)


def stamp_of(found):
    """Tells whether a file is still the one that was recorded: its length and, in whole seconds, its last change."""
    return {"length": found.st_size, "modified": int(found.st_mtime)}


def format_of(path):
    """qcow2, raw, iso, or what else lies there."""
    try:
        return image_header.inspect(path).format
    except Refused:
        return "raw"


def show(have):
    """What a playbook sees of an image."""
    shown = {key: have[key] for key in ("name", "storage", "path", "format", "size", "allocation", "description", "labels")}
    return {**shown, "state": "ready", "checksum": have["checksum"], "source": have["source"]}


def as_it_came(have):
    """True where the file is byte for byte what the source gave, so that its sum can be computed again."""
    return have["record"].get("as_it_came", True)
