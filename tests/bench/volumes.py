# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many empty volumes in one call."""

from __future__ import annotations

import libvirt
from workbench import stopwatch

COUNT = 50
XML = "<volume><name>{{ item }}</name><capacity unit='MiB'>64</capacity><target><format type='qcow2'/></target></volume>"


def names(prefix):
    return [f"{prefix}{number:02d}.qcow2" for number in range(COUNT)]


def bare(pool_name):
    """Seconds plain libvirt-python takes to make the same volumes, and to read them."""
    connection = libvirt.open("qemu:///system")
    pool = connection.storagePoolLookupByName(pool_name)
    with stopwatch() as making:
        made = [pool.createXML(XML.replace("{{ item }}", name), 0) for name in names("bare")]
    with stopwatch() as reading:
        for volume in pool.listAllVolumes():
            volume.XMLDesc(0)
    for volume in made:
        volume.delete(0)
    connection.close()
    return making[0], reading[0]


def measure(bench):
    """Create, second run and remove."""
    print("volumes")
    bench.storage("bench-volumes")
    task = {"storage": "bench-volumes", "size": "64MiB", "volumes": [{"name": name} for name in names("ours")]}
    created, unchanged = bench.play({"intake.vms.intake_volume": task}), bench.play({"intake.vms.intake_volume": task})
    making, reading = bare("bench-volumes")
    peer = {"pool": "bench-volumes", "name": "{{ item }}", "xml": XML}
    looped = [bench.play({"community.libvirt.virt_volume": {**peer, "state": state}, "loop": names("loop")}) for state in ("present", "present", "absent")]
    removed = bench.play({"intake.vms.intake_volume": {**task, "state": "absent"}})
    bench.row(f"create {COUNT} volumes", created, bare=making, loop=looped[0])
    bench.row(f"{COUNT} volumes unchanged", unchanged, bare=reading, loop=looped[1])
    bench.row(f"remove {COUNT} volumes", removed, loop=looped[2])
