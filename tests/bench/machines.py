# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defining, comparing and removing many machines in one call."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import libvirt
from workbench import stopwatch

COUNTS = (10, 100, 1000)
LOOPED = 100
MEMORY_LIMIT = 150  # MiB

DOMAIN = """<domain type='qemu'><name>{{ item }}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<devices><interface type='user'><model type='virtio'/></interface><console type='pty'/></devices></domain>"""


def names(count):
    return [f"bench-{number:04d}" for number in range(count)]


def task(count, **options):
    """One call for many machines."""
    machines = [{"name": name} for name in names(count)]
    described = {"memory": "64MiB", "cpus": 1, "virt_type": "qemu", "interfaces": [{"name": "lan", "user": True}]}
    return {"vms": machines, **(described if options.get("state") != "absent" else {}), **options}


def bare(bench, count):
    """Seconds plain libvirt-python takes to read the same definitions over one connection."""
    with stopwatch() as seconds:
        connection = libvirt.open("qemu:///system")
        for domain in connection.listAllDomains(0):
            ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        connection.close()
    return seconds[0]


def measure(bench):
    """Create, second run and remove, at each size."""
    print("virtual machines, defined and not started")
    for count in COUNTS:
        created = bench.play({"intake.vms.intake_vm": task(count)})
        unchanged = bench.play({"intake.vms.intake_vm": task(count)})
        reading = bare(bench, count)
        module, memory = bench.module("intake_vm", **task(count))
        removed = bench.play({"intake.vms.intake_vm": task(count, state="absent")})
        looped = loop(bench, count) if count <= LOOPED else (None,) * 3
        row(bench, f"create {count} VMs", created, loop=looped[0])
        row(bench, f"{count} VMs unchanged", unchanged, bare=reading, loop=looped[1])
        row(bench, f"{count} VMs unchanged, the module alone", module, bare=reading)
        row(bench, f"remove {count} VMs", removed, loop=looped[2])
        bench.note(f"peak memory of the module with {count} VMs: {memory:.0f} MiB (aim: under {MEMORY_LIMIT})")
        if count == LOOPED:
            estimate = looped[1] / LOOPED * 1000
        if count > LOOPED:
            row(bench, f"{count} VMs unchanged, the loop extrapolated from {LOOPED}", unchanged, loop=estimate)


def row(bench, what, ours, **others):
    bench.row(what, ours, **{name: seconds for name, seconds in others.items() if seconds})


def loop(bench, count):
    """(create, second run, remove) with community.libvirt in a loop."""
    define = {"community.libvirt.virt": {"command": "define", "xml": DOMAIN}, "loop": names(count)}
    undefine = {"community.libvirt.virt": {"command": "undefine", "name": "{{ item }}"}, "loop": names(count)}
    return bench.play(define), bench.play(define), bench.play(undefine)
