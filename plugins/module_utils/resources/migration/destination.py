# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other hypervisor of a migration: reached within a time limit, and asked what a machine would find there."""

from __future__ import annotations

import os
import threading
from urllib.parse import urlsplit

from ... import lens
from ...errors import NotReachable
from ...host.exports import bracketed, source
from ...host.hypervisor import Hypervisor, faults, libvirt
from ..vm import power

KEEPALIVE = (5, 6)  # seconds between two questions, and how many may stay without an answer until the connection is given up
HINTS = (
    ("Host key verification failed", "; put the key of that host into known_hosts of the user the task runs as, or add no_verify=1 to destination_uri"),
    ("Permission denied", "; the user the task runs as needs an SSH key there, which destination_uri may name by keyfile=/path"),
    ("Could not resolve", "; this host does not know that name"),
    ("not found", "; is libvirt installed there?"),
)
LOOP: list = []  # the thread that keeps connections alive, one in a process


def default_uri(destination):
    """libvirt there, over SSH as root, which never asks for a password."""
    return f"qemu+ssh://root@{bracketed(destination)}/system?no_tty=1"


def default_migrate_uri(destination):
    """Where the memory goes: the same address, at a port that the destination chooses."""
    return f"tcp://{bracketed(destination)}"


def reach(uri, seconds):
    """A Hypervisor, given up where its connection goes silent. Raises NotReachable within so many seconds."""
    keep_alive()
    found = {}
    thread = threading.Thread(target=connect, args=(uri, found), daemon=True)  # ssh cannot be told to hurry
    thread.start()
    thread.join(seconds)
    if "connection" in found:
        return Destination(found["connection"], uri)
    said = found.get("error") or f"there was no answer within {seconds} s"
    hint = next((hint for word, hint in HINTS if word in said), "")
    raise NotReachable(f"{uri} does not answer: {said}{hint}", "destination_not_reachable")


def within(seconds, who, ask):
    """What `ask` returns. Raises NotReachable after so many seconds; the question is left to a thread, as libvirt cannot be told to hurry."""
    found = {}
    thread = threading.Thread(target=answer, args=(ask, found), daemon=True)
    thread.start()
    thread.join(seconds)
    if "error" in found:
        raise found["error"]
    if "answer" not in found:
        raise NotReachable(f"{who} did not answer within {seconds} s", "destination_not_reachable")
    return found["answer"]


def answer(ask, found):
    """Put what it says, or raises, into `found`."""
    try:
        found["answer"] = ask()
    except Exception as error:
        found["error"] = error


def connect(uri, found):
    """Open a connection and put it, or what is wrong, into `found`."""
    try:
        connection = libvirt.open(uri)
        if connection.isAlive() and urlsplit(uri).netloc:
            connection.setKeepAlive(*KEEPALIVE)
        found["connection"] = connection
    except faults() as error:
        found["error"] = error.get_error_message().replace("\r", "").strip()


def keep_alive():
    """Run libvirt's event loop, which asks silent connections whether they live."""
    if not LOOP:
        libvirt.virEventRegisterDefaultImpl()
        LOOP.append(threading.Thread(target=run_loop, daemon=True))
        LOOP[0].start()


def run_loop():
    while True:
        libvirt.virEventRunDefaultImpl()


class Destination(Hypervisor):
    """The destination's hypervisor, with what a machine needs of it as plain data."""

    def namesakes(self, name, uuid):
        """The domains there that bear the name or the UUID: [{"name", "uuid", "state", "reason"}]."""
        known = [one for one in self.domains().values() if name == one.name() or uuid == one.UUIDString()]
        states = [power.words_of(*self.domain_state(one)) for one in known]
        return [{"name": one.name(), "uuid": one.UUIDString(), "state": state[0], "reason": state[1]} for one, state in zip(known, states)]

    def storages(self):
        """{directory: {"name", "active", "source"}} of all storages."""
        return self.once("places", lambda: storages_by_path(self))

    def closed(self, files, seconds):
        """{path: why} of the files of its storages that it cannot open, asked one by one, each within so many seconds."""
        found, silent = {}, {}
        for path, root in sorted({(one["path"], one["root"]) for one in files if self.has(one)}):
            try:
                fault = silent.get(root) or within(seconds, self.uri, lambda: self.volume_fault(root, path))
            except NotReachable as error:
                fault = silent[root] = str(error)  # for its other files the wait would be as long
            if fault:
                found[path] = fault
        return found

    def has(self, file):
        """True where the storage of a file is here too, and active."""
        own = self.storages().get(file["root"])
        return bool(own and own["active"] and file["source"] and own["source"] == file["source"])

    def volume_fault(self, root, path):
        """Why libvirt there cannot open a file of a storage, or None. Its list may be older than the file, and is read anew then."""
        storage, name = self.storages()[root]["name"], os.path.relpath(path, root)
        if "/" in name:
            return None  # libvirt lists no files in folders
        try:
            return self.open_volume(storage, name)
        except faults():
            pass
        try:
            self.once(("refreshed", storage), lambda: self.refresh(storage))
            return self.open_volume(storage, name)
        except faults() as error:
            return error.get_error_message()

    def open_volume(self, storage, name):
        """libvirt opens a file to tell its size."""
        self.pool(storage).storageVolLookupByName(name).info()

    def devices(self):
        """The names of the network devices of the host, bridges among them; None where libvirt there cannot tell."""
        return self.once("devices", self.read_devices)

    def read_devices(self):
        try:
            return sorted(one.name() for one in self.connection.listAllInterfaces(0))
        except faults():
            pass
        try:
            found = self.connection.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET)
            return sorted(filter(None, (lens.parse(one.XMLDesc(0)).findtext("capability/interface") for one in found)))
        except faults():
            return None

    def memory(self):
        """Bytes that programs can have without swapping, about; None where libvirt cannot tell."""
        try:
            stats = self.connection.getMemoryStats(-1, 0)
        except faults():
            return None
        return 1024 * sum(stats.get(key, 0) for key in ("free", "buffers", "cached"))


def storages_by_path(hypervisor):
    """{directory: {"name", "active", "source"}} of all storages of a hypervisor."""
    found = {}
    for name, pool in hypervisor.pools().items():
        root = lens.parse(pool.XMLDesc(0))
        path = root.findtext("target/path")
        if path:
            found[path.rstrip("/")] = {"name": name, "active": bool(pool.isActive()), "source": source_of(root)}
    return found


def source_of(root):
    """`server:export` of a storage that other hosts can have too, None for what is of this host alone."""
    host, folder = root.find("source/host"), root.find("source/dir")
    if root.get("type") != "netfs" or host is None or folder is None:
        return None
    return source(host.get("name"), folder.get("path"))
