# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted on this host, and what it swaps to, as the kernel tells it."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass
class Mount:
    """One line of mountinfo (proc(5)); `number` is "major:minor", which is no block device's for btrfs."""

    number: str
    path: str
    source: str
    fs: str
    options: list


def read(proc="/proc"):
    """Every mount this process sees, in the order they were made; a later one on the same path hides the earlier."""
    with open(os.path.join(proc, "self/mountinfo"), encoding="utf-8", errors="surrogateescape") as file:
        return [parse(line) for line in file if line.strip()]


def parse(line):
    """A Mount of one line: optional fields end with a dash; the options of mount and superblock are one list."""
    before, after = line.rstrip("\n").split(" - ", 1)
    fields, rest = before.split(" "), after.split(" ")
    options = fields[5].split(",") + (rest[2].split(",") if len(rest) > 2 else [])
    return Mount(fields[2], unescape(fields[4]), unescape(rest[1]), rest[0], list(dict.fromkeys(options)))


def unescape(text):
    """Blanks, tabs and backslashes stand there as octal numbers."""
    return ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), text)


def at(path, proc="/proc"):
    """The mount that is visible on exactly this path, or None."""
    found = [mount for mount in read(proc) if mount.path == path] or [mount for mount in read(proc) if mount.path == os.path.realpath(path)]
    return found[-1] if found else None


def over(path, found):
    """The mount among `found` that a path without links is on, or None."""
    above = [mount for mount in found if path == mount.path or path.startswith(mount.path.rstrip("/") + "/")]
    return max(above, key=lambda mount: len(mount.path), default=None)


def tells_holes(path, proc="/proc"):
    """False where a sparse file looks full: lseek(2) with SEEK_HOLE has to be asked of the server, which NFS can since 4.2."""
    mount = over(path, read(proc))
    return not (mount and mount.fs in ("nfs", "nfs4") and "vers=4.2" not in mount.options)


def swaps(proc="/proc"):
    """The devices and files the host swaps to."""
    try:
        with open(os.path.join(proc, "swaps"), encoding="utf-8", errors="surrogateescape") as file:
            return [unescape(line.split()[0]) for line in file.readlines()[1:] if line.strip()]
    except FileNotFoundError:
        return []


def is_option(text):
    """True where a text is one mount option, and would be so on mount(8)'s command line and in a pool's XML."""
    return bool(text.partition("=")[0]) and text.isprintable() and not any(letter in text for letter in ", \\\"'")


def is_gone(error, root):
    """True for the error of a file below `root` that somebody removed meanwhile. Raises OSError where the filesystem itself went away."""
    found = getattr(error, "errno", None)
    if found == errno.ESTALE:  # another client of the NFS server removed it, or the server has another filesystem now
        os.stat(root)
    return found in (errno.ENOENT, errno.ESTALE)
