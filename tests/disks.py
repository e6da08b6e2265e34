# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk files and their users, made without the collection: QEMU's own tools tell whether the modules told the truth."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import subprocess
from pathlib import Path

MIB = 1 << 20


def run(*argv):
    """The output of a program, which must succeed."""
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True).stdout.strip()


def qemu_img(*words):
    """qemu-img in few words."""
    return run("qemu-img", *words)


def facts(path):
    """(format, virtual size, backing file or None) as qemu-img reads them."""
    told = json.loads(qemu_img("info", "-U", "--output=json", path))
    return told["format"], told["virtual-size"], told.get("full-backing-filename")


def same(one, other):
    """True where a guest would read the same from both; zeros behind the shorter one do not count."""
    done = subprocess.run(["qemu-img", "compare", "-U", "-q", str(one), str(other)], check=False)
    assert done.returncode in (0, 1), f"{one} and {other} cannot be compared"
    return done.returncode == 0


def noise(path, size, seed=1):
    """A file of bytes that nothing compresses or takes for zeros."""
    source = random.Random(seed)
    with open(path, "wb") as file:
        for _block in range(size // MIB):
            file.write(source.randbytes(MIB))
    return path


def chain(folder, formats=("raw", "qcow2", "qcow2"), size=4 * MIB):
    """base, middle and top, each with data of its own in a place of its own; their paths."""
    paths = []
    for number, form in enumerate(formats):
        path = os.path.join(folder, f"chain{number}.{form}")
        behind = ["-b", paths[-1], "-F", formats[number - 1]] if paths else []
        qemu_img("create", "-q", "-f", form, *behind, path, size)
        run("qemu-io", "-f", form, "-c", f"write -P {number + 1} {number}M 256k", path)
        paths.append(path)
    return paths


def left(root):
    """What an interrupted run might have left in a storage, its records included."""
    return [str(path) for path in Path(root).rglob("*") if "partial" in path.name]


def records(root):
    """The names that have a record in a storage."""
    folder = Path(root, ".intake")
    return sorted(path.name[: -len(".json")] for path in folder.iterdir() if path.is_file() and path.name != ".locks") if folder.exists() else []


def files(root):
    """The names in a storage, without the folder of the records, in which hosts that share the storage keep their locks too."""
    return sorted(name for name in os.listdir(root) if name != ".intake")


def hidden(storage):
    """What an image's way in might have left."""
    return [name for name in os.listdir(storage.path) if name.startswith(".intake-")]


def sha(data, algorithm="sha256"):
    """ "sha256:<hex>" """
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def disk(path, form="qcow2", target="vda"):
    """The XML of a disk by path."""
    return f"<disk type='file'><driver name='qemu' type='{form}'/><source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"


@contextlib.contextmanager
def machine(connection, name, devices, running=False):
    """A defined domain of 64 MiB without a system; with `running`, a paused QEMU has its files open."""
    domain = connection.defineXML(
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        f"<features><acpi/></features><devices>{devices}<memballoon model='none'/></devices></domain>"
    )
    try:
        if running:
            domain.createWithFlags(1)  # VIR_DOMAIN_START_PAUSED
        yield domain
    finally:
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(2)  # VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA


@contextlib.contextmanager
def opened(path, form="qcow2", options=()):
    """A QEMU program that is no machine has the file open while the block runs."""
    process = subprocess.Popen(["qemu-io", *options, "-f", form, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdin.write(b"length\n")
        process.stdin.flush()
        assert process.stdout.readline()
        yield process
    finally:
        process.stdin.close()
        process.wait()


@contextlib.contextmanager
def mounted(device, folder, filesystem):
    """A folder with a filesystem of its own, no part of which is reserved for root."""
    run(f"mkfs.{filesystem}", "-q", *(("-m", "0") if filesystem == "ext4" else ()), device)
    os.mkdir(folder)
    run("mount", device, folder)
    try:
        os.chmod(folder, 0o711)
        yield folder
    finally:
        run("umount", folder)


@contextlib.contextmanager
def directory_storage(connection, name, path):
    """An active directory storage that libvirt alone made."""
    os.makedirs(path, mode=0o711, exist_ok=True)
    pool = connection.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>")
    try:
        pool.create()
        yield pool
    finally:
        if pool.isActive():
            pool.destroy()
        pool.undefine()


def free(folder):
    """Bytes that are free in a filesystem, after everything has been written."""
    os.sync()
    room = os.statvfs(folder)
    return room.f_bfree * room.f_frsize
