# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Autostart storages after a boot: an export is mounted by us with a time limit, as intake_storage does it, and libvirt adopts the mount.

libvirt itself tries once, for minutes where a server is away, and answers nobody meanwhile.
"""

from __future__ import annotations

import glob
import os
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import programs
from programs import Failed, run, say, virsh

AUTOSTART = "/etc/libvirt/storage/autostart"
OPTIONS = "{http://libvirt.org/schemas/storagepool/fs/1.0}"
ALWAYS = ["nodev", "nosuid", "noexec"]  # what libvirt gives to mount(8) for every pool
MOUNT = 30  # seconds for one attempt to mount
START = 120  # seconds for libvirt to start a storage: a journal may be replayed
LOOK = 5  # seconds for a mount to answer
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "fuse.glusterfs", "fuse.sshfs")


def described(text):
    """{"name", "path", "mount": the words of mount(8) for an NFS export, None for other storages} of a pool's XML."""
    root = ET.fromstring(text)
    form = root.find("source/format")
    is_nfs = root.get("type") == "netfs" and (form is None or form.get("type") in ("nfs", "auto")) and root.find("source/host") is not None
    return {"name": root.findtext("name"), "path": root.findtext("target/path") or "", "mount": words_of_mount(root) if is_nfs else None}


def words_of_mount(root):
    """The options and the source of an export: those of the storage, and one attempt only."""
    version, host, folder = root.find("source/protocol"), root.find("source/host"), root.find("source/dir")
    own = [option.get("name") for option in root.iterfind(f"{OPTIONS}mount_opts/{OPTIONS}option")]
    said = [] if version is None else [f"nfsvers={version.get('ver')}"]
    return ["-o", ",".join([*said, "retry=0", *ALWAYS, *(own or ["hard"])]), f"{host.get('name')}:{folder.get('path')}"]


def configured(folder=AUTOSTART):
    """The autostart storages, read without libvirt; a file that says nothing is libvirt's to complain about."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.xml"))):
        try:
            with open(path, encoding="utf-8") as file:
                found.append(described(file.read()))
        except (OSError, ET.ParseError, AttributeError) as error:
            say(os.path.basename(path), f"not read: {error}")
    return found


def mounted(proc="/proc"):
    """{path: filesystem} of this host's mounts."""
    with open(os.path.join(proc, "self/mountinfo"), encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.split(" - ", 1) for line in file]
    return {unescape(before.split(" ")[4]): after.split(" ")[0] for before, after in lines}


def unescape(text):
    """Blanks, tabs, newlines and backslashes stand there as octal numbers."""
    for number, letter in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        text = text.replace(f"\\{number}", letter)
    return text


def mount_all(storages, limit=MOUNT):
    """Mount what is to be mounted, all at the same time. {name: why not} of those that were not."""
    there = mounted()
    missing = [storage for storage in storages if storage["mount"] and storage["path"] not in there]
    with ThreadPoolExecutor(max_workers=16) as pool:
        return {name: why for name, why in pool.map(lambda storage: mount(storage, limit), missing) if why}


def mount(storage, limit):
    """(name, why it was not mounted or None). The mount point is made where it is missing."""
    path = storage["path"]
    try:
        os.makedirs(path, mode=0o711, exist_ok=True)
        if os.listdir(path):
            say(path, "is not empty; what is in it is hidden while the storage is mounted")
        run(["mount", "-t", "nfs", *storage["mount"], path], limit)
    except (Failed, OSError) as error:
        return storage["name"], f"not mounted: {error}"
    return storage["name"], None


def silent():
    """Network mounts that do not answer: libvirt looks at every mount when it starts a storage, and would hang with them."""
    paths = [path for path, fs in mounted().items() if fs in NETWORK]
    with ThreadPoolExecutor(max_workers=16) as pool:
        return [path for path, answers in zip(paths, pool.map(answers_in_time, paths)) if not answers]


def answers_in_time(path):
    """An error is an answer too."""
    try:
        run(["stat", "--file-system", path], LOOK)
    except Failed as error:
        return str(error) != programs.SILENT.format(LOOK)
    return True


def start(waiting):
    """Start the storages of these names; answers {name: path} of those that are still inactive, without what an administrator took away."""
    inactive = [name for name in programs.names("pool-list", "--inactive", "--autostart") if name in waiting]
    storages = [described(virsh("pool-dumpxml", "--pool", name)) for name in inactive]
    problems = mount_all(storages)
    hanging = silent()
    for storage in storages:
        name = storage["name"]
        if hanging and name not in problems:
            problems[name] = f"not started while {', '.join(hanging)} does not answer"
        if name not in problems:
            problems[name] = start_one(name)
        say(f"storage {name}", problems[name] or "active")
    return {storage["name"]: storage["path"] for storage in storages if problems[storage["name"]]}


def start_one(name):
    """Why libvirt did not start it, or None."""
    try:
        virsh("pool-start", "--pool", name, limit=START)
    except Failed as error:
        return None if "already active" in str(error) else str(error)
