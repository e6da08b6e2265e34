# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine needs wherever it runs, read from its XML into plain data, and what the destination has of it."""

from __future__ import annotations

import os

from ... import lens
from ...errors import IntakeError
from ...files import qcow2
from ...host import silence
from ...host.hypervisor import faults, libvirt
from ..vm import disks, interfaces
from . import notes
from .destination import storages_by_path

PASSED = ("host-passthrough", "maximum")  # CPU modes that show the host's own CPU to the guest
DEEPEST = 32  # backing files of one disk that are followed


def machine(hypervisor, have):
    """Facts of one machine of this host; see obstacles for what is made of them."""
    root = have.running() if have.is_active else have.root
    return {
        "name": have.name,
        "uuid": have.uuid,
        "state": have.state,
        "reason": have.reason,
        "note": notes.read(have.root),
        "is_active": have.is_active,
        "memory": have.description["memory"],
        "virt_type": have.description["virt_type"],
        "files": files(hypervisor, root),
        "interfaces": [interface(name, element) for name, element in interfaces.elements(root).items()],
        "host_devices": host_devices(root),
        "snapshots": count(have.domain.snapshotNum, 0),
        "checkpoints": count(have.domain.listAllCheckpoints, 0),
        "is_saved": bool(count(have.domain.hasManagedSaveImage, 0)),
        "job": job(have),
        "variables": root.findtext("os/nvram"),
        "has_tpm": root.find("devices/tpm/backend[@type='emulator']") is not None,
        "qemu": version(hypervisor),
    }


def count(ask, *arguments):
    """How many there are; 0 where this libvirt, or its test driver, does not know of them."""
    try:
        found = ask(*arguments)
    except faults():
        return 0
    return found if isinstance(found, int) else len(found)


def job(have):
    """True while libvirt does something long with the machine, such as a backup or another migration."""
    try:
        return bool(have.is_active and have.domain.jobInfo()[0])
    except faults():
        return False


def version(hypervisor):
    """QEMU's version as libvirt counts: 7002000 is 7.2; None where it does not tell."""
    try:
        return hypervisor.connection.getVersion()
    except faults():
        return None


def files(hypervisor, root):
    """Every file the machine opens: [{"what", "path", "kind", "storage", "source", "cache", "alone"}]."""
    known = hypervisor.once("places", lambda: storages_by_path(hypervisor))
    found = []
    for name, element in disks.elements(root).items():
        source = element.find("source")
        if source is None or not len(source.attrib):
            continue  # an empty drive
        kind = element.get("type")
        path = path_of(hypervisor, source)
        entry = {"what": f"disk {name}", "path": path, "kind": kind if path is None or kind == "block" else "file"}
        entry["cache"] = lens.Field("cache", "driver", "cache").read(element)
        entry["alone"] = element.find("shareable") is None
        found.append({**entry, **place_of(known, path)})
        if path and entry["kind"] == "file" and hypervisor.is_local:
            found += [{**plain(f"disk {name}: its backing file", one), **place_of(known, one)} for one in chain(path)]
    for key in ("kernel", "initrd"):
        path = root.findtext(f"os/{key}")
        if path:
            found.append({**plain(key, path), **place_of(known, path)})
    return found


def plain(what, path):
    """A file that is only read."""
    return {"what": what, "path": path, "kind": "file", "cache": "none", "alone": False}


def path_of(hypervisor, source):
    """The path of a disk's source, None for what is no path, such as a disk on the network."""
    if source.get("pool") and source.get("volume"):
        return hypervisor.volume_path(source.get("pool"), source.get("volume"))
    return source.get("file") or source.get("dev")


def place_of(known, path):
    """{"storage", "source", "root"} of the storage a path is in, by the longest directory; None for none."""
    roots = [root for root in known if path and path.startswith(root + "/")]
    root = max(roots, key=len, default=None)
    return {"root": root, "storage": known[root]["name"] if root else None, "source": known[root]["source"] if root else None}


