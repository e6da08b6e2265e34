# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files behind disks: found, made from nothing or an image, grown, exchanged, taken away; and media of cdroms."""

from __future__ import annotations

import json
import os
import subprocess
from xml.etree import ElementTree as ET

import pytest

MIB = 2**20


@pytest.fixture
def name(forget_vms, unique, storage):
    """A name whose machines go away before their storage does."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def disk_of(connection):
    """disk_of(machine, disk) -> libvirt's <disk>, None where it has none."""

    def find(vm, disk):
        root = ET.fromstring(connection.lookupByName(vm).XMLDesc(3))
        return root.find(f"devices/disk/alias[@name='ua-{disk}']/..")

    return find


@pytest.fixture
def image(storage, unique, folder, run_module):
    """An image `<unique>.qcow2` of 4 MiB in the storage."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{folder}/golden.qcow2", "4M"], check=True)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 1M", f"{folder}/golden.qcow2"], check=True, capture_output=True)
    done = run_module("intake_image", name=f"{unique}.qcow2", storage=storage.name, path=f"{folder}/golden.qcow2")
    assert done["changed"], done
    return f"{unique}.qcow2"


@pytest.fixture
def isos(storage, connection):
    """Two files in the storage that can be media."""
    for name in ("one.iso", "two.iso"):
        with open(f"{storage.path}/{name}", "wb") as file:
            file.truncate(MIB)
    connection.storagePoolLookupByName(storage.name).refresh()
    return f"{storage.path}/one.iso", f"{storage.path}/two.iso"


def facts(path):
    """(format, virtual size, backing file) of a disk file."""
    told = json.loads(subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True).stdout)
    return told["format"], told["virtual-size"], told.get("full-backing-filename")


def test_new_disks_are_made_from_nothing(name, storage, ensure, disk_of):
    """Each is a volume named after the machine, or as the task names it."""
    disks = [
        {"name": "root", "size": "2MiB"},
        {"name": "data", "size": "3MiB", "format": "raw"},
        {"name": "named", "size": "1MiB", "volume": f"{name}-other.raw", "format": "raw"},
    ]
    done = ensure("intake_vm", name=name, disks=[{"storage": storage.name, **disk} for disk in disks])
    paths = {disk: disk_of(name, disk).find("source").get("file") for disk in ("root", "data", "named")}
    assert paths == {disk: f"{storage.path}/{name}-{end}" for disk, end in (("root", "root.qcow2"), ("data", "data.raw"), ("named", "other.raw"))}
    assert [facts(path)[:2] for path in paths.values()] == [("qcow2", 2 * MIB), ("raw", 3 * MIB), ("raw", MIB)]
    assert [disk_of(name, disk).find("driver").get("type") for disk in paths] == ["qcow2", "raw", "raw"]
    assert len({disk_of(name, disk).findtext("serial") for disk in paths}) == 3
    assert [step["verb"] for step in done["resources"][0]["steps"]] == ["create"] * 3 + ["define"]


def test_a_rebuilt_machine_is_the_same_to_its_guest(name, storage, ensure, connection):
    want = {"name": name, "disks": [{"name": "root", "size": "1MiB", "storage": storage.name}], "interfaces": [{"name": "lan", "user": True}]}
    ensure("intake_vm", **want)
    before = ET.fromstring(connection.lookupByName(name).XMLDesc(3))
    ensure("intake_vm", name=name, state="absent")
    ensure("intake_vm", **want)
    after = ET.fromstring(connection.lookupByName(name).XMLDesc(3))
    for path in ("uuid", "devices/disk/serial"):
        assert before.findtext(path) == after.findtext(path)
    assert before.find("devices/interface/mac").attrib == after.find("devices/interface/mac").attrib


def test_disks_from_an_image(name, storage, image, ensure, disk_of):
    """Linked, full and automatic; grown to the size asked for, then grown again, and never shrunk or made again."""
    source = {"image": image, "storage": storage.name}
    disks = [{"name": clone, "clone": clone, "size": "8MiB", **source} for clone in ("linked", "full", "auto")] + [{"name": "plain", **source}]
    ensure("intake_vm", name=name, disks=disks)
    found = {disk["name"]: facts(disk_of(name, disk["name"]).find("source").get("file")) for disk in disks}
    assert found["linked"] == ("qcow2", 8 * MIB, f"{storage.path}/{image}")
    assert found["full"] == ("qcow2", 8 * MIB, None) and found["plain"][1] == 4 * MIB
    assert found["auto"][2] is None
    for disk in disks[:2]:
        path = disk_of(name, disk["name"]).find("source").get("file")
        subprocess.run(["qemu-io", "-c", "read -P 7 0 1M", path], check=True, capture_output=True)
    done = ensure("intake_vm", name=name, disks=[{"name": "linked", "size": "16MiB"}, {"name": "full", "size": "16MiB", **source}])
    assert [step["name"] for step in done["resources"][0]["steps"]] == ["disks.linked.size", "disks.full.size"]
    assert facts(disk_of(name, "linked").find("source").get("file"))[1] == 16 * MIB


def test_a_disk_is_never_shrunk(name, storage, ensure, refuse):
    ensure("intake_vm", name=name, disks=[{"name": "root", "size": "2MiB", "storage": storage.name}])
    sentence = refuse("intake_vm", "shrink_refused", name=name, memory="512MiB", disks=[{"name": "root", "size": "1MiB"}])
    assert sentence.startswith(f"vm {name}: disk root: ")


def test_an_existing_volume_is_used_and_exchanged(name, storage, ensure, disk_of, run_module):
    volumes = [f"{name}-{end}" for end in ("a.qcow2", "b.raw")]
    made = run_module("intake_volume", volumes=[{"name": one, "format": one.rpartition(".")[2]} for one in volumes], size="1MiB", storage=storage.name)
    assert made["changed"], made
    for volume, kind in zip(volumes, ("qcow2", "raw")):
        ensure("intake_vm", name=name, disks=[{"name": "data", "volume": volume, "storage": storage.name}])
        disk = disk_of(name, "data")
        assert (disk.find("source").get("file"), disk.find("driver").get("type")) == (f"{storage.path}/{volume}", kind)
        assert disk.find("target").get("dev") == "vda"
    assert os.path.exists(f"{storage.path}/{volumes[0]}")


def test_a_disk_is_taken_away_and_its_volume_only_when_said(name, storage, ensure, disk_of):
    ensure("intake_vm", name=name, disks=[{"name": one, "size": "1MiB", "storage": storage.name} for one in ("kept", "gone", "root")])
    ensure("intake_vm", name=name, disks=[{"name": "kept", "state": "absent"}])
    done = ensure("intake_vm", name=name, disks=[{"name": "gone", "state": "absent", "remove": True}, {"name": "never", "state": "absent", "remove": True}])
    assert [(step["verb"], step["risk"]) for step in done["resources"][0]["steps"]] == [("edit", "live"), ("delete", "destructive")]
    assert disk_of(name, "kept") is None and disk_of(name, "gone") is None and disk_of(name, "root") is not None
    assert sorted(file for file in os.listdir(storage.path) if file.startswith(name)) == [f"{name}-kept.qcow2", f"{name}-root.qcow2"]


def test_purge_takes_unlisted_disks_and_interfaces_where_their_list_is_given(name, storage, ensure, connection):
    lists = {"disks": [{"name": one, "size": "1MiB", "storage": storage.name} for one in "ab"], "interfaces": [{"name": one, "user": True} for one in "cd"]}
    ensure("intake_vm", name=name, **lists)
    ensure("intake_vm", changed=False, name=name, disks=lists["disks"][:1], interfaces=lists["interfaces"][:1])
    ensure("intake_vm", changed=False, name=name, purge=True)
    ensure("intake_vm", name=name, purge=True, disks=lists["disks"][:1])
    root = ET.fromstring(connection.lookupByName(name).XMLDesc(3))
    assert (len(root.findall("devices/disk")), len(root.findall("devices/interface"))) == (1, 2)
    ensure("intake_vm", name=name, purge=True, interfaces=[])
    root = ET.fromstring(connection.lookupByName(name).XMLDesc(3))
    assert (len(root.findall("devices/disk")), len(root.findall("devices/interface"))) == (1, 0)
    assert os.path.exists(f"{storage.path}/{name}-b.qcow2")


def test_media_of_a_cdrom(name, storage, isos, ensure, disk_of):
    """Put in, exchanged, taken out, put in again, and the drive taken away; the file stays."""
    cdrom = {"name": "media", "device": "cdrom", "storage": storage.name}
    for medium, path in (("one.iso", isos[0]), ("two.iso", isos[1]), ("", None), ("one.iso", isos[0])):
        ensure("intake_vm", name=name, disks=[{**cdrom, "volume": medium}])
        disk = disk_of(name, "media")
        source = disk.find("source")
        assert (source.get("file") if source is not None else None) == path
        assert (disk.get("device"), disk.find("target").get("bus"), disk.find("readonly") is not None) == ("cdrom", "sata", True)
    ensure("intake_vm", changed=False, name=name, disks=[{"name": "media", "device": "cdrom"}])
    ensure("intake_vm", name=name, disks=[{"name": "media", "bus": "scsi"}, {"name": "empty", "device": "cdrom", "volume": ""}])
    assert disk_of(name, "media").find("target").get("bus") == "scsi" and disk_of(name, "empty").find("source") is None
    ensure("intake_vm", name=name, disks=[{"name": "media", "state": "absent"}])
    assert disk_of(name, "media") is None and all(os.path.exists(path) for path in isos)


def test_a_cdrom_takes_an_image_and_boots_after_the_disk(name, storage, isos, ensure, disk_of, connection):
    ensure("intake_vm", name=name, disks=[{"name": "media", "device": "cdrom", "image": "one.iso", "storage": storage.name}])
    assert disk_of(name, "media").find("source").get("file") == isos[0]
    root = ET.fromstring(connection.lookupByName(name).XMLDesc(3))
    assert [boot.get("dev") for boot in root.findall("os/boot")] == ["hd", "cdrom"]


def test_one_volume_is_written_by_one_machine(name, storage, ensure, refuse, disk_of):
    """Another may have it read-only or when both share it."""
    shared = {"name": "data", "volume": f"{name}.raw", "format": "raw", "size": "1MiB", "storage": storage.name}
    both = [{"name": f"{name}-a"}, {"name": f"{name}-b"}]
    assert "is asked for by vm" in refuse("intake_vm", "volume_in_use", vms=both, disks=[shared])
    ensure("intake_vm", name=f"{name}-a", disks=[shared])
    assert f"is used by vm {name}-a" in refuse("intake_vm", "volume_in_use", name=f"{name}-b", disks=[shared])
    refuse("intake_vm", "volume_in_use", name=f"{name}-a", disks=[{**shared, "name": "twice"}])
    ensure("intake_vm", name=f"{name}-b", disks=[{**shared, "read_only": True}])
    ensure("intake_vm", vms=both, disks=[{**shared, "shareable": True, "read_only": False}])
    assert all(disk_of(f"{name}-{end}", "data").find("shareable") is not None for end in "ab")
