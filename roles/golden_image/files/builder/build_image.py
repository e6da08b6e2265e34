# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build one golden image from a description on stdin: in a work directory, under a lock, put in place by one rename."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import sys
import time

from disk import make_disk
from programs import run
from sources import apt_lines
from tree import make_tree


def main():
    """Answers on stdout what was built, as JSON."""
    wanted = json.load(sys.stdin)
    wanted["bytes"] = size_in_bytes(wanted["size"])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, frame: sys.exit(f"golden_image: stopped by signal {got}"))
    started = time.monotonic()
    work = claim(wanted)
    try:
        build(wanted, work)
    finally:
        for leftover in (partial(wanted["path"]), partial(wanted["path"] + ".json")):
            discard(leftover)
        shutil.rmtree(work)
    print(json.dumps({"path": wanted["path"], "seconds": round(time.monotonic() - started, 1)}))


def size_in_bytes(text):
    """"2GiB", "2G" or "2147483648" -> bytes, whole MiB."""
    found = re.fullmatch(r"(\d+)\s*(?:([KMGT])(?:iB)?)?", text)
    size = int(found[1]) * 1024 ** " KMGT".index(found[2] or " ") if found else 0
    if size < 1024**3:
        sys.exit(f"golden_image: size {text!r} is not a size of at least 1GiB, such as 2GiB")
    return size // 1024**2 * 1024**2


def claim(wanted):
    """The work directory, locked and empty: what a killed build left behind is removed here."""
    name = hashlib.sha256(os.path.abspath(wanted["path"]).encode()).hexdigest()[:12]
    work = os.path.join(wanted["build_directory"], f"golden_image-{name}")
    while True:
        os.makedirs(work, mode=0o700, exist_ok=True)
        handle = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        found = os.fstat(handle)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            sys.exit(f"golden_image: {work} belongs to someone else; remove it, or set golden_image_build_directory")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"golden_image: {wanted['path']} is being built by another run (it holds {work})")
        if os.path.lexists(work) and os.stat(work).st_ino == found.st_ino:
            break
        os.close(handle)
    os.set_inheritable(handle, True)
    empty(work)
    return work


def empty(work):
    """Remove what lies in the work directory, unless something is mounted there."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounted = [row.split()[4] for row in file if row.split()[4].startswith(work + "/")]
    if mounted:
        sys.exit(f"golden_image: {mounted[0]} is still mounted from an earlier build; unmount it first")
    for entry in os.scandir(work):
        shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)


def build(wanted, work):
    """Tree, disk, qcow2, then the two renames: the image first, its description last, so a hash never lies."""
    root = os.path.join(work, "root")
    make_tree(wanted, root, apt_lines(wanted))
    disk = make_disk(wanted, root, work)
    image, description = wanted["path"], wanted["path"] + ".json"
    discard(partial(image))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *(["-c"] if wanted["compress"] else [])]
    run([*command, disk, partial(image)])
    os.chmod(partial(image), 0o644)
    with open(partial(description), "w", encoding="utf-8") as file:
        file.write(wanted["description"])
    discard(description)
    for path in (image, description):
        sync(partial(path))
        os.rename(partial(path), path)


def partial(path):
    """The hidden name a file has until it is complete."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.partial")


def sync(path):
    """On the disk before it gets its name."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def discard(path):
    """Remove a file that may not be there."""
    if os.path.lexists(path):
        os.unlink(path)


if __name__ == "__main__":
    main()
