# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in the root folder of a small ISO 9660 image, by their Joliet names; enough to read a seed back.

ECMA-119 gives the layout: 2048-byte sectors, volume descriptors from sector 16, Joliet's being of type 2 with UCS-2 names.
"""

from __future__ import annotations

import struct

SECTOR = 2048
JOLIET = 2
ESCAPES = (b"%/@", b"%/C", b"%/E")
LARGEST = 1 << 22  # bytes; a seed is far smaller


def read_files(path):
    """{name: text} of a seed's root folder. Raises OSError, and ValueError for what is no such image."""
    with open(path, "rb") as file:
        extent, length = joliet_root(file)
        folder = sector(file, extent, length)
        found = {}
        position = 0
        while position < len(folder):
            size = folder[position]
            if not size:
                position = (position // SECTOR + 1) * SECTOR
                continue
            record = folder[position : position + size]
            if not record[25] & 2:
                start, length = extent_of(record)
                found[name_of(record)] = sector(file, start, length).decode("utf-8", "surrogateescape")
            position += size
        return found


def joliet_root(file):
    """(first sector, bytes) of the root folder in the Joliet tree."""
    for number in range(16, 32):
        descriptor = sector(file, number, SECTOR)
        if len(descriptor) < SECTOR or descriptor[1:6] != b"CD001" or descriptor[0] == 255:
            break
        if descriptor[0] == JOLIET and descriptor[88:91] in ESCAPES:
            return extent_of(descriptor[156:190])
    raise ValueError("no Joliet tree")


def extent_of(record):
    """(first sector, bytes) of a directory record."""
    return struct.unpack("<I", record[2:6])[0], struct.unpack("<I", record[10:14])[0]


def name_of(record):
    """The name without its version number."""
    return record[33 : 33 + record[32]].decode("utf-16-be", "replace").split(";")[0]


def sector(file, number, length):
    """Some bytes from the start of a sector."""
    if length > LARGEST:
        raise ValueError("larger than a seed is")
    file.seek(number * SECTOR)
    return file.read(length)
