# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that others made, with elements we do not own: what is not asked for stays, to the letter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "unit" / "golden" / "virt_install.xml"
SECURE_INACTIVE = 3
FOREIGN = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <title>kept title</title>
  <metadata>
    <app:owner xmlns:app='http://app.example/1' since='2020'><app:team>blue &amp; green</app:team></app:owner>
    <other:x xmlns:other='urn:other'/>
  </metadata>
  <memory unit='MiB'>512</memory>
  <memoryBacking><nosharepages/></memoryBacking>
  <vcpu placement='static' cpuset='0-1' current='2'>4</vcpu>
  <vcpus>
    <vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='1' enabled='yes' hotpluggable='yes'/>
    <vcpu id='2' enabled='no' hotpluggable='yes'/><vcpu id='3' enabled='no' hotpluggable='yes'/>
  </vcpus>
  <memtune><hard_limit unit='KiB'>2097152</hard_limit></memtune>
  <cputune><shares>512</shares><vcpupin vcpu='0' cpuset='0'/></cputune>
  <blkiotune><weight>500</weight></blkiotune>
  <sysinfo type='smbios'><system><entry name='manufacturer'>Kept</entry></system></sysinfo>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/><bootmenu enable='yes' timeout='3000'/><smbios mode='sysinfo'/></os>
  <features><acpi/><apic eoi='on'/><hyperv mode='custom'><relaxed state='on'/></hyperv><pmu state='off'/></features>
  <cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model><feature policy='disable' name='svm'/></cpu>
  <clock offset='timezone' timezone='Europe/Berlin'><timer name='rtc' tickpolicy='catchup'/></clock>
  <on_reboot>destroy</on_reboot>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='file' device='disk' snapshot='no'>
      <driver name='qemu' type='raw' io='threads' error_policy='stop'/><source file='/var/tmp/{name}.raw'/><target dev='vda' bus='virtio'/>
      <iotune><total_bytes_sec>1000000</total_bytes_sec><total_bytes_sec_max>2000000</total_bytes_sec_max></iotune><blockio logical_block_size='4096'/>
    </disk>
    <interface type='user'><mac address='52:54:00:00:aa:01'/><model type='virtio'/><rom bar='off'/></interface>
    <filesystem type='mount' accessmode='mapped'><source dir='/var/tmp'/><target dir='share'/></filesystem>
    <input type='tablet' bus='usb'/>
    <video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='2'/></video>
    <watchdog model='i6300esb' action='pause'/>
    <memballoon model='virtio' autodeflate='on'><stats period='5'/></memballoon>
  </devices>
  <seclabel type='none' model='dac'/>
  <qemu:commandline><qemu:arg value='-name'/><qemu:arg value='{name},debug-threads=on'/><qemu:env name='KEPT' value='1'/></qemu:commandline>
