# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed files: told by their first bytes, never by their names, and unpacked without their runs of zeros."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib

from ..errors import IntakeError
from ..host import programs

MAGIC = ((b"\x1f\x8b\x08", "gz"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zst"))
OPENERS = {"gz": gzip.open, "xz": lzma.open}
CHUNK = 1024 * 1024
HOLE = 64 * 1024
ZEROS = bytes(HOLE)
LONGEST = 6 * 3600  # seconds for one external unpacking


def compression(path):
    """gz, xz, zst or None."""
    with open(path, "rb") as file:
        start = file.read(8)
    return next((kind for magic, kind in MAGIC if start.startswith(magic)), None)


def unpack(source, target, kind):
    """Unpack one file to another, new one. Raises IntakeError, reason `damaged`, where the content is not whole."""
    if kind == "zst":
        unpack_zst(source, target)
        return
    with OPENERS[kind](source, "rb") as packed, open_new(target) as file:
        while True:
            try:
                data = packed.read(CHUNK)
            except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
                raise IntakeError(f"the {kind} content is damaged: {error}", "damaged") from error
            if not data:
                break
            write_sparse(file, data)
        file.truncate(file.tell())


def unpack_zst(source, target):
    """zstd has no reader in the standard library of Python 3.8 to 3.13; windows up to 2 GiB are accepted."""
    try:
        programs.run(["zstd", "-d", "-q", "-f", "--sparse", "--long=31", "-o", target, "--", source], timeout=LONGEST)
    except IntakeError as error:
        if error.reason == "program_missing":
            raise IntakeError("the content is compressed with zstd; install the package zstd on the hypervisor", error.reason) from error
        if "No space left" in str(error) or "quota" in str(error):
            raise
        raise IntakeError(f"the zst content is damaged: {error}", "damaged") from error
    os.chmod(target, 0o600)


def open_new(path):
    """A new private file for writing; whatever bore the name before is gone."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+b", buffering=0)


def write_sparse(file, data):
    """Write bytes, leaving holes for blocks of zeros; truncate the file to its position afterwards."""
    view = memoryview(data)
    for start in range(0, len(view), HOLE):
        block = view[start : start + HOLE]
        if block == ZEROS[: len(block)]:
            file.seek(len(block), os.SEEK_CUR)
            continue
        while block:
            block = block[file.write(block) :]
