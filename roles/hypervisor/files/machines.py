# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Autostart machines that libvirt could not start at boot. Each is started once, when its files are there, and no other is touched."""

from __future__ import annotations

import glob
import json
import os
import re
import uuid
import xml.etree.ElementTree as ET

import programs
from programs import Failed, say, virsh

COULD_NOT_START = ("0", "6")  # virDomainShutoffReason: unknown (never ran since libvirt knows it), failed
START = 300  # seconds
AUTOSTART = "/etc/libvirt/qemu/autostart"
IDENTITIES = ("/sys/class/dmi/id/product_uuid", "/etc/machine-id")  # where libvirt may have the host's UUID from
STATS = re.compile(r"^Domain: '(.*)'$|^ +state\.(state|reason)=(\d+)$")


def not_started():
    """The autostart machines that are off and were not stopped by anybody since libvirt started."""
    reasons = reasons_of(virsh("domstats", "--state", "--list-inactive"))
    return [name for name in programs.names("list", "--inactive", "--autostart") if reasons.get(name) in COULD_NOT_START]


def reasons_of(told):
    """{name: number of the reason} from the words of virsh domstats --state."""
    found, name = {}, None
    for line in told.splitlines():
        match = STATS.match(line)
        if match and match[1] is not None:
            name = match[1]
        elif match and match[2] == "reason":
            found[name] = match[3]
    return found


def files_of(text):
    """(paths that are opened, paths of them that the machine writes alone, pools it names) of a machine's XML."""
    root = ET.fromstring(text)
    disks = [(disk, disk.find("source")) for disk in root.iterfind("devices/disk")]
    disks = [(disk, source) for disk, source in disks if source is not None]
    writes = [source.get("file") for disk, source in disks if disk.get("device", "disk") == "disk" and alone(disk) and source.get("file")]
    reads = [source.get("file") for _disk, source in disks]
    reads += [root.findtext(f"os/{name}") for name in ("kernel", "initrd", "dtb", "loader", "nvram")]
    return [path for path in reads if path], writes, [source.get("pool") for _disk, source in disks if source.get("pool")]


def alone(disk):
    """True for a disk that is written, and by one machine."""
    return disk.find("readonly") is None and disk.find("shareable") is None


def missing_storages(paths, pools, inactive):
    """The inactive storages that files are on. `inactive` is {name: path}."""
    return sorted(name for name, root in inactive.items() if name in pools or any(path.startswith(root.rstrip("/") + "/") for path in paths))


def taken_over(text, ours):
    """Words about a volume that was given to another host meanwhile, or None. ours() has this host's UUIDs, asked for only where a lease is."""
    for path in files_of(text)[1]:
        folder, name = os.path.split(path)
        try:
            with open(os.path.join(folder, ".intake", "leases", f"{name}.json"), encoding="utf-8") as file:
                owner = json.load(file)
        except (OSError, ValueError):
            continue
        if owner.get("host") and owner["host"] not in ours():
            return f"not started: its volume {name} belongs to vm {owner.get('vm')} on host {owner.get('hostname')} now"


def own_uuid():
    """This host's UUID, as leases have it."""
    return [ET.fromstring(virsh("capabilities")).findtext("host/uuid")]


def possible_uuids(paths=IDENTITIES):
    """What this host's UUID may be, known before libvirt runs."""
    found = []
    for path in paths:
        try:
            with open(path, encoding="ascii") as file:
                found.append(str(uuid.UUID(file.read().strip())))
        except (OSError, ValueError):
            continue
    return found


def doubtful(folder=AUTOSTART, ours=possible_uuids):
    """{name: why} of autostart machines that libvirt would start although another host may have their volumes; read without libvirt."""
    found = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.xml"))):
        try:
            with open(path, encoding="utf-8") as file:
                found[os.path.basename(path)[: -len(".xml")]] = taken_over(file.read(), ours)
        except (OSError, ET.ParseError) as error:
            say(os.path.basename(path), f"not read: {error}")
    return {name: why for name, why in found.items() if why}


def is_ready(name, inactive):
    """True for a machine whose storages are all there. `inactive` is {name: path} of storages."""
    paths, _writes, pools = files_of(virsh("dumpxml", "--inactive", "--domain", name))
    missing = missing_storages(paths, pools, inactive)
    if missing:
        say(f"vm {name}", f"waits for storage {', '.join(missing)}")
    return not missing


def start(name):
    """True for a machine that is not to be tried again."""
    try:
        taken = taken_over(virsh("dumpxml", "--inactive", "--domain", name), own_uuid)
        if not taken:
            virsh("start", "--domain", name, limit=START)
    except Failed as error:
        say(f"vm {name}", f"not started: {error}")
        return False
    say(f"vm {name}", taken or "started")
    return True