def chain(path):
    """The backing files of a file, nearest first; what cannot be read has none."""
    found = []
    while len(found) < DEEPEST and not silence.silent(path) and os.path.isfile(path):
        try:
            path = qcow2.probe(path)["backing"]
        except (OSError, IntakeError):
            break
        if not path or path in found:
            break
        found.append(path)
    return found


def interface(name, element):
    """{"name", "kind", "source"} of one interface; source is the network, bridge or device it hangs on."""
    kind, source = element.get("type"), element.find("source")
    key = "dev" if kind == "direct" else kind
    return {"name": name, "kind": kind, "source": source.get(key) if source is not None else None}


def host_devices(root):
    """What the machine has of this host itself, in words."""
    found = [f"a {one.get('type') or 'host'} device of this host" for one in root.iterfind("devices/hostdev")]
    found += ["a network card of this host" for one in root.iterfind("devices/interface[@type='hostdev']")]
    found += [f"the folder {one.find('source').get('dir')} of this host" for one in root.iterfind("devices/filesystem") if one.find("source") is not None]
    return found + ["memory shared with programs of this host" for one in root.iterfind("devices/shmem")]


def offers(there, source, have, facts):
    """What the destination has of what the machine needs; see obstacles."""
    return {
        "hostname": there.identity()["hostname"],
        "has_uuid": bool(there.identity()["host"]),
        "is_same_host": there.identity()["host"] == source.identity()["host"],
        "namesakes": there.namesakes(have.name, have.uuid),
        "storages": there.storages(),
        "networks": there.networks() if any(one["kind"] == "network" for one in facts["interfaces"]) else {},
        "devices": there.devices() if any(one["kind"] in ("bridge", "direct") for one in facts["interfaces"]) else None,
        "memory": there.memory() if have.is_active else None,
        "machine": machine_fault(there, have),
        "cpu": cpu_fault(there, source, have),
    }


def kind_of(have):
    """Emulator, architecture, machine type and virtualization, as libvirt asks for them."""
    root = have.root
    return root.findtext("devices/emulator"), root.find("os/type").get("arch"), have.description["machine"], have.description["virt_type"]


def machine_fault(there, have):
    """What libvirt there says against this kind of machine, or None."""
    if there.connection.getType() != "QEMU":
        return None
    try:
        there.connection.getDomainCapabilities(*kind_of(have), 0)
    except faults() as error:
        return error.get_error_message()
    return None


def cpu_fault(there, source, have):
    """What the CPU there lacks, in words, or None where it fits or cannot be compared."""
    if there.connection.getType() != "QEMU":
        return None
    root = have.running() if have.is_active else have.root
    cpu = root.find("cpu")
    mode = cpu.get("mode") or "custom" if cpu is not None else None
    if mode in PASSED and have.is_active and have.description["virt_type"] == "kvm":
        return host_fault(there, source, mode)
    if mode != "custom" or cpu.find("model") is None:
        return None  # a stopped machine takes the CPU it finds
    try:
        there.connection.compareHypervisorCPU(*kind_of(have), lens.dump(cpu), libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE)
    except faults() as error:
        if error.get_error_code() == libvirt.VIR_ERR_CPU_INCOMPATIBLE:
            return f"the CPU there cannot stand in for {cpu.findtext('model')}: {error.get_error_message()}"
    return None


def host_fault(there, source, mode):
    """The guest sees this host's CPU, so the other must have all of it."""
    cpu = lens.parse(source.connection.getCapabilities()).find("host/cpu")
    try:
        there.connection.compareCPU(lens.dump(cpu), libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE)
    except faults() as error:
        if error.get_error_code() == libvirt.VIR_ERR_CPU_INCOMPATIBLE:
            return f"with cpu_mode {mode} it sees this host's CPU ({cpu.findtext('model')}), which the one there lacks: {error.get_error_message()}"
    return None
