# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain made by somebody else, edited field by field: exactly what is said changes, and only once."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.intake.vms.plugins.module_utils import lens
from ansible_collections.intake.vms.plugins.module_utils.resources.vm import description, disks, interfaces

GOLDEN = (pathlib.Path(__file__).parent / "golden" / "virt_install.xml").read_text()
DISK = {"state": "present"}


def edit(want):
    """The differences an edit makes, and the edited root."""
    before, root = description.read(lens.parse(GOLDEN)), lens.parse(GOLDEN)
    description.write(root, {"name": "legacy", **want})
    return description.differences(before, description.read(root)), root


EDITS = [
    ({"memory": 4 << 30}, {"memory": (2 << 30, 4 << 30), "maximum_memory": (2 << 30, 4 << 30)}),
    ({"memory": 1 << 30, "maximum_memory": 2 << 30}, {"memory": (2 << 30, 1 << 30)}),
    ({"maximum_memory": 8 << 30}, {"maximum_memory": (2 << 30, 8 << 30)}),
    ({"cpus": 4}, {"cpus": (2, 4), "maximum_cpus": (2, 4)}),
    ({"cpus": 1, "maximum_cpus": 4}, {"cpus": (2, 1), "maximum_cpus": (2, 4)}),
    (
        {"topology": {"sockets": 1, "cores": 2, "threads": 1}},
        {"topology": (None, {"sockets": 1, "cores": 2, "threads": 1})},
    ),
    ({"cpu_mode": "maximum"}, {"cpu_mode": ("custom", "maximum"), "cpu_model": ("qemu64", None)}),
    ({"cpu_mode": "custom", "cpu_model": "Nehalem"}, {"cpu_model": ("qemu64", "Nehalem")}),
    ({"machine": "q35"}, {}),
    ({"machine": "pc"}, {"machine": ("pc-q35-7.2", "pc")}),
    ({"firmware": "uefi"}, {"firmware": ("bios", "uefi")}),
    ({"firmware": "uefi", "secure_boot": True}, {"firmware": ("bios", "uefi"), "secure_boot": (False, True)}),
    ({"firmware": "bios"}, {}),
    ({"kernel": "/boot/vmlinuz", "cmdline": "quiet"}, {"kernel": (None, "/boot/vmlinuz"), "cmdline": (None, "quiet")}),
    ({"description": "a <b> & c"}, {"description": (None, "a <b> & c")}),
    ({"labels": {"tier": "web"}}, {"labels": ({}, {"tier": "web"})}),
    ({"virt_type": "kvm"}, {"virt_type": ("qemu", "kvm")}),
    ({"console": False}, {"console": (True, False)}),
    ({"agent": False}, {"agent": (True, False)}),
    ({"rng": False}, {"rng": (True, False)}),
    ({"tpm": True}, {"tpm": (False, True)}),
    ({"graphics": {"type": "vnc", "password": "other"}}, {"graphics.password": ("hunter22", "other")}),
    ({"graphics": {"type": "vnc", "listen": "0.0.0.0"}}, {"graphics.listen": ("127.0.0.1", "0.0.0.0")}),
    ({"graphics": {"type": "vnc", "port": 5901}}, {"graphics.port": (None, 5901)}),
    ({"graphics": {"type": "spice"}}, {"graphics.type": ("vnc", "spice")}),
    ({"disks": [{**DISK, "name": "vda", "cache": "writeback"}]}, None),
    ({"disks": [{**DISK, "name": "vda", "bus": "scsi"}]}, None),
    ({"interfaces": [{"name": "52:54:00:11:22:33", "state": "present", "link": "down"}]}, None),
]


