# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a disk, each set when it is made, changed, and taken away, and seen in libvirt's own XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

MIB = 2**20

# Per option: what is asked of the disk `data`, stage by stage, and where libvirt says so in its <disk>.
OPTIONS = {
    "defaults": [
        ({}, {"::device": "disk", "target::bus": "virtio", "driver::type": "qcow2", "driver::discard": "unmap", "driver::cache": None}),
        ({"serial": "x"}, {"target::bus": "virtio", "driver::discard": "unmap", "readonly": False, "shareable": False, "iotune": False}),
    ],
    "bus": [
        ({"bus": "scsi"}, {"target::bus": "scsi", "target::dev": "sda", "address::type": "drive"}),
        ({"bus": "virtio"}, {"target::bus": "virtio", "target::dev": "vdb", "address::type": "pci"}),
        ({"bus": "sata"}, {"target::bus": "sata", "target::dev": "sda", "address::type": "drive"}),
        ({"bus": "usb"}, {"target::bus": "usb", "target::dev": "sdb", "address::type": "usb"}),
    ],
    "cache": [
        ({"cache": "none"}, {"driver::cache": "none"}),
        ({"cache": "writeback"}, {"driver::cache": "writeback"}),
        ({"cache": "directsync"}, {"driver::cache": "directsync"}),
        ({"cache": "default"}, {"driver::cache": None}),
    ],
    "cache-more": [
        ({"cache": "writethrough"}, {"driver::cache": "writethrough"}),
        ({"cache": "unsafe"}, {"driver::cache": "unsafe"}),
    ],
    "discard": [
        ({"discard": "ignore"}, {"driver::discard": "ignore"}),
        ({"discard": "unmap"}, {"driver::discard": "unmap"}),
    ],
    "serial": [
        ({"serial": "WD-123 4.5_x+"}, {"serial": "WD-123 4.5_x+"}),
        ({"serial": "other"}, {"serial": "other"}),
        ({"serial": ""}, {"serial": None}),
    ],
    "read_only": [
        ({"read_only": True}, {"readonly": True}),
        ({"read_only": False}, {"readonly": False}),
        ({"read_only": True}, {"readonly": True}),
    ],
    "shareable": [
        ({"shareable": True, "format": "raw"}, {"shareable": True, "driver::type": "raw"}),
        ({"shareable": False}, {"shareable": False}),
        ({"shareable": True}, {"shareable": True}),
    ],
    "boot_order": [
        ({"boot_order": 1}, {"boot::order": "1"}),
        ({"boot_order": 3}, {"boot::order": "3"}),
        ({"boot_order": 0}, {"boot": False}),
    ],
    "iops": [
        ({"iops": 100}, {"iotune/total_iops_sec": "100"}),
        ({"iops": 200, "bandwidth": "1MiB"}, {"iotune/total_iops_sec": "200", "iotune/total_bytes_sec": str(MIB)}),
        ({"iops": 0}, {"iotune/total_iops_sec": None, "iotune/total_bytes_sec": str(MIB)}),
        ({"bandwidth": "0"}, {"iotune": False}),
    ],
    "read_iops": [
        ({"read_iops": 50, "write_iops": 60}, {"iotune/read_iops_sec": "50", "iotune/write_iops_sec": "60"}),
        ({"read_iops": 55}, {"iotune/read_iops_sec": "55", "iotune/write_iops_sec": "60"}),
        ({"read_iops": 0, "write_iops": 0}, {"iotune": False}),
        ({"iops": 70}, {"iotune/total_iops_sec": "70"}),
    ],
    "write_iops": [
        ({"write_iops": 60}, {"iotune/write_iops_sec": "60"}),
        ({"write_iops": 65}, {"iotune/write_iops_sec": "65", "iotune/read_iops_sec": None}),
        ({"write_iops": 0, "iops": 10}, {"iotune/write_iops_sec": None, "iotune/total_iops_sec": "10"}),
        ({"iops": 0, "write_iops": 5}, {"iotune/write_iops_sec": "5", "iotune/total_iops_sec": None}),
    ],
    "bandwidth": [
        ({"bandwidth": "10MiB"}, {"iotune/total_bytes_sec": str(10 * MIB)}),
        ({"bandwidth": "1MB"}, {"iotune/total_bytes_sec": "1000000"}),
        ({"bandwidth": "0"}, {"iotune": False}),
    ],
    "read_bandwidth": [
        ({"read_bandwidth": "2MiB"}, {"iotune/read_bytes_sec": str(2 * MIB)}),
        ({"read_bandwidth": "3MiB", "write_bandwidth": "4MiB"}, {"iotune/read_bytes_sec": str(3 * MIB), "iotune/write_bytes_sec": str(4 * MIB)}),
        ({"read_bandwidth": "0"}, {"iotune/read_bytes_sec": None, "iotune/write_bytes_sec": str(4 * MIB)}),
    ],
    "write_bandwidth": [
        ({"write_bandwidth": "524288"}, {"iotune/write_bytes_sec": "524288"}),
        ({"write_bandwidth": "1MiB"}, {"iotune/write_bytes_sec": str(MIB)}),
        ({"write_bandwidth": "0"}, {"iotune": False}),
    ],
}
STAGES = max(len(stages) for stages in OPTIONS.values())


def look(element, place, value):
    """What libvirt says at path or path::attribute, None where it says nothing; of a path that a bool is expected of, whether it is there."""
    path, _colons, attribute = place.partition("::")
    found = element.find(path) if path else element
    if isinstance(value, bool):
        return found is not None
    return None if found is None else found.get(attribute) if attribute else found.text


