# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar options of a machine, each set when it is made, changed, and taken away, and seen in libvirt's own XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

INACTIVE_SECURE = 3
MIB, GIB = 1024, 1024 * 1024  # in libvirt's KiB
LABEL = "metadata/{urn:intake:vms:1}vm/*"
SECURE_FEATURE = "os/firmware/feature[@name='secure-boot']::enabled"

# Per option: what is asked, stage by stage, and where libvirt says so (path, or path::attribute; None: it is not there).
OPTIONS = {
    "defaults": [
        ({}, {"memory": str(GIB), "currentMemory": str(GIB), "vcpu": "1", "os/type::machine": "pc-q35-", "::type": "qemu", "cpu::mode": "maximum"}),
        ({"description": "now it is"}, {"description": "now it is", "memory": str(GIB), "vcpu": "1"}),
    ],
    "description": [
        ({"description": "first"}, {"description": "first"}),
        ({"description": "second\nline"}, {"description": "second\nline"}),
        ({"description": ""}, {"description": None}),
    ],
    "labels": [
        ({"labels": {"tier": "web", "rack": 7}}, {f"{LABEL}[@key='tier']": "web", f"{LABEL}[@key='rack']": "7"}),
        ({"labels": {"rack": 8}}, {f"{LABEL}[@key='tier']": None, f"{LABEL}[@key='rack']": "8"}),
        ({"labels": {}}, {"metadata": None}),
    ],
    "cpus": [
        ({"cpus": 2}, {"vcpu": "2", "vcpu::current": None}),
        ({"cpus": 4}, {"vcpu": "4", "vcpu::current": None}),
        ({"cpus": 1}, {"vcpu": "1", "vcpu::current": None}),
    ],
    "maximum_cpus": [
        ({"cpus": 1, "maximum_cpus": 4}, {"vcpu": "4", "vcpu::current": "1"}),
        ({"cpus": 3}, {"vcpu": "4", "vcpu::current": "3"}),
        ({"maximum_cpus": 8}, {"vcpu": "8", "vcpu::current": "3"}),
    ],
    "topology": [
        ({"topology": {"sockets": 1, "cores": 2, "threads": 1}}, {"vcpu": "2", "cpu/topology::cores": "2", "cpu/topology::sockets": "1"}),
        ({"topology": {"sockets": 2, "cores": 1, "threads": 2}}, {"vcpu": "4", "cpu/topology::sockets": "2", "cpu/topology::threads": "2"}),
        ({"cpus": 3}, {"vcpu": "4", "vcpu::current": "3", "cpu/topology::sockets": "2"}),
        ({"cpus": 6}, {"vcpu": "6", "vcpu::current": None, "cpu/topology": None}),
    ],
    "cpu_mode": [
        ({"cpu_mode": "maximum"}, {"cpu::mode": "maximum"}),
        ({"cpu_mode": "host-model"}, {"cpu::mode": "host-model"}),
        ({"cpu_mode": "maximum", "topology": {"sockets": 1, "cores": 1, "threads": 1}}, {"cpu::mode": "maximum", "cpu/topology::cores": "1"}),
        ({"cpu_mode": "custom", "cpu_model": "Nehalem"}, {"cpu::mode": "custom", "cpu/model": "Nehalem", "cpu/topology::cores": "1"}),
    ],
    "cpu_model": [
        ({"cpu_model": "Nehalem"}, {"cpu::mode": "custom", "cpu/model": "Nehalem"}),
        ({"cpu_model": "qemu64"}, {"cpu::mode": "custom", "cpu/model": "qemu64"}),
        ({"cpu_mode": "custom"}, {"cpu::mode": "custom", "cpu/model": "qemu64"}),
        ({"cpu_mode": "maximum"}, {"cpu::mode": "maximum", "cpu/model": None}),
    ],
    "memory": [
        ({"memory": "256MiB"}, {"memory": str(256 * MIB), "currentMemory": str(256 * MIB)}),
        ({"memory": "2G"}, {"memory": str(2 * GIB), "currentMemory": str(2 * GIB)}),
        ({"memory": "134217728"}, {"memory": str(128 * MIB), "currentMemory": str(128 * MIB)}),
    ],
    "maximum_memory": [
        ({"memory": "256MiB", "maximum_memory": "512MiB"}, {"memory": str(512 * MIB), "currentMemory": str(256 * MIB)}),
        ({"memory": "384MiB"}, {"memory": str(512 * MIB), "currentMemory": str(384 * MIB)}),
        ({"maximum_memory": "1GiB"}, {"memory": str(GIB), "currentMemory": str(384 * MIB)}),
    ],
    "maximum_memory-alone": [
        ({"maximum_memory": "512MiB"}, {"memory": str(512 * MIB), "currentMemory": str(512 * MIB)}),
        ({"memory": "1GiB"}, {"memory": str(GIB), "currentMemory": str(GIB)}),
    ],
    "machine": [
        ({"machine": "pc"}, {"os/type::machine": "pc-i440fx-", "devices/controller[@model='pcie-root']": None}),
        ({"machine": "q35"}, {"os/type::machine": "pc-q35-", "devices/controller[@model='pci-root']": None}),
        ({"machine": "pc-q35-6.2"}, {"os/type::machine": "pc-q35-6.2"}),
    ],
    "firmware": [
        ({"firmware": "uefi"}, {"os::firmware": "efi", SECURE_FEATURE: "no"}),
        ({"firmware": "bios"}, {"os::firmware": None, "os/loader": None, "os/firmware": None, "os/nvram": None}),
        ({"firmware": "uefi"}, {"os::firmware": "efi"}),
    ],
    "secure_boot": [
        ({"firmware": "uefi", "secure_boot": True}, {"os::firmware": "efi", SECURE_FEATURE: "yes", "features/smm::state": "on"}),
        ({"secure_boot": False}, {"os::firmware": "efi", SECURE_FEATURE: "no"}),
        ({"secure_boot": True}, {"os::firmware": "efi", SECURE_FEATURE: "yes"}),
    ],
    "tpm": [
        ({"tpm": True}, {"devices/tpm/backend::version": "2.0", "devices/tpm/backend::type": "emulator"}),
        ({"tpm": False}, {"devices/tpm": None}),
        ({"tpm": True}, {"devices/tpm/backend::version": "2.0"}),
    ],
    "kernel": [
        (
            {"kernel": "/boot/a", "initrd": "/boot/b", "cmdline": "quiet  <x> & 'y'"},
            {"os/kernel": "/boot/a", "os/initrd": "/boot/b", "os/cmdline": "quiet  <x> & 'y'"},
        ),
        ({"kernel": "/boot/c", "initrd": "/boot/d", "cmdline": "x"}, {"os/kernel": "/boot/c", "os/initrd": "/boot/d", "os/cmdline": "x"}),
        ({"initrd": "", "cmdline": ""}, {"os/kernel": "/boot/c", "os/initrd": None, "os/cmdline": None}),
        ({"initrd": "/boot/d", "cmdline": "y"}, {"os/kernel": "/boot/c", "os/initrd": "/boot/d", "os/cmdline": "y"}),
        ({"kernel": ""}, {"os/kernel": None, "os/initrd": None, "os/cmdline": None}),
    ],
}
THE_SAME = [{"cpu_mode": "custom"}]
STAGES = max(len(stages) for stages in OPTIONS.values())


