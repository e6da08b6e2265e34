# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of a volume: its file, its header, its record."""

from __future__ import annotations

import os
import stat

from ...errors import IntakeError, NotReachable, Refused
from ...files import qcow2, transfer
from ...files.catalogue import Catalogue
from ...files.space import is_full
from ...flow.converge import unreadable
from ...host.mounts import is_gone

SECTOR = 512


def goal(want):
    """(storage, name) a volume shall have in the end."""
    return want.get("new_storage") or want["storage"], want.get("new_name") or want["name"]


def source_place(want):
    """(storage, name) of the image or volume a new one is made from; the name is None where it is made from nothing."""
    for key, storage in (("image", "image_storage"), ("source_volume", "source_storage")):
        if want.get(key):
            return want.get(storage) or want["storage"], want[key]
    return want["storage"], None


def whole_sectors(size):
    """Bytes of the smallest disk that holds so many."""
    return -(-size // SECTOR) * SECTOR


def catalogue(volumes, storage):
    """The records of one storage."""
    return Catalogue(volumes.hypervisor.storage_path(storage))


def read(volumes, storage, name):
    """The `have` of one file, or None.

    size and allocation are bytes. format is that of the record where there is one, since a guest can write any header to a
    raw disk; `kind` is volume or image.
    """
    root = volumes.hypervisor.storage_path(storage)
    path = os.path.join(root, name)
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"volume {name}: {path} is not a regular file", "not_a_file")
        return describe(storage, name, path, found, Catalogue(root).get(name))
    except FileNotFoundError:  # from opening it too: an NFS client remembers for seconds what another host removed
        return None
    except OSError as error:
        raise NotReachable(f"volume {name}: {path} cannot be read: {error.strerror}") from error


def describe(storage, name, path, found, record):
    """A `have` from what lstat(2), the header and the record say."""
    header = qcow2.probe(path)
    form = header["format"] if record.get("changing") else record.get("format") or header["format"]
    if form == "raw" and header["format"] != "raw":
        header = {"format": "raw", "virtual_size": found.st_size, "backing": None, "backing_format": None}
    return {
        "name": name,
        "storage": storage,
        "path": path,
        "format": form,
        "size": header["virtual_size"],
        "allocation": found.st_blocks * 512,
        "backing": header["backing"],
        "backing_format": header["backing_format"],
        "kind": record.get("kind") or ("image" if form == "iso" else "volume"),
        "description": record.get("description"),
        "labels": record.get("labels") or {},
        "read_only": bool(record.get("read_only")),
        "source": record.get("source"),
        "_moving_from": moving_from(record),
    }


def stamp(path):
    """What tells one state of a file from every other."""
    found = os.stat(path)
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def moving_from(record):
    """The file a volume was copied from by a killed move; None where it is gone, was written since, or is another host's."""
    path = record.get("moving_from")
    try:
        return path if path and stamp(path) == record.get("moving_stamp") else None
    except OSError:
        return None


def read_all(volumes, storage, unread):
    """Every volume of a storage by name; what cannot be read is added to `unread`."""
    try:
        root = volumes.hypervisor.storage_path(storage)
        return list(volumes_in(storage, root, unread))
    except IntakeError as error:
        if error.reason != "storage_not_found":  # it was removed since it was listed
            unread.append(unreadable(storage, None, str(error)))
    except OSError as error:
        unread.append(unreadable(storage, None, f"storage {storage}: {root} cannot be read: {error.strerror}"))
    return []


def volumes_in(storage, root, unread):
    """Every volume of a directory; one that cannot be read hides none of the others, and one that is removed meanwhile is none."""
    records = Catalogue(root).read()
    for name in sorted(name for name in os.listdir(root) if not name.startswith(".")):
        path = os.path.join(root, name)
        try:
            facts = os.lstat(path)
            have = describe(storage, name, path, facts, records.get(name, {})) if stat.S_ISREG(facts.st_mode) else None
        except (OSError, IntakeError) as error:
            if not is_gone(error, root):
                unread.append(unreadable(storage, name, f"volume {name}: cannot be read: {error}"))
            continue
        if have and have["kind"] == "volume":
            yield have


def is_open(have):
    """True while QEMU or qemu-img has it open; None where this cannot be told."""
    return qcow2.is_in_use(have["path"])


def named(where, apply):
    """The step, with errors that say which volume they are about, and when a storage is full."""

    def step():
        try:
            apply()
        except IntakeError as error:
            full = "No space left on device" in str(error)
            raise type(error)(str(error) if str(error).startswith(where) else f"{where}: {error}", "no_space" if full else error.reason) from error
        except OSError as error:
            if not is_full(error):
                raise
            raise IntakeError(f"{where}: the storage is full: {error.strerror}", "no_space") from error

    return step


def refuse_open(have, what):
    """A file that a program works on is left alone; what a killed run left behind does not count, since the next run ends it."""
    if is_open(have) and not transfer.is_left_open(have["path"]):
        raise Refused(f"volume {have['name']}: is open in a running QEMU or qemu-img; it cannot be {what} meanwhile", "volume_in_use")