@pytest.fixture(scope="module")
def room(prefix, tmp_path_factory, connection, forget_pool):
    """The name of a storage for all machines of this file."""
    path = tmp_path_factory.mktemp("disks")
    name = f"{prefix}-disks"
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>").create()
    yield name
    forget_pool(name)


@pytest.fixture(scope="module")
def edited(prefix, room, ensure, connection, forget_vms):
    """{option: [(entry of the result, libvirt's <disk>) of each stage]}: all machines in one call a stage, all with another disk."""
    beginning, found = f"{prefix}-disk", {option: [] for option in OPTIONS}
    try:
        for stage in range(STAGES):
            wants = {option: stages[stage][0] for option, stages in OPTIONS.items() if stage < len(stages)}
            new = {"size": "1MiB", "storage": room} if not stage else {}
            vms = [{"name": f"{beginning}-{option}", "disks": [{"name": "root", **new}, {"name": "data", **new, **want}]} for option, want in wants.items()]
            done = ensure("intake_vm", vms=vms)
            for option, entry in zip(wants, done["resources"]):
                root = ET.fromstring(connection.lookupByName(f"{beginning}-{option}").XMLDesc(3))
                assert len(root.findall("devices/disk")) == 2
                found[option].append((entry, root.find("devices/disk/alias[@name='ua-data']/..")))
        yield found
    finally:
        forget_vms(beginning)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_set_changed_and_taken_away(option, edited):
    for (want, expected), (_entry, disk) in zip(OPTIONS[option], edited[option]):
        seen = {place: look(disk, place, value) for place, value in expected.items()}
        assert seen == expected, want


@pytest.mark.parametrize("option", OPTIONS)
def test_a_change_is_one_step_and_the_result_tells_what_is_there(option, edited):
    for (want, _expected), (entry, disk) in list(zip(OPTIONS[option], edited[option]))[1:]:
        assert [(step["verb"], step["name"]) for step in entry["steps"]] == [("edit", "definition")], want
        shown = entry["state"]["disks"]["data"]
        assert (shown["target"], shown["bus"]) == (disk.find("target").get("dev"), disk.find("target").get("bus"))
        assert shown["path"] == disk.find("source").get("file")
        plain = {key: value for key, value in want.items() if key.endswith("iops") or key in ("discard", "read_only", "shareable")}
        assert {key: shown.get(key) or 0 for key in plain} == plain


REFUSED = {
    "a total and a part": ([{"iops": 10, "read_iops": 5}], "invalid_limit"),
    "a total and a part of bytes": ([{"bandwidth": "1MiB", "write_bandwidth": "1MiB"}], "invalid_limit"),
    "a negative limit": ([{"iops": -1}], "invalid_limit"),
    "a limit that is no size": ([{"bandwidth": "fast"}], "invalid_size"),
    "a serial with markup": ([{"serial": "<b>&'\""}], "invalid_serial"),
    "a serial with a line": ([{"serial": "a\nb"}], "invalid_serial"),
    "a serial too long": ([{"serial": "x" * 37}], "invalid_serial"),
    "an order below one": ([{"boot_order": -1}], "invalid_boot_order"),
    "an order twice": ([{"name": "a", "boot_order": 1}, {"name": "b", "boot_order": 1}], "duplicate_boot_order"),
    "a name twice": ([{"name": "a"}, {"name": "a"}], "duplicate_name"),
    "a volume twice": ([{"name": "a", "volume": "x.qcow2"}, {"name": "b", "volume": "x.qcow2"}], "volume_in_use"),
    "ide on q35": ([{"bus": "ide"}], "invalid_bus"),
    "read-only on sata": ([{"bus": "sata", "read_only": True}], "invalid_bus"),
    "a cdrom on virtio": ([{"device": "cdrom", "bus": "virtio", "size": None}], "invalid_bus"),
    "a cdrom with a size": ([{"device": "cdrom"}], "invalid_cdrom"),
    "a name libvirt drops": ([{"name": "a.b"}], "invalid_name"),
    "a name with markup": ([{"name": "<b>&'\""}], "invalid_name"),
    "a path as name": ([{"name": "../x"}], "invalid_name"),
    "a path as volume": ([{"volume": "../x"}], "invalid_name"),
    "a path as image": ([{"image": "a/b"}], "invalid_name"),
    "no such image": ([{"image": "nowhere.qcow2"}], "image_not_found"),
    "no such storage": ([{"storage": "nowhere"}], "storage_not_found"),
    "no such volume": ([{"volume": "nowhere.qcow2", "size": None}], "volume_not_found"),
    "the name of the seed": ([{"name": "cloud-init"}], "reserved_name"),
    "deleted while present": ([{"remove": True}], "invalid_remove"),
}


@pytest.fixture(scope="module")
def refusals(prefix, room, run_module):
    """{what: (reason, sentence)} of new machines in one call, in check mode and without it."""
    vms = [
        {"name": f"{prefix}-no {what}", "disks": [{"name": "data", "size": "1MiB", "storage": room, **disk} for disk in disks]}
        for what, (disks, _reason) in REFUSED.items()
    ]
    results = [run_module("intake_vm", check, vms=vms) for check in (True, False)]
    assert all("resources" in result for result in results), results[0]["msg"]
    found = [{what: (entry["reason"], entry["error"]) for what, entry in zip(REFUSED, result["resources"])} for result in results]
    for what, (reason, sentence) in found[0].items():  # which storages there are may change between both: others test too
        assert (reason, sentence.partition(" (there are: ")[0]) == (found[1][what][0], found[1][what][1].partition(" (there are: ")[0])
    assert not results[1]["changed"]
    return found[0]


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_refused(what, refusals, prefix):
    reason, sentence = refusals[what]
    assert (reason, sentence.partition(": ")[0]) == (REFUSED[what][1], f"vm {prefix}-no {what}"), sentence
