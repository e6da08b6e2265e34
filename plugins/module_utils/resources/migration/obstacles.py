# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a machine cannot be moved, decided from two dicts of facts (see needs) before anything has moved."""

from __future__ import annotations

from ...errors import Refused
from ...units import about
from . import aftermath

SAFE_CACHES = ("none", "directsync")
DROPS_CACHES = 4000000  # QEMU 4.0 and newer drop what they have cached of a file before the other side reads it
STATES = ("running", "paused", "stopped")


def check(machine, there, promised=0):
    """Raises Refused with every reason there is.

    machine: facts of the machine; there: facts of the destination; promised: bytes of its memory that others of the same call get.
    """
    check_identity(machine, there)
    found = [one for room in (of_machine, of_files, of_interfaces, of_hosts) for one in room(machine, there)]
    found += of_memory(machine, there, promised)
    if found:
        reasons = "; ".join(sentence for sentence, _reason in found)
        raise Refused(f"vm {machine['name']}: cannot be moved to {there['hostname']}: {reasons}", found[0][1])


def check_identity(machine, there):
    """A name or UUID that is taken there makes every other question idle."""
    where = f"vm {machine['name']}"
    if not there["has_uuid"]:
        raise Refused(f"{where}: {there['hostname']} has no host UUID; set host_uuid in its libvirtd.conf", "host_uuid_missing")
    if there["is_same_host"]:
        raise Refused(f"{where}: {there['hostname']} is the host it is on", "same_host")
    for other in there["namesakes"]:
        if (other["name"], other["uuid"]) == (machine["name"], machine["uuid"]):
            words, reason = aftermath.twice(machine, other, there["hostname"])
            raise Refused(f"{where}: {words}", reason)
        if other["name"] == machine["name"]:
            raise Refused(f"{where}: {there['hostname']} has another machine of that name (UUID {other['uuid']})", "name_taken")
        raise Refused(f"{where}: {there['hostname']} has a machine of the same UUID, named {other['name']}", "uuid_taken")


def of_machine(machine, there):
    """What only makes sense on the host it is on."""
    if machine["state"] not in STATES:
        yield f"it is {machine['state']}; start or stop it first", "invalid_state"
    if aftermath.is_stuck(machine) and not machine["job"]:
        yield aftermath.stuck(machine), "interrupted"
    for device in machine["host_devices"]:
        yield f"it has {device}", "host_device"
    if machine["snapshots"] or machine["checkpoints"]:
        what = "snapshots" if machine["snapshots"] else "checkpoints"
        yield f"it has {machine['snapshots'] or machine['checkpoints']} {what}, which libvirt does not carry; delete them first", "has_snapshots"
    if machine["job"]:
        yield "libvirt is busy with it (a backup, a copy, or another migration)", "busy"
    if not machine["is_active"]:
        yield from of_stopped(machine)


def of_stopped(machine):
    """State in files of this host that only a running machine takes along."""
    if machine["is_saved"]:
        yield "its saved state (managed save) is on this host; start it first", "has_saved_state"
    if machine["variables"]:
        yield f"its UEFI variables are in {machine['variables']} on this host and go along only while it runs; start it first", "has_local_state"
    if machine["has_tpm"]:
        yield "the state of its TPM is on this host and goes along only while it runs; start it first", "has_local_state"


def of_files(machine, there):
    """Every file must be the same file there: the same path, in an active storage with the same source."""
    keeps_caches = machine["is_active"] and machine["qemu"] is not None and machine["qemu"] < DROPS_CACHES
    for file in machine["files"]:
        yield from of_place(file, there)
        if keeps_caches and file["alone"] and file["cache"] not in SAFE_CACHES:
            cache = file["cache"] or "default"
            yield f"{file['what']}: its cache is {cache}, which loses data with this QEMU; make it none (cache: none) first", "unsafe_cache"


def of_place(file, there):
    """What is wrong with the place of one file."""
    what, path = file["what"], file["path"]
    if path is None and file["kind"] == "network":
        return  # on the network, and reached alike from everywhere
    if file["kind"] != "file" or path is None:
        yield f"{what}: {path or 'it'} is a device of this host", "not_shared"
    elif file["storage"] is None:
        yield f"{what}: {path} is in no storage", "not_shared"
    elif file["source"] is None:
        yield f"{what}: storage {file['storage']} is on this host alone", "not_shared"
    else:
        yield from of_storage(file, there["storages"].get(file["root"]), there)


def of_storage(file, other, there):
    """A shared storage is to be mounted there from the same export at the same directory, and the file to open."""
    what = f"{file['what']}: storage {file['storage']} ({file['source']} at {file['root']})"
    if other is None:
        elsewhere = sorted(root for root, one in there["storages"].items() if one["source"] == file["source"])
        yield f"{what} does not exist there" + (f" at this directory, but at {', '.join(elsewhere)}" if elsewhere else ""), "storage_missing"
    elif other["source"] != file["source"]:
        yield f"{what} is not the same there: {other['name']} is {other['source'] or 'on that host alone'}", "storage_differs"
    elif not other["active"]:
        yield f"{what} is not active there; run intake_storage with state: present on that host", "storage_inactive"
    elif file["path"] in there["closed"]:
        yield f"{file['what']}: {file['path']} cannot be opened there: {there['closed'][file['path']]}", "not_openable"


def of_interfaces(machine, there):
    """Networks are to be active there, bridges and devices to exist."""
    for interface in machine["interfaces"]:
        what, source = f"interface {interface['name']}", interface["source"]
        if interface["kind"] == "network" and not there["networks"].get(source):
            is_known = source in there["networks"]
            have = ", ".join(sorted(there["networks"])) or "none"
            fault = "is not active there" if is_known else f"does not exist there (there are: {have})"
            yield f"{what}: network {source} {fault}", "network_inactive" if is_known else "network_missing"
        if interface["kind"] in ("bridge", "direct") and there["devices"] is not None and source not in there["devices"]:
            kind = "bridge" if interface["kind"] == "bridge" else "device"
            yield f"{what}: {kind} {source} does not exist there (there are: {', '.join(there['devices']) or 'none'})", f"{kind}_missing"


def of_hosts(machine, there):
    """Processor and kind of machine."""
    if there["machine"]:
        yield f"its kind of machine is not offered there: {there['machine']}", "machine_missing"
    if there["cpu"]:
        yield there["cpu"], "cpu_incompatible"


def of_memory(machine, there, promised):
    """A running machine needs its memory at once; a stopped one when it is started."""
    if not machine["is_active"] or there["memory"] is None:
        return []
    free = max(0, there["memory"] - promised)
    if machine["memory"] <= free:
        return []
    others = f" beside what the others of this task need ({about(promised)})" if promised else ""
    return [(f"it has {about(machine['memory'])} of memory, and {about(free)} are free there{others}", "memory_missing")]
