# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a disk file is, by its own header, without starting a program; and whether QEMU has it open.

The layout is in QEMU's docs/interop/qcow2.txt, the lock bytes in its block/file-posix.c.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct

from ..errors import IntakeError
from ..host.programs import run
from ..locking.locks import FLOCK

MAGIC = b"QFI\xfb"
BACKING_FORMAT = 0xE2792ACA
HEADER_V2 = 72
OTHERS = (b"KDMV", b"# Disk DescriptorFile", b"vhdxfile", b"conectix", b"QED\0", b"<<< ")
F_OFD_GETLK = 36  # linux/fcntl.h; Python has names for it only since 3.9
IN_USE, WRITTEN = 100, 101  # a shared lock on byte 100 + n: somebody uses permission n; permission 1 is writing
PERMISSIONS = 64


def probe(path):
    """{"format", "virtual_size", "backing", "backing_format"} of a file; sizes in bytes, backing as an absolute path or None.

    Raw is whatever no known magic begins: a guest can write any magic to a raw disk, so where the format is known otherwise
    (the catalogue, a domain) that word counts more. Raises OSError, and IntakeError for a damaged header.
    """
    with open(path, "rb") as file:
        start = file.read(4096)
        if start.startswith(MAGIC):
            return read_header(path, file, start)
        size = file.seek(0, os.SEEK_END)
        if any(start.startswith(magic) for magic in OTHERS):
            return ask_qemu(path)
        file.seek(0x8001)
        form = "iso" if file.read(5) == b"CD001" else "raw"
    return {"format": form, "virtual_size": size, "backing": None, "backing_format": None}


def read_header(path, file, start):
    """The facts of a qcow2 header."""
    try:
        version, offset, length, _bits, size = struct.unpack(">IQIIQ", start[4:32])
        header = struct.unpack(">I", start[100:104])[0] if version >= 3 else HEADER_V2
    except struct.error as cut:
        raise IntakeError(f"{path}: its qcow2 header is cut off", "damaged_header") from cut
    if not offset:
        return {"format": "qcow2", "virtual_size": size, "backing": None, "backing_format": None}
    file.seek(offset)
    name = backing_file(os.fsdecode(file.read(min(length, 1023))))
    if not name.startswith(("/", "json:")) and "://" not in name:
        name = os.path.normpath(os.path.join(os.path.dirname(os.path.realpath(path)), name))
    return {"format": "qcow2", "virtual_size": size, "backing": name, "backing_format": backing_format(start, header, offset)}


def backing_file(name):
    """The file that a backing name means: QEMU takes "file:/path" and "json:{...}" too. What is no file is left as it is."""
    if not name.startswith("json:"):
        return name[len("file:") :] if name.startswith("file:") and "://" not in name else name
    try:
        node = json.loads(name[len("json:") :])
        while isinstance(node, dict):
            inner = node.get("file.filename") or node.get("filename")
            if inner:
                return backing_file(inner)
            node = node.get("file")
    except ValueError:
        pass
    return name


def backing_format(start, position, end):
    """The format of the backing file as a header extension says it, or None."""
    while position + 8 <= min(end, len(start)):
        kind, length = struct.unpack(">II", start[position : position + 8])
        if kind == 0:
            return None
        if kind == BACKING_FORMAT:
            return start[position + 8 : position + 8 + length].decode("ascii", "replace")
        position += 8 + (length + 7 & ~7)
    return None


def ask_qemu(path):
    """The same facts of a format that is not ours, from qemu-img."""
    told = json.loads(run(["qemu-img", "info", "-U", "--output=json", path]))
    return {
        "format": told["format"],
        "virtual_size": told["virtual-size"],
        "backing": told.get("full-backing-filename"),
        "backing_format": told.get("backing-filename-format"),
    }


def is_open(path):
    """True while QEMU or qemu-img has the file open, for reading or writing, on this host."""
    return is_locked(path, IN_USE, PERMISSIONS)


def is_in_use(path):
    """The same, on whatever host of an NFS export; None where the file cannot be opened."""
    try:
        return is_open(path)
    except OSError:
        return None


def is_written(path):
    """True while somebody may write the file, so that a copy of it would be torn."""
    return is_locked(path, WRITTEN, 1)


def is_locked(path, start, length):
    """True where another open file holds a lock on these bytes."""
    asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    with open(path, "rb") as file:
        found = struct.unpack(FLOCK, fcntl.fcntl(file.fileno(), F_OFD_GETLK, asked))
    return found[0] != fcntl.F_UNLCK