def look(root, place):
    """The value at path or path::attribute, as libvirt says it; None where there is none."""
    path, _colons, attribute = place.partition("::")
    element = root.find(path) if path else root
    return None if element is None else element.get(attribute) if attribute else element.text


@pytest.fixture(scope="module")
def edited(prefix, ensure, connection, forget_vms):
    """{option: [(entry of the result, libvirt's XML) of each stage]}: all machines in one call a stage."""
    beginning, found = f"{prefix}-option", {option: [] for option in OPTIONS}
    try:
        for stage in range(STAGES):
            wants = {option: stages[stage][0] for option, stages in OPTIONS.items() if stage < len(stages)}
            done = ensure("intake_vm", vms=[{"name": f"{beginning}-{option}", **want} for option, want in wants.items()])
            for option, entry in zip(wants, done["resources"]):
                xml = connection.lookupByName(f"{beginning}-{option}").XMLDesc(INACTIVE_SECURE)
                found[option].append((entry, ET.fromstring(xml)))
        yield found
    finally:
        forget_vms(beginning)


def says(seen, expected):
    """True where libvirt says what is expected; a machine type is an exact version of the alias that was asked for."""
    return seen == expected or bool(seen and expected and expected.endswith("-") and seen.startswith(expected))


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_set_changed_and_taken_away(option, edited):
    for (want, expected), (_entry, root) in zip(OPTIONS[option], edited[option]):
        seen = {place: look(root, place) for place in expected}
        assert all(says(seen[place], value) for place, value in expected.items()), (want, seen)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_change_is_one_step_and_no_change_is_none(option, edited):
    for stage, ((want, _expected), (entry, _root)) in enumerate(zip(OPTIONS[option], edited[option])):
        verbs = [(step["verb"], step["name"]) for step in entry["steps"]]
        assert verbs == ([] if want in THE_SAME else [("edit" if stage else "define", "definition")]), want
        assert (entry["changed"], entry["error"], entry["pending"]) == (bool(verbs), None, [])


def test_virt_type(unique, connection, ensure, refuse, forget_vms):
    """KVM's own CPU does not outlive it, and `auto` decides for a new machine only."""
    offered = "<domain type='kvm'" in connection.getCapabilities()
    try:
        for kind in ("kvm", "qemu", "kvm", "qemu") if offered else ("qemu",):
            ensure("intake_vm", name=unique, virt_type=kind)
            assert look(ET.fromstring(connection.lookupByName(unique).XMLDesc(2)), "::type") == kind
        ensure("intake_vm", changed=False, name=unique, virt_type="auto")
        if not offered:
            refuse("intake_vm", "invalid_machine", name=unique, virt_type="kvm")
    finally:
        forget_vms(unique)
