# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that arrive whole or not at all: written beside their name, renamed when complete.

Copies share blocks where the filesystem can (ioctl_ficlone(2)), else the kernel copies (copy_file_range(2), on the server
with NFS 4.2), and holes stay holes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import time

from ..errors import IntakeError, Refused
from ..host import mounts
from ..units import about

PARTIAL = ".intake-partial-"
FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
CHUNK = 64 << 20  # bytes the kernel copies at a time
BUFFER = 1 << 20
BLOCK = 64 << 10  # bytes that are looked at for zeros
ENDING = 10  # seconds a killed process may take to close its files
NOT_HERE = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY, errno.ETXTBSY, errno.EPERM)


def partial_path(root, name):
    """Where the file `name` of a storage is written until it is complete."""
    return os.path.join(root, PARTIAL + name)


def discard_partial(root, name):
    """Remove what a killed run left of a file, and what still writes it; no error if there is nothing."""
    partial = partial_path(root, name)
    if os.path.lexists(partial):
        for process in orphans(partial):
            end(process)
        os.unlink(partial)


def orphans(partial):
    """The processes of qemu-img that outlived the run that started them, and still hold its locks on the source."""
    processes = [entry for entry in os.listdir("/proc") if entry.isdigit() and command_of(entry) == "qemu-img"]
    return [int(process) for process in processes if os.path.realpath(partial) in files_of(process)]


def is_left_open(path):
    """True while a qemu-img that fills a partial file of the same storage reads the file; whoever holds its lock knows that as left over."""
    root, found = os.path.dirname(path), os.path.realpath(path)
    return any(found in files_of(process) for name in leftovers(root) for process in orphans(partial_path(root, name)))


def end(process):
    """Kill a process and wait until its files are closed, and with them its locks."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + ENDING
    while files_of(process) and time.monotonic() < deadline:
        time.sleep(0.01)


def command_of(process):
    """The name of a program that runs, or None when it has ended."""
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def files_of(process):
    """The paths of the files a process has open; none once it has ended."""
    folder = f"/proc/{process}/fd"
    try:
        return [os.path.realpath(os.path.join(folder, name)) for name in os.listdir(folder)]
    except OSError:
        return []


def leftovers(root):
    """The names whose partial files are in a storage."""
    return sorted(name[len(PARTIAL) :] for name in os.listdir(root) if name.startswith(PARTIAL))


def copy_file(source, partial, on_progress=None):
    """Copy the data of a file into a new one, sharing blocks where that is possible; removes it again on any failure.

    on_progress: called with the bytes copied so far. Raises IntakeError, reason `no_space`, before the first byte where it
    cannot fit, and OSError.
    """
    with open(source, "rb") as reader:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if not clone(reader.fileno(), descriptor):
                refuse_full(source, partial)
                copy_extents(reader.fileno(), descriptor, on_progress)
        except BaseException:
            os.unlink(partial)
            raise
        finally:
            os.close(descriptor)


def clone(reader, writer):
    """Share all blocks of one file with another; False where the filesystem cannot."""
    try:
        fcntl.ioctl(writer, FICLONE, reader)
        return True
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
        return False


def refuse_full(source, partial):
    """A copy that cannot fit is not begun."""
    need, room = os.stat(source).st_blocks * 512, os.statvfs(os.path.dirname(partial))
    free = room.f_bavail * room.f_frsize
    if need > free:
        raise IntakeError(f"a copy of {source} needs {about(need)}, but only {about(free)} are free in {os.path.dirname(partial)}", "no_space")


def copy_extents(reader, writer, on_progress=None):
    """Copy the data extents; what is a hole in the source is one in the copy."""
    size = os.fstat(reader).st_size
    os.ftruncate(writer, size)
    copy, done = copy_range if mounts.tells_holes(os.readlink(f"/proc/self/fd/{reader}")) else copy_filled, 0
    for start, end in extents(reader, size):
        while start < end:
            copied = copy(reader, writer, start, min(end - start, CHUNK))
            start, done = start + copied, done + copied
            if on_progress:
                on_progress(done)


def extents(reader, size):
    """(start, end) of each run of data in a file."""
    end = 0
    while end < size:
        try:
            start = os.lseek(reader, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(reader, start, os.SEEK_HOLE)
        yield start, end


def copy_range(reader, writer, start, length):
    """Copy some bytes inside the kernel, or through this process where the kernel cannot; returns how many."""
    try:
        copied = os.copy_file_range(reader, writer, length, start, start)
        if copied:
            return copied
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
    data = os.pread(reader, min(length, BUFFER), start)
    if not data:
        raise IntakeError("the source became shorter while it was copied", "source_changed")
    return os.pwrite(writer, data, start)


def copy_filled(reader, writer, start, length):
    """Copy some bytes but those that are zero: holes of which the source's filesystem does not tell."""
    data = os.pread(reader, min(length, BUFFER), start)
    if not data:
        raise IntakeError("the source became shorter while it was copied", "source_changed")
    for offset in range(0, len(data), BLOCK):
        block = data[offset : offset + BLOCK]
        if any(block[:8]) or block.count(0) < len(block):
            write_all(writer, block, start + offset)
    return len(data)


def write_all(writer, data, start):
    """pwrite(2) may write less than it was given."""
    while data:
        written = os.pwrite(writer, data, start)
        data, start = data[written:], start + written


def publish(partial, final, mode, replace=False):
    """Give a complete file its name, its bytes and the name on disk before this returns.

    Raises Refused, reason `exists`, where the name was taken meanwhile and `replace` does not consent.
    """
    descriptor = os.open(partial, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if replace:
        os.replace(partial, final)
    else:
        rename_new(partial, final)
    sync_folder(os.path.dirname(final))


def rename_new(partial, final):
    """Rename without ever replacing: a second name first, then the old one goes."""
    try:
        os.link(partial, final)
    except FileExistsError as taken:
        if os.path.samefile(partial, final):  # a run was killed between the two names
            os.unlink(partial)
            return
        raise Refused(f"{final} was made by somebody else meanwhile; it was not touched", "exists") from taken
    os.unlink(partial)


def sync_folder(folder):
    """Bring names to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
