# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs the files and devices of storages: asked before anything is removed, emptied or formatted."""

from __future__ import annotations

import os

from ...drivers import device as devices
from ...drivers.directory import within
from ...drivers.pool import places_of, words_of
from ...errors import Refused
from ...files.graph import Graph
from ...host import silence
from ...host.hypervisor import unless_gone
from ...lens import parse


def files_in_use(hypervisor, have):
    """Words such as "VM web1 (root.qcow2)" for every use of a file in the storage, sorted."""
    root = silence.real(have["path"])
    links = {} if silence.silent(root) else links_out(have["path"])
    uses = set()
    for path, machines in hypervisor.file_users().items():
        if within(path, root) or path in links:
            uses |= {f"VM {machine} ({links.get(path) or os.path.relpath(path, root)})" for machine in machines}
    return sorted(uses | set(by_pool_name(hypervisor, have["name"])))


def overlays_on(hypervisor, have):
    """Words for every file elsewhere on this host whose backing file is in the storage, sorted."""
    graph = Graph(hypervisor)
    graph.read()
    root = silence.real(have["path"])
    tops = [top for backing, found in graph.tops.items() if within(backing, root) for top in found if not within(top, root)]
    return sorted(graph.overlay_words(top) for top in tops)


def links_out(path):
    """{real path: name} of the storage's symbolic links, which lead to files elsewhere."""
    try:
        entries = [entry for entry in os.scandir(path) if entry.is_symlink()]
    except OSError:
        return {}
    return {os.path.realpath(entry.path): entry.name for entry in entries}


def by_pool_name(hypervisor, name):
    """VMs that name a volume by pool, which has no path to compare while the pool is not active."""
    for machine, roots in hypervisor.domain_xmls().items():
        for root in roots:
            for source in root.iter("source"):
                if source.get("pool") == name:
                    yield f"VM {machine} ({source.get('volume')})"


def machines_using(hypervisor, have):
    """The names of the VMs behind `files_in_use`."""
    return sorted({use[len("VM ") :].rsplit(" (", 1)[0] for use in files_in_use(hypervisor, have) if use.startswith("VM ")})


def machines_running_on(hypervisor, have):
    """Words for the running VMs that have a file of the storage."""
    root = silence.real(have["path"])
    found = set()
    for machine, roots in hypervisor.domain_xmls().items():
        paths = [source.get("file") for document in roots[1:] for source in document.iter("source") if source.get("file")]
        if any(within(silence.real(path), root) for path in paths):
            found.add(f"vm {machine}")
    return sorted(found)


def refuse_taken(hypervisor, name, plan):
    """Refused where another storage has the same place, or a VM or another pool has the device."""
    device, own = plan["device"], places_of({**plan, "device": None})
    for other, root in pool_documents(hypervisor).items():
        if other == name:
            continue
        theirs = places_of(words_of(root))
        for kind, place in own.items():
            if theirs.get(kind) == place:
                raise Refused(f"{kind} {place} is the storage {other} already", f"{kind}_taken")
        if device and any(is_device(found.get("path"), device) for found in root.iterfind("source/device")):
            raise Refused(f"device {device.path} belongs to the storage {other} already", "device_taken")
    if device:
        parts = {part.number for part in device.tree()}
        for path, machines in hypervisor.file_users().items():
            if devices.number_of(path) in parts:
                raise Refused(f"device {device.path} is a disk of VM {', VM '.join(machines)} ({path})", "device_taken")


def pool_documents(hypervisor):
    """The persistent XML of every pool by name, read once."""

    def read():
        texts = {name: unless_gone(lambda pool=pool: pool.XMLDesc(1 if pool.isPersistent() else 0)) for name, pool in hypervisor.pools().items()}
        return {name: parse(text) for name, text in texts.items() if text}

    return hypervisor.once("pool_documents", read)


def is_device(path, device):
    """True where a pool's source is this device, a part of it, or a filesystem on it."""
    if not path:
        return False
    number = devices.number_of(path)
    if number:
        return any(part.number == number for part in device.tree())
    return any(one["uuid"] and path.endswith(f"/{one['uuid']}") for one in devices.signatures(device))