</domain>"""

# Edits of that machine, and the elements each may touch; every other must be the same afterwards.
EDITS = {
    "description": ({"description": "mine"}, ["description"]),
    "labels": ({"labels": {"a": "b"}}, ["metadata/{urn:intake:vms:1}vm"]),
    "memory": ({"memory": "256MiB"}, ["memory", "currentMemory"]),
    "cpus": ({"cpus": 3}, ["vcpu", "vcpus"]),
    "maximum_cpus": ({"maximum_cpus": 2}, ["vcpu", "vcpus"]),
    "cpu_model": ({"cpu_model": "Nehalem"}, ["cpu/model"]),
    "kernel": ({"kernel": "/boot/x"}, ["os/kernel"]),
    "disk": ({"disks": [{"name": "vda", "cache": "none", "iops": 50}]}, ["devices/disk"]),
    "interface": ({"interfaces": [{"name": "52:54:00:00:aa:01", "link": "down"}]}, ["devices/interface"]),
    "limit": ({"disks": [{"name": "vda", "bandwidth": "1500000"}]}, ["devices/disk/iotune/total_bytes_sec", "devices/disk/alias"]),
    "console": ({"console": True}, ["devices/serial", "devices/console"]),
    "no graphics": ({"graphics": {"type": "none"}, "description": "x"}, ["description"]),
    "rng": ({"rng": True, "agent": True}, ["devices/rng", "devices/channel", "devices/controller"]),
}


@pytest.fixture
def name(forget_vms, unique):
    """A name whose machines go away."""
    yield unique
    forget_vms(unique)


def canonical(text, *without):
    """The document without some elements, written so that only what matters differs."""
    root = ET.fromstring(text)
    for path in without:
        for element in root.findall(path):
            parent = next(one for one in root.iter() if element in one)
            parent.remove(element)
            if parent.tag == "metadata" and not len(parent):
                root.remove(parent)
    return ET.canonicalize(ET.tostring(root, encoding="unicode"), strip_text=True)


@pytest.fixture(scope="module")
def edited(prefix, connection, ensure, forget_vms):
    """{edit: (XML before, XML after)}, all in one call."""
    beginning = f"{prefix}-foreign"
    names = {edit: f"{beginning}-{edit.replace(' ', '-')}" for edit in EDITS}
    try:
        before = {edit: connection.defineXML(FOREIGN.format(name=name)).XMLDesc(SECURE_INACTIVE) for edit, name in names.items()}
        ensure("intake_vm", vms=[{"name": names[edit], **want} for edit, (want, _touched) in EDITS.items()])
        yield {edit: (before[edit], connection.lookupByName(name).XMLDesc(SECURE_INACTIVE)) for edit, name in names.items()}
    finally:
        forget_vms(beginning)


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_not_asked_for_stays(edit, edited):
    before, after = edited[edit]
    assert before != after
    assert canonical(before, *EDITS[edit][1]) == canonical(after, *EDITS[edit][1])


@pytest.mark.parametrize("edit", EDITS)
def test_prefixes_and_parts_of_edited_elements_stay(edit, edited):
    _before, after = edited[edit]
    for kept in ("<app:owner", "<app:team>", "<other:x", "qemu:arg", "total_bytes_sec_max>2000000", "error_policy='stop'", "<blockio"):
        assert kept in after
    assert "cpuset='0-1'" in after and "name='svm'" in after


def test_cpus_of_individual_states_follow(edited):
    """Somebody plugged them one by one; the count that is asked for is the count there is."""
    assert ET.fromstring(edited["cpus"][1]).find("vcpu").attrib["current"] == "3"
    assert ET.fromstring(edited["maximum_cpus"][1]).findtext("vcpu") == "2"


def test_a_limit_takes_the_burst_that_others_allowed_with_it(name, connection, ensure):
    """libvirt refuses a burst without a limit, and QEMU one below it."""
    for end, bandwidth in (("none", "0"), ("more", "3000000")):
        connection.defineXML(FOREIGN.format(name=f"{name}-{end}"))
        ensure("intake_vm", name=f"{name}-{end}", disks=[{"name": "vda", "bandwidth": bandwidth}])
    tunes = [ET.fromstring(connection.lookupByName(f"{name}-{end}").XMLDesc(0)).find("devices/disk/iotune") for end in ("none", "more")]
    assert tunes[0] is None and [one.tag for one in tunes[1]] == ["total_bytes_sec"]


def test_asking_for_what_the_golden_machine_has_changes_nothing(name, connection, ensure):
    """A domain as virt-install writes it, its network replaced by one that every hypervisor has."""
    text = GOLDEN.read_text().replace(">legacy<", f">{name}<").replace("c3b0a9d2-7c4e-4a0e-9d53-0a4f7c0b1a11", "")
    root = ET.fromstring(text)
    root.remove(root.find("uuid"))
    before = connection.defineXML(ET.tostring(root, encoding="unicode")).XMLDesc(SECURE_INACTIVE)
    want = {"memory": "2GiB", "cpus": 2, "machine": "q35", "firmware": "bios", "cpu_mode": "custom", "cpu_model": "qemu64", "virt_type": "qemu"}
    want.update(console=True, agent=True, rng=True, tpm=False, graphics={"type": "vnc", "listen": "127.0.0.1", "password": "hunter22"})
    want.update(disks=[{"name": "vda", "cache": "none", "discard": "unmap", "bus": "virtio"}, {"name": "sda", "device": "cdrom"}])
    want.update(interfaces=[{"name": "52:54:00:11:22:33", "network": "default", "link": "up"}, {"name": "52:54:00:11:22:44", "bridge": "br0"}])
    ensure("intake_vm", changed=False, name=name, **want)
    assert connection.lookupByName(name).XMLDesc(SECURE_INACTIVE) == before


@pytest.mark.skipif(not shutil.which("virt-install"), reason="there is no virt-install on this machine")
def test_a_machine_of_virt_install_is_adopted(name, storage, connection, ensure, run_module):
    """Without change while its own values are asked for; naming its devices changes nothing but their names, purge finds none to take."""
    run_module("intake_volume", name=f"{name}.qcow2", storage=storage.name, size="1MiB")
    argv = ["virt-install", "--connect", "qemu:///system", "--import", "--noautoconsole", "--print-xml", "--name", name, "--memory", "256", "--vcpus", "2"]
    argv += ["--virt-type", "qemu", "--osinfo", "detect=off,require=off", "--disk", f"{storage.path}/{name}.qcow2,bus=virtio", "--network", "user"]
    text = subprocess.run([*argv, "--graphics", "vnc"], check=True, capture_output=True, text=True).stdout
    before = connection.defineXML(text).XMLDesc(SECURE_INACTIVE)
    mac = ET.fromstring(before).find("devices/interface/mac").get("address")
    ensure("intake_vm", changed=False, name=name, memory="256MiB", cpus=2, disks=[{"name": "vda", "bus": "virtio"}], interfaces=[{"name": mac, "user": True}])
    disk = {"name": "root", "volume": f"{name}.qcow2", "storage": storage.name}
    ensure("intake_vm", name=name, disks=[disk], interfaces=[{"name": "lan", "user": True}], purge=True)
    after = connection.lookupByName(name).XMLDesc(SECURE_INACTIVE)
    assert canonical(before) == canonical(after, "devices/disk/alias", "devices/interface/alias")
    assert ET.fromstring(after).find("devices/disk/alias").get("name") == "ua-root"
