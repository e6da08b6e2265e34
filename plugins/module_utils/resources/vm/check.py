# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task about a virtual machine may not say, found before anything has moved."""

from __future__ import annotations

from ...errors import Refused
from ...names import check_name
from ...units import format_size, parse_size
from . import disks, extras, interfaces
from .spec import SIZES

SMALLEST = 2**20  # bytes of memory; less is a forgotten unit
CDROM_ONLY = "a cdrom is read-only and is never made or resized"


def normalized(want):
    """The same want with sizes in bytes and labels as text. Raises Refused for what is no size."""
    where = f"vm {want['name']}"
    found = dict(want)
    for key in SIZES:
        if want.get(key) is not None:
            found[key] = parse_size(want[key], f"{where}: {key}")
            if found[key] < SMALLEST:
                raise Refused(f"{where}: {key} {want[key]} is {format_size(found[key])}; write the unit, as in 2GiB", "invalid_size")
    if want.get("labels") is not None:
        found["labels"] = {str(key): str(value) for key, value in want["labels"].items()}
    return found


def check(have, want):
    """Refuse contradictions. `want` is normalized."""
    check_numbers(want)
    check_paths(want)
    extras.check(want["name"], want)
    for kind in ("disk", "interface"):
        check_twins(want["name"], kind, want.get(f"{kind}s") or ())
    for disk in want.get("disks") or ():
        check_name(f"vm {want['name']}: disk", disk["name"])
        check_disk(want["name"], disk)
    for interface in want.get("interfaces") or ():
        is_new = have is None or interfaces.find(have.root, interface) is None
        interfaces.check(want["name"], interface, is_new)


def check_numbers(want):
    """Counts above zero, and no more than their maximum."""
    where = f"vm {want['name']}"
    for key in ("cpus", "maximum_cpus", "stop_timeout", "wait_timeout"):
        if want.get(key) is not None and want[key] < 1:
            raise Refused(f"{where}: {key} is {want[key]}; it must be at least 1", "invalid_number")
    for key, show in (("cpus", str), ("memory", format_size)):
        value, maximum = want.get(key), want.get(f"maximum_{key}")
        if value and maximum and value > maximum:
            raise Refused(f"{where}: {key} {show(value)} is more than maximum_{key} {show(maximum)}", "above_maximum")
    topology = want.get("topology")
    if topology:
        product = topology["sockets"] * topology["cores"] * topology["threads"]
        most = want.get("maximum_cpus") or (want.get("cpus") if want.get("cpus", 0) and want["cpus"] > product else product)
        if product < 1 or product != most:
            raise Refused(f"{where}: the topology has {product} cpus, but {most} were asked for", "invalid_topology")
    if want.get("cpu_model") and want.get("cpu_mode") not in (None, "custom"):
        raise Refused(f"{where}: cpu_model is for cpu_mode custom, not for {want['cpu_mode']}", "invalid_cpu")
    if want.get("cpu_mode") == "custom" and not want.get("cpu_model"):
        raise Refused(f"{where}: cpu_mode custom needs a cpu_model", "invalid_cpu")
    if want.get("secure_boot") and want.get("firmware") == "bios":
        raise Refused(f"{where}: secure_boot needs firmware uefi", "invalid_firmware")


def check_paths(want):
    """A kernel and its initrd are files of the hypervisor."""
    for key in ("kernel", "initrd"):
        if want.get(key) and not want[key].startswith("/"):
            raise Refused(f"vm {want['name']}: {key} {want[key]} is not an absolute path", "invalid_path")
    if (want.get("cmdline") or want.get("initrd")) and want.get("kernel") == "":
        raise Refused(f"vm {want['name']}: initrd and cmdline need a kernel", "invalid_kernel")


def check_twins(vm, kind, wanted):
    """Each device is listed once."""
    names = [one["name"] for one in wanted]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise Refused(f"vm {vm}: {kind} {', '.join(twins)}: is listed twice", "duplicate_name")


def check_disk(vm, disk):
    """One wanted disk."""
    where = f"vm {vm}: disk {disk['name']}"
    if disk["name"] == "cloud-init":
        raise Refused(f"{where}: this name belongs to the seed of cloud_init", "reserved_name")
    if disk.get("device") == "cdrom" and (disk.get("size") or disk.get("read_only") is False):
        raise Refused(f"{where}: {CDROM_ONLY}", "invalid_cdrom")
    if disk["remove"] and disk["state"] != "absent":
        raise Refused(f"{where}: remove: true deletes the volume, so it needs state: absent", "invalid_remove")
    for key in ("volume", "image"):
        if disk.get(key):
            check_name(f"{where}: {key}", disk[key])
    disks.check(vm, disk)