@pytest.mark.parametrize("want, expected", EDITS, ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_what_is_said_changes_and_a_second_time_nothing(want, expected):
    changes, root = edit(want)
    if expected is not None:
        assert changes == expected
    else:
        assert changes
    once = lens.dump(root)
    description.write(root, {"name": "legacy", **want})
    assert lens.dump(root) == once


def test_an_empty_want_leaves_the_document_alone():
    changes, root = edit({})
    assert changes == {}
    assert lens.dump(root) == lens.dump(lens.parse(GOLDEN))


def test_what_others_wrote_stays():
    _changes, root = edit({"memory": 4 << 30, "description": "mine", "labels": {"a": "b"}})
    text = lens.dump(root)
    for kept in ("libosinfo", "vmport", "tickpolicy", "suspend-to-mem", "pcid"):
        assert kept in text


def test_emptied_text_is_taken_away():
    root = lens.parse(GOLDEN)
    description.write(root, {"name": "legacy", "description": "x", "kernel": "/k"})
    description.write(root, {"name": "legacy", "description": "", "kernel": ""})
    assert lens.dump(root) == lens.dump(lens.parse(GOLDEN))


def test_an_adopted_disk_is_found_by_its_file_and_named():
    changes, root = edit({"disks": [{**DISK, "name": "root", "path": "/srv/lab/legacy.qcow2", "format": "qcow2"}]})
    assert set(changes) == {"disks.root", "disks.vda"}
    assert len(root.findall("devices/disk")) == 2
    assert root.find("devices/disk/alias").get("name") == "ua-root"


def test_a_disk_that_changes_bus_loses_its_address_and_gets_a_virtio_scsi_controller():
    _changes, root = edit({"disks": [{**DISK, "name": "vda", "bus": "scsi"}]})
    element = root.find("devices/disk[@device='disk']")
    assert element.find("address") is None
    assert dict(element.find("target").attrib) == {"dev": "sdb", "bus": "scsi"}
    assert root.find("devices/controller[@type='scsi']").get("model") == "virtio-scsi"


def test_disks_not_listed_stay_unless_purged():
    new = {**DISK, "name": "data", "path": "/srv/lab/data.raw", "format": "raw"}
    changes, root = edit({"disks": [new]})
    assert set(changes) == {"disks.data"} and len(root.findall("devices/disk")) == 3
    changes, root = edit({"disks": [new], "purge": True})
    assert set(changes) == {"disks.data", "disks.vda", "disks.sda"} and len(root.findall("devices/disk")) == 1


def test_limits_are_set_and_taken_away_by_zero():
    limited = {"disks": [{**DISK, "name": "vda", "iops": 100, "bandwidth": "10MiB"}]}
    changes, root = edit(limited)
    assert changes == {"disks.vda.iops": (None, 100), "disks.vda.bandwidth": (None, 10 << 20)}
    description.write(root, {"name": "legacy", "disks": [{**DISK, "name": "vda", "iops": 0, "bandwidth": "0"}]})
    assert root.find("devices/disk/iotune") is None


def test_a_cdrom_changes_and_loses_its_medium():
    changes, root = edit({"disks": [{**DISK, "name": "sda", "device": "cdrom", "path": "/srv/lab/b.iso", "format": "raw"}]})
    assert changes == {"disks.sda.path": ("/srv/lab/tools.iso", "/srv/lab/b.iso")}
    description.write(root, {"name": "legacy", "disks": [{**DISK, "name": "sda", "device": "cdrom", "path": ""}]})
    assert disks.read(root)["sda"]["path"] is None


def test_an_interface_without_a_name_is_adopted_when_only_one_fits():
    changes, root = edit({"interfaces": [{"name": "lan", "state": "present", "network": "default", "vlan": 7}]})
    assert set(changes) == {"interfaces.lan", "interfaces.52:54:00:11:22:33"}
    assert interfaces.read(root)["lan"]["mac"] == "52:54:00:11:22:33"
    assert interfaces.read(root)["lan"]["vlan"] == 7


def test_absent_devices_go_and_unknown_ones_are_no_change():
    changes, _root = edit({"disks": [{"name": "sda", "state": "absent"}, {"name": "nowhere", "state": "absent"}]})
    assert list(changes) == ["disks.sda"]


def test_a_boot_order_replaces_the_list_in_os():
    changes, root = edit({"disks": [{**DISK, "name": "vda", "boot_order": 1}]})
    assert changes == {"disks.vda.boot_order": (None, 1)}
    assert root.find("os/boot") is None


def test_names_given_while_a_domain_runs_reach_its_live_devices():
    live, config = lens.parse(GOLDEN), lens.parse(GOLDEN)
    description.write(config, {"name": "legacy", "disks": [{**DISK, "name": "root", "path": "/srv/lab/legacy.qcow2"}]})
    description.align(live, config)
    assert description.differences(description.read(live), description.read(config)) == {}


def test_graphics_keep_their_protocol_unless_another_is_said():
    root = lens.parse(GOLDEN)
    description.write(root, {"name": "legacy", "graphics": {"type": "spice"}})
    description.write(root, {"name": "legacy", "graphics": {"listen": "0.0.0.0"}})
    assert description.read(root)["graphics"] == {"type": "spice", "listen": "0.0.0.0", "port": None, "password": "hunter22"}


def test_passwords_never_reach_a_diff():
    changes, _root = edit({"graphics": {"type": "vnc", "password": "other"}})
    assert "other" not in str(description.shown(changes)) and "hunter22" not in str(description.shown(changes))
    removed = description.shown(description.differences(description.read(lens.parse(GOLDEN)), {}))
    assert "hunter22" not in str(removed)
