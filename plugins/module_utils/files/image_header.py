# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image from outside really is, by its own first bytes, and whether it is safe to let QEMU open it.

A disk image can name other files of the host (a backing file, a data file, extents): whoever publishes such an image
would read them through a guest. So nothing from outside is opened by QEMU before it passed here.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from ..errors import Refused

ISO_MAGIC, ISO_OFFSET = b"CD001", 0x8001  # ECMA-119: the first volume descriptor is in sector 16
VDI_MAGIC, VDI_OFFSET = struct.pack("<I", 0xBEDA107F), 0x40
MAGIC = (
    (b"QFI\xfb", "qcow2"),
    (b"KDMV", "vmdk"),
    (b"COWD", "vmdk"),
    (b"# Disk DescriptorFile", "vmdk"),
    (b"vhdxfile", "vhdx"),
    (b"conectix", "vpc"),
    (b"QED\x00", "qed"),
    (b"WithoutFreeSpace", "parallels"),
    (b"WithouFreSpacExt", "parallels"),
    (b"Bochs Virtual HD Image", "bochs"),
    (b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "cloop"),
)
KEPT = ("qcow2", "raw", "iso")  # what an image may be in a storage
CONVERTED = ("vdi", "vhdx", "vpc")  # self-contained, so qemu-img may convert them
EXTERNAL_DATA = 1 << 2  # qcow2 incompatible feature bit 2 (docs/interop/qcow2.txt)
QCOW2_SMALLEST = 72


class Header(NamedTuple):
    """format: QEMU's name of it, or iso; external: what else than this file it needs, or None."""

    format: str
    external: str = None


def inspect(path):
    """The Header of a file; whatever no magic is known for is raw. Refuses what is no image at all."""
    with open(path, "rb") as file:
        start = file.read(512)
        file.seek(ISO_OFFSET)
        volume = file.read(len(ISO_MAGIC))
        file.seek(max(0, os.fstat(file.fileno()).st_size - 512))
        end = file.read(8)
    if not start:
        raise Refused("the content is empty", "not_an_image")
    if start.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise Refused("the content is a web page, not an image; look at it with a browser", "not_an_image")
    form = next((name for magic, name in MAGIC if start.startswith(magic)), None)
    if form == "qcow2":
        return qcow2_header(start)
    if form:
        return Header(form)
    if volume == ISO_MAGIC:
        return Header("iso")
    if start[VDI_OFFSET : VDI_OFFSET + 4] == VDI_MAGIC:
        return Header("vdi")
    return Header("vpc" if end == b"conectix" else "raw")


def qcow2_header(start):
    """Version and references of a qcow2 file. Refuses the versions 1 and unknown ones."""
    if len(start) < QCOW2_SMALLEST:
        raise Refused("the content begins like a qcow2 image, but its header is cut off", "not_an_image")
    version, backing, cluster_bits = struct.unpack(">IQ4xI", start[4:24])
    if version not in (2, 3) or not 9 <= cluster_bits <= 21:
        raise Refused(f"the content begins like a qcow2 image, but of unknown version {version}", "not_an_image")
    features = struct.unpack(">Q", start[72:80])[0] if version == 3 and len(start) >= 80 else 0
    if backing:
        return Header("qcow2", "a backing file")
    return Header("qcow2", "an external data file" if features & EXTERNAL_DATA else None)


def checked_format(path, wanted=None):
    """The format of a file from outside, safe to keep or to convert to `wanted` (qcow2, raw, iso or None).

    Refuses, reasons `untrusted_backing`, `not_an_image`, `not_iso`, `iso_not_converted`, `unknown_format`.
    """
    header = inspect(path)
    if header.external:
        raise Refused(
            f"names {header.external}, another file of this host, which content from outside may not; "
            "flatten it first (qemu-img convert), or take it from a volume",
            "untrusted_backing",
        )
    if wanted == "iso" and header.format != "iso":
        raise Refused(f"the content is {header.format}, asked for format iso", "not_iso")
    if header.format == "iso" and wanted not in (None, "iso"):
        raise Refused(f"the content is an ISO image, which is never converted to {wanted}; leave format out", "iso_not_converted")
    if header.format not in KEPT + CONVERTED:
        raise Refused(f"the format {header.format} is not supported; convert it to qcow2 with qemu-img first", "unknown_format")
    if header.format in CONVERTED and not wanted:
        raise Refused(f"the content is {header.format}; say format: qcow2 or raw to convert it", "unknown_format")
    return header.format
