# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines are doing: uptime, processor time, memory, traffic, addresses, and what waits for their next boot."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from ...host.hypervisor import libvirt
from . import addresses, description
from .live import Live

GATHERED = ["stats", "addresses", "pending"]
INFO_SPEC = {
    "names": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "state": {"type": "str", "choices": ["running", "stopped", "paused", "crashed", "suspended"]},
    "storage": {"type": "str"},
    "gather": {"type": "list", "elements": "str", "choices": GATHERED, "default": GATHERED},
    "timeout": {"type": "int", "default": 5},
}
ASKED_AT_ONCE = 16  # guests whose agents are asked in parallel; each may be mute for the whole time limit
PID_FILE = "/run/libvirt/qemu/{}.pid"
# virConnectGetAllDomainStats groups: CPU_TOTAL, BALLOON, INTERFACE, BLOCK; each asks every running QEMU
STATS = 2 | 4 | 16 | 32


class Monitor:
    """Adds to machines what the asked groups tell, with one bulk question to libvirt for all of them."""

    def __init__(self, hypervisor, gather, timeout):
        self.hypervisor, self.gather, self.timeout = hypervisor, gather, timeout
        self.stats = self.read_stats() if "stats" in gather else {}

    def read_stats(self):
        """{UUID: figures} of the machines that are on, those on hold included."""
        active = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        return {domain.UUIDString(): figures for domain, figures in self.hypervisor.connection.getAllDomainStats(STATS, active)}

    def facts(self, haves):
        """One dict of facts for each machine, agents asked in parallel."""
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            return list(pool.map(self.facts_of, haves))

    def facts_of(self, have):
        """What is asked of one machine; what went away meanwhile has none."""
        found = {"reason": have.reason}
        try:
            if "stats" in self.gather:
                found.update(self.figures(have))
            if "addresses" in self.gather:
                found.update(self.reached_at(have))
            if "pending" in self.gather:
                found["pending"] = pending(have)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):  # gone, or gone off
                raise
        return found

    def figures(self, have):
        """Uptime and processor time in seconds, memory in bytes, traffic of disks and interfaces in bytes and requests."""
        stats = self.stats.get(have.uuid, {})
        nanoseconds = stats.get("cpu.time")
        return {
            "uptime": uptime(have) if have.is_active and self.hypervisor.is_local else None,
            "cpu_time": None if nanoseconds is None else nanoseconds / 1e9,
            "memory_rss": kib(stats.get("balloon.rss")),
            "memory_usable": kib(stats.get("balloon.usable")),
            "disk_stats": traffic(stats, "block", ("rd.bytes", "wr.bytes", "rd.reqs", "wr.reqs"), names(have, "disks", "target")),
            "interface_stats": traffic(stats, "net", ("rx.bytes", "tx.bytes", "rx.drop", "tx.drop"), names(have, "interfaces", "target")),
        }

    def reached_at(self, have):
        """All addresses, and the best one."""
        if not have.is_active:
            return {"address": None, "addresses": []}
        if have.description["agent"]:
            have.domain.agentSetResponseTimeout(self.timeout, 0)
        found = addresses.read(have.domain, have.description["agent"] and have.state == "running")
        return {"address": found[0]["address"] if found else None, "addresses": found}


def names(have, kind, key):
    """{target on the host: name in the task} of a running machine's devices."""
    if not have.is_active:
        return {}
    live = have.running()
    description.align(live, have.root)
    return {device[key]: name for name, device in description.read(live)[kind].items() if device[key]}


def traffic(stats, group, keys, known):
    """{device: {figure: number}} from libvirt's flat list."""
    found = {}
    for index in range(stats.get(f"{group}.count", 0)):
        target = stats.get(f"{group}.{index}.name")
        if target is None:  # a user-mode interface has no device on the host
            continue
        figures = {key.replace(".", "_"): stats.get(f"{group}.{index}.{key}") for key in keys}
        found[known.get(target, target)] = figures
    return found


def uptime(have):
    """Seconds since QEMU was started, from its process; None where that cannot be seen."""
    try:
        with open(PID_FILE.format(have.name), encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    return round(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"), 1)


def kib(value):
    """libvirt counts memory in KiB."""
    return None if value is None else value * 1024


def pending(have):
    """What its definition says differently from the machine that runs."""
    if not have.is_active:
        return []
    running = have.running()
    description.align(running, have.root)
    return Live(have.domain, running, have.root, have.description).differences()
