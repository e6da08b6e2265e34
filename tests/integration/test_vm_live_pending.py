# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits that a running machine cannot take: in the definition at once, reported as pending on every run until the next boot.

The machines are started paused: QEMU runs, so libvirt edits them live, and no guest costs time.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

LIVE, DEFINED = 1, 3  # virDomainXMLFlags: secrets; and the inactive definition


@pytest.fixture
def name(forget_vms, unique, storage):
    """A name whose machines go away before their storage does."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def edit(run_tasks):
    """edit(**options): check, real and second run; the last is unchanged and all tell the same pending. Returns (steps, pending)."""

    def run(changed=True, **options):
        predicted, done, again = run_tasks(*(("intake_vm", options, check) for check in (True, False, False)))
        assert not done.get("failed"), done["msg"]
        assert (predicted["changed"], done["changed"], again["changed"]) == (changed, changed, False), (predicted["resources"], again["resources"])
        entries = [result["resources"][0] for result in (predicted, done, again)]
        assert entries[0]["steps"] == entries[1]["steps"] and predicted["diff"] == done["diff"]
        assert entries[0]["pending"] == entries[1]["pending"] == entries[2]["pending"]
        steps = [(step["verb"], step["name"]) for step in entries[1]["steps"]]
        return steps, {one["name"]: (one["have"], one["want"]) for one in entries[1]["pending"]}

    return run


@pytest.fixture
def machine(name, storage, connection, run_module):
    """machine(**options) -> a domain that QEMU runs, paused."""

    def make(**options):
        disks = options.pop("disks", [{"name": "root", "size": "1MiB"}, {"name": "media", "device": "cdrom", "volume": ""}])
        disks = [{"storage": storage.name, **disk} for disk in disks]
        options = {"virt_type": "qemu", "memory": "64MiB", "interfaces": [{"name": "lan", "user": True}], **options}
        made = run_module("intake_vm", name=name, state="paused", disks=disks, **options)
        assert not made.get("failed"), made["msg"]
        return connection.lookupByName(name)

    return make


def roots(domain):
    """The live XML and the definition."""
    return [ET.fromstring(domain.XMLDesc(flags)) for flags in (LIVE, DEFINED)]


# What is asked of a running machine, and what then waits; none of it is done live.
WAITING = {
    "machine": ({"machine": "pc-q35-6.2"}, {"machine"}),
    "machine of another kind": ({"machine": "pc"}, {"machine"}),
    "firmware": ({"firmware": "uefi"}, {"firmware"}),
    "tpm": ({"tpm": True}, {"tpm"}),
    "cpu_mode": ({"cpu_mode": "custom", "cpu_model": "Nehalem"}, {"cpu_mode", "cpu_model"}),
    "topology": ({"topology": {"sockets": 1, "cores": 2, "threads": 1}}, {"topology", "maximum_cpus"}),
    "cpus beyond their maximum": ({"cpus": 4}, {"cpus", "maximum_cpus"}),
    "memory beyond its maximum": ({"memory": "128MiB"}, {"memory", "maximum_memory"}),
    "kernel": ({"kernel": "/boot/x", "initrd": "/boot/y", "cmdline": "z"}, {"kernel", "initrd", "cmdline"}),
    "switches": ({"console": False, "agent": False, "rng": False}, {"console", "agent", "rng"}),
    "graphics": ({"graphics": {"password": "hunter22"}}, {"graphics"}),
    "disk": (
        {"disks": [{"name": "root", "bus": "scsi", "cache": "none", "discard": "ignore", "serial": "x", "read_only": True, "boot_order": 1}]},
        {f"disks.root.{key}" for key in ("bus", "target", "cache", "discard", "serial", "read_only", "boot_order")},
    ),
    "a disk that cannot be plugged": ({"disks": [{"name": "media", "state": "absent"}]}, {"disks.media"}),
    "interface": (
        {"interfaces": [{"name": "lan", "mac": "52:54:00:00:bb:01", "model": "e1000e", "boot_order": 1}]},
        {f"interfaces.lan.{key}" for key in ("mac", "model", "boot_order")},
    ),
    "interface of another type": ({"interfaces": [{"name": "lan", "bridge": "br-none"}]}, {"interfaces.lan.type", "interfaces.lan.source"}),
}


@pytest.fixture(scope="module")
def waited(prefix, module_folder, connection, forget_pool, forget_vms, run_tasks, run_module):
    """{what: entries of a check run, the real run, the next run and the one after a restart}: all machines in one call each."""
    beginning, path = f"{prefix}-waiting", module_folder
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{beginning}</name><target><path>{path}</path></target></pool>").create()
    names = {what: f"{beginning}-{what.replace(' ', '-')}" for what in WAITING}
    disks = [{"name": "root", "size": "1MiB", "storage": beginning}, {"name": "media", "device": "cdrom", "volume": ""}]
    new = {"virt_type": "qemu", "memory": "64MiB", "disks": disks, "interfaces": [{"name": "lan", "user": True}]}
    wants = [{"name": names[what], **want} for what, (want, _fields) in WAITING.items()]
    try:
        made = run_module("intake_vm", vms=[{"name": one} for one in names.values()], state="paused", **new)
        assert not made.get("failed"), made["msg"]
        runs = list(run_tasks(*(("intake_vm", {"vms": wants}, check) for check in (True, False, False))))
        runs.append(run_module("intake_vm", vms=[{"name": one} for one in names.values()]))
        for one in names.values():
            connection.lookupByName(one).destroy()
        runs.append(run_module("intake_vm", vms=wants))
        assert not any(run.get("failed") for run in runs), [run.get("msg") for run in runs]
        yield {what: [run["resources"][index] for run in runs] for index, what in enumerate(WAITING)}
    finally:
        forget_vms(beginning)
        forget_pool(beginning)


@pytest.mark.parametrize("what", WAITING)
def test_what_cannot_be_changed_now_waits_and_is_reported_until_the_next_boot(what, waited):
    predicted, done, again, later, off = waited[what]
    assert [(step["verb"], step["name"]) for step in done["steps"]] == [("edit", "definition")]
    assert predicted["steps"] == done["steps"] and predicted["pending"] == done["pending"]
    assert {one["name"] for one in done["pending"]} == WAITING[what][1]
    for later_run in (again, later):
        assert (later_run["changed"], later_run["pending"]) == (False, done["pending"])
    assert (off["changed"], off["pending"]) == (False, [])
    assert "hunter22" not in str(waited[what])


def test_a_machine_with_everything_has_nothing_pending(machine, name, edit):
    """What libvirt writes out at a start is no difference."""
    machine(
        firmware="uefi",
        tpm=True,
        graphics={"type": "spice", "password": "secret"},
        cpu_mode="host-model",
        memory="128MiB",
        maximum_cpus=4,
        labels={"a": "b"},
        disks=[
            {"name": "root", "size": "1MiB", "iops": 10, "cache": "none", "boot_order": 1},
            {"name": "slow", "size": "1MiB", "bus": "scsi", "format": "raw", "read_only": True},
            {"name": "third", "size": "1MiB", "bus": "usb", "shareable": True, "format": "raw"},
            {"name": "media", "device": "cdrom", "volume": ""},
        ],
        interfaces=[{"name": "lan", "user": True, "link": "down", "boot_order": 2}, {"name": "dmz", "user": True, "model": "e1000e"}],
    )
    assert edit(changed=False, name=name) == ([], {})


def test_what_waits_does_not_hinder_what_can_be_done_now(machine, name, storage, edit):
    """Fields of one device, some live and some waiting, in one run and in the next."""
    for iso in ("one.iso", "two.iso"):
        with open(f"{storage.path}/{iso}", "wb") as file:
            file.truncate(2**20)
    domain = machine()
    media = {"name": "media", "device": "cdrom", "storage": storage.name}
    wants = [{"name": "root", "bus": "sata", "cache": "none", "iops": 100}, {**media, "bus": "scsi", "volume": "one.iso"}]
    steps, pending = edit(name=name, disks=wants, interfaces=[{"name": "lan", "model": "e1000e", "link": "down"}])
    assert set(steps[1:]) == {("set live", one) for one in ("disks.root.iops", "disks.media.path", "interfaces.lan.link")}
    waiting = {"disks.root.bus", "disks.root.target", "disks.root.cache", "disks.media.bus", "disks.media.target", "interfaces.lan.model"}
    assert set(pending) == waiting
    wants = [{"name": "root", "iops": 0, "bandwidth": "1MiB"}, {**media, "volume": "two.iso"}]
    steps, pending = edit(name=name, disks=wants, interfaces=[{"name": "lan", "link": "up"}])
    assert set(pending) == waiting and len(steps) == 5
    live, defined = roots(domain)
    assert [root.find("devices/disk[@device='cdrom']/source").get("file") for root in (live, defined)] == [f"{storage.path}/two.iso"] * 2
    assert [root.findtext("devices/disk/iotune/total_bytes_sec") for root in (live, defined)] == [str(2**20)] * 2
    assert [root.find("devices/interface/model").get("type") for root in (live, defined)] == ["virtio", "e1000e"]


def test_a_change_that_is_taken_back_waits_no_more(machine, name, edit):
    machine()
    _steps, pending = edit(name=name, disks=[{"name": "root", "bus": "scsi"}], cpus=2, description="x")
    assert {"disks.root.bus", "cpus"} <= set(pending)
    steps, pending = edit(name=name, disks=[{"name": "root", "bus": "virtio"}], cpus=1)
    assert (steps, pending) == ([("edit", "definition")], {})


def test_a_running_machine_of_others_is_adopted(name, storage, connection, run_module, edit):
    """Its devices get names in the definition; a bus that cannot change now never takes the disk from the guest."""
    run_module("intake_volume", volumes=[{"name": f"{name}-a.raw"}, {"name": f"{name}-b.raw"}], storage=storage.name, size="1MiB", format="raw")
    devices = f"""<disk type='file'><driver name='qemu' type='raw'/><source file='{storage.path}/{name}-a.raw'/><target dev='vda' bus='virtio'/></disk>
      <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
      <controller type='scsi' index='0' model='virtio-scsi'/><interface type='user'><model type='virtio'/></interface>"""
    domain = connection.defineXML(
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"
    )
    domain.createWithFlags(1)
    root = {"name": "root", "volume": f"{name}-a.raw", "storage": storage.name}
    assert edit(name=name, disks=[root], interfaces=[{"name": "lan", "user": True}]) == ([("edit", "definition")], {})
    steps, _pending = edit(name=name, interfaces=[{"name": "lan", "link": "down"}], disks=[{**root, "iops": 9}])
    assert {("set live", "interfaces.lan.link"), ("set live", "disks.root.iops")} <= set(steps)
    connection.defineXML(ET.tostring(without_names(roots(domain)[1]), encoding="unicode"))
    data = {"name": "data", "volume": f"{name}-b.raw", "storage": storage.name}
    steps, pending = edit(name=name, disks=[{**root, "bus": "scsi"}, data], purge=True)
    assert ("detach live", "disks.root") not in steps and set(pending) >= {"disks.root.bus", "disks.root.target"}
    live, defined = roots(domain)
    assert live.find("devices/disk/source").get("file") == f"{storage.path}/{name}-a.raw"
    assert {one.get("file") for one in defined.iterfind("devices/disk/source")} == {f"{storage.path}/{name}-{end}.raw" for end in "ab"}


def without_names(root):
    """The definition as it was before its devices were named."""
    for parent in root.findall("devices/*"):
        for alias in parent.findall("alias"):
            parent.remove(alias)
    return root


def test_a_disk_that_cannot_be_plugged_waits_and_comes_with_the_next_boot(machine, name, storage, edit, connection):
    domain = machine(disks=[{"name": "root", "size": "1MiB"}])
    steps, pending = edit(name=name, disks=[{"name": bus, "bus": bus, "size": "1MiB", "storage": storage.name} for bus in ("sata", "scsi")])
    assert set(pending) == {"disks.sata", "disks.scsi"} and ("edit", "definition") in steps
    assert [len(root.findall("devices/disk")) for root in roots(domain)] == [1, 3]
    domain.destroy()
    domain.createWithFlags(1)
    assert edit(changed=False, name=name) == ([], {})
    assert len(roots(domain)[0].findall("devices/disk")) == 3
