# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of storages: space, health, what is in them and how much of it was promised."""

from __future__ import annotations

import time

from ...flow.converge import selected, unreadable
from ...host.hypervisor import faults, unless_gone
from ...host.silence import network_mount
from .usage import machines_using

FILE = 0  # libvirt's VIR_STORAGE_VOL_FILE
FULL = 1 << 20  # bytes; with less no volume can be made or grow, and of these not even records are sure


def add(have, seen, driver):
    """Complete a `have` by what a look at its directory has told; `seen` is {} where it was not looked at."""
    record = seen.get("record") or {}
    have.update({key: seen[key] for key in ("capacity", "allocation", "available") if key in seen})
    have["description"] = record.get("description")
    have["labels"] = record.get("labels") or {}
    have["made_path"] = record.get("made_path")
    have["seen"] = seen
    mount = driver.mount(have) if driver and seen and "hangs" not in seen else None
    have["mounted"] = {"source": mount.source, "fs": mount.fs, "options": mount.options} if mount else None
    have["fs"] = driver.fs(have) if driver and "hangs" not in seen else have["fs"]
    have["health"] = health(have, seen, driver)


def health(have, seen, driver):
    """{"status": ok|degraded|inactive, "text", "probed"}; probed is the time of the look, UTC."""
    status, text = "ok", "answers"
    fault = seen.get("error") or (driver.fault(have) if driver and seen and have["state"] == "active" else None)
    if have["state"] != "active":
        status, text = "inactive", "is not active"
    elif fault:
        status, text = "degraded", fault
    elif not seen:
        text = "libvirt says that it is active"
    elif seen["available"] < FULL:
        status, text = "degraded", "is full"
    told = {"status": status, "text": text, "probed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    return {**told, "hangs": True} if seen.get("hangs") else told


def report(storages, names, params):
    """The storages asked for, and those libvirt itself could not tell about."""
    haves, unread, warnings = [], [], []
    for name in names:
        try:
            have = unless_gone(lambda name=name: storages.describe(name))
            haves += [have] if have else []
        except faults() as error:
            unread.append(unreadable(None, name, f"storage {name}: libvirt cannot tell about it: {error}"))
    storages.look_into(haves, params["timeout"])
    for have in haves:
        try:
            have.update(contents(storages.hypervisor, have))
        except faults() as error:
            warnings.append(f"storage {have['name']}: its content could not be listed: {error}")
    shown = [storages.show(have) for have in haves]
    return {storages.plural: [have for have in shown if selected(have, params)], "unreadable": unread, "warnings": warnings}


def contents(hypervisor, have):
    """Counts, the sum of the virtual sizes in bytes, and what share of the capacity it is."""
    found = {"volumes": 0, "images": 0, "vms": len(machines_using(hypervisor, have)) if have["path"] else 0, "virtual_size_sum": 0}
    if have["state"] == "active" and not have["seen"].get("error"):
        kinds = have["seen"].get("kinds", {})
        for volume in listed(hypervisor, have):
            content = unless_gone(lambda volume=volume: file_in(volume, kinds), is_file=True)
            if content:
                found[content[0]] += 1
                found["virtual_size_sum"] += content[1]
    capacity = have["capacity"]
    return {**found, "overcommit": round(found["virtual_size_sum"] / capacity, 3) if capacity else None}


def listed(hypervisor, have):
    """The volumes; where other hosts make and remove files too, libvirt here knows of those only after a new look."""
    if hypervisor.is_local and have["path"] and network_mount(have["path"]):
        hypervisor.refresh(have["name"])
    return hypervisor.pool(have["name"]).listAllVolumes(0)


def file_in(volume, kinds):
    """(volumes or images, virtual size in bytes); None of what is neither."""
    name = volume.name()
    kind, size = (None, None) if name.startswith(".") else volume.info()[:2]
    if kind != FILE:
        return None
    return "images" if is_image(volume, kinds.get(name)) else "volumes", size


def is_image(volume, kind):
    """What the catalogue says; a file without a record is an image where it is an ISO."""
    return kind == "image" if kind else "<format type='iso'/>" in volume.XMLDesc(0)
