# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypervisors and their virtual machines, from the database or from libvirt, in the same plain words.

A hypervisor is a dict: `name`, `uuid`, `hostname`, `address`, `storages` ({name: path}), and `vms`, dicts of the FIELDS.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ...module_utils.errors import IntakeError
from ...module_utils.host import bounded
from ..database import schema
from ..database.client import connected, sentences
from ..kinds.machines import addresses_of

DEFINED = ("autostart", "description", "labels", "cpus", "maximum_cpus", "memory", "maximum_memory", "virt_type", "machine", "firmware")
DEVICES = ("disks", "interfaces")
FIELDS = ("name", "uuid", "state", *DEFINED, *DEVICES, "addresses", "storages")
OFF = ("stopped", "crashed")  # whoever has the address of such a machine now, it is another one
AT_ONCE = 16  # hypervisors that are asked at the same time
LISTING = {"names": None, "labels": None, "state": None, "storage": None, "gather": ["addresses"]}
HOSTS = "SELECT id, name, uuid::text, hostname, address FROM hosts ORDER BY name, uuid"
STORAGES = "SELECT host_id, name, path FROM host_storages ORDER BY name"
VMS = "SELECT host_id, uuid::text, name, state, addresses, recorded FROM vms ORDER BY name, uuid"


def from_database(dsn):
    """Every hypervisor the database knows, all as of one moment. Raises IntakeError."""
    with sentences(dsn), connected(dsn, "intake.vms inventory") as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        schema.require(connection)
        found = {number: hypervisor(*words) for number, *words in connection.execute(HOSTS)}
        for number, name, path in connection.execute(STORAGES):
            found[number]["storages"][name] = path
        for number, uuid, name, state, addresses, recorded in connection.execute(VMS):
            known = {**recorded, "uuid": uuid, "name": name, "state": state}
            found[number]["vms"].append(machine(known, addresses, found[number]["storages"]))
    return list(found.values())


def hypervisor(name, uuid, hostname, address):
    """One of which nothing is known yet."""
    return {"name": name, "uuid": uuid, "hostname": hostname, "address": address, "storages": {}, "vms": []}


def machine(found, addresses, storages):
    """The FIELDS of a machine as an info module tells it."""
    return {
        **{field: found.get(field) for field in FIELDS},
        "labels": found.get("labels") or {},
        "addresses": [] if found["state"] in OFF else addresses,
        "storages": storages_of(found, storages),
    }


def storages_of(found, storages):
    """The names of the storages in which a machine has disks, sorted."""
    folders = {os.path.dirname(disk.get("path") or "") for disk in (found.get("disks") or {}).values()} - {""}
    return sorted(name for name, path in storages.items() if path in folders)


def from_libvirt(uris, timeout):
    """([hypervisors], {URI: why it is not among them}). Each has so many seconds to answer, in a process of its own."""
    found, faults = {}, {}
    asked = list(dict.fromkeys(uris))
    for start in range(0, len(asked), AT_ONCE):
        works = {uri: lambda uri=uri: answer(uri, timeout) for uri in asked[start : start + AT_ONCE]}
        answers = bounded.call_all(works, timeout)
        for uri in works:
            said = answers.get(uri) or {"fault": f"{uri} does not answer within {timeout} s"}
            faults.update({uri: said["fault"]} if "fault" in said else {})
            found.update({uri: said} if "fault" not in said else {})
    return without_twins(found, faults), faults


def without_twins(found, faults):
    """The hypervisors by name; one that two URIs lead to is told once."""
    first = {}
    for uri, one in found.items():
        parts = urlsplit(uri)
        key = (one["uuid"] or uri, parts.scheme.partition("+")[0], parts.path)
        if key in first:
            faults[uri] = f"{uri} leads to the same hypervisor as {first[key]}"
        first.setdefault(key, uri)
    return sorted((found[uri] for uri in first.values()), key=lambda one: (one["name"], one["uuid"] or ""))


def answer(uri, timeout):
    """What one hypervisor tells, or {"fault": why it does not}."""
    try:
        return read(uri, timeout)
    except IntakeError as error:
        return {"fault": str(error)}
    except Exception as error:  # of libvirt, after it was reached; in a child process nobody else could tell
        return {"fault": f"{uri}: {error}"}


def read(uri, timeout):
    """Ask one hypervisor. Its guests' agents have a third of the time, all at once."""
    from ...module_utils.host.hypervisor import pool_path, session, unless_gone
    from ...module_utils.resources.vm.listing import Listing

    with session(uri) as host:
        identity, remote = host.identity(), urlsplit(uri).hostname
        told = hypervisor(remote or identity["hostname"], identity["host"], identity["hostname"], remote)
        paths = {name: unless_gone(lambda pool=pool: pool_path(pool)) for name, pool in sorted(host.pools().items())}
        told["storages"] = {name: path for name, path in paths.items() if path}
        for one in Listing(host, {}).list({**LISTING, "timeout": max(1, timeout // 3)})["vms"]:
            told["vms"].append(machine(one, addresses_of(one), told["storages"]))
    return told
