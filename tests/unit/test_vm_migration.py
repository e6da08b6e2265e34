# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a machine where it is, decided from facts alone; and how facts are read from XML."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.intake.vms.plugins.module_utils import lens
from ansible_collections.intake.vms.plugins.module_utils.errors import NotReachable, Refused
from ansible_collections.intake.vms.plugins.module_utils.resources.migration import destination, migrations, needs
from ansible_collections.intake.vms.plugins.module_utils.resources.migration.obstacles import check

GIB = 1 << 30
ROOT = {"what": "disk root", "path": "/srv/shared/web1", "kind": "file", "cache": None, "alone": True}
ROOT.update(root="/srv/shared", storage="shared", source="nas:/vms")
MACHINE = {
    "name": "web1",
    "uuid": "11",
    "state": "running",
    "reason": "booted",
    "note": None,
    "is_active": True,
    "memory": 2 * GIB,
    "virt_type": "kvm",
    "files": [ROOT],
    "interfaces": [{"name": "lan", "kind": "network", "source": "default"}, {"name": "dmz", "kind": "bridge", "source": "br0"}],
    "host_devices": [],
    "snapshots": 0,
    "checkpoints": 0,
    "is_saved": False,
    "job": False,
    "variables": "/var/lib/libvirt/qemu/nvram/web1_VARS.fd",
    "has_tpm": True,
    "qemu": 7002000,
}
THERE = {
    "hostname": "hv2",
    "has_uuid": True,
    "is_same_host": False,
    "namesakes": [],
    "storages": {"/srv/shared": {"name": "shared", "active": True, "source": "nas:/vms"}},
    "closed": {},
    "networks": {"default": True},
    "devices": ["br0", "eth0"],
    "memory": 4 * GIB,
    "machine": None,
    "cpu": None,
}
STOPPED = {"state": "stopped", "is_active": False, "variables": None, "has_tpm": False}
OFF = {**STOPPED, "memory": 999 * GIB}

TWIN = {"name": "web1", "uuid": "11", "state": "stopped", "reason": "shutdown"}
RUNS = {**TWIN, "state": "running", "reason": "migrated"}
STUCK = {"state": "paused", "reason": "migration"}


def changed(facts, changes):
    return {**copy.deepcopy(facts), **changes}


def file(**changes):
    return {"files": [{**ROOT, **changes}]}


@pytest.mark.parametrize(
    "machine, there",
    [
        ({}, {}),
        ({"state": "paused"}, {}),
        (OFF, {}),
        (OFF, {"memory": None}),
        ({}, {"memory": None}),
        ({}, {"memory": 2 * GIB}),
        ({}, {"devices": None}),
        ({"files": []}, {"storages": {}}),
        ({"interfaces": [{"name": "out", "kind": "user", "source": None}]}, {"networks": {}, "devices": []}),
        ({"interfaces": [{"name": "lan", "kind": "direct", "source": "eth0"}]}, {}),
        (file(path=None, kind="network", storage=None, source=None), {}),
        ({"qemu": 2012000, **file(cache="none")}, {}),
        ({"qemu": 2012000, **file(cache="directsync")}, {}),
        ({"qemu": 2012000, **file(alone=False)}, {}),
        ({"qemu": 2012000, **STOPPED}, {}),
        ({"qemu": None}, {}),
    ],
)
def test_may_move(machine, there):
    check(changed(MACHINE, machine), changed(THERE, there))


REFUSED = [
    ({}, {"has_uuid": False}, "host_uuid_missing", "hv2 has no host UUID"),
    ({}, {"is_same_host": True}, "same_host", "hv2 is the host it is on"),
    ({}, {"namesakes": [TWIN]}, "defined_twice", "is running on this host and stopped on hv2; end the definition on hv2"),
    ({"state": "stopped"}, {"namesakes": [TWIN]}, "defined_twice", "look which one is right"),
    ({"state": "stopped"}, {"namesakes": [RUNS]}, "defined_twice", "end the definition on this host"),
    ({}, {"namesakes": [RUNS]}, "runs_twice", "AT ONCE"),
    (STUCK, {"namesakes": [RUNS]}, "interrupted", "The one on hv2 is right. End the rest on this host so: virsh suspend web1 on hv2"),
    ({}, {"namesakes": [{**TWIN, **STUCK}]}, "interrupted", "The one on this host is right. End the rest on hv2"),
    (STUCK, {"namesakes": [{**TWIN, **STUCK}]}, "interrupted", "is paused on this host and paused on hv2; find out"),
    (STUCK, {}, "interrupted", "it is paused here since a migration to another host was interrupted"),
    ({**STUCK, "note": {"hostname": "hv3"}}, {}, "interrupted", "a migration to hv3 was interrupted"),
    ({**STUCK, "job": True}, {}, "busy", "libvirt is busy"),
    ({}, {"namesakes": [{"name": "web1", "uuid": "22"}]}, "name_taken", "hv2 has another machine of that name"),
    ({}, {"namesakes": [{"name": "old", "uuid": "11"}]}, "uuid_taken", "hv2 has a machine of the same UUID, named old"),
    ({"state": "suspended"}, {}, "invalid_state", "it is suspended"),
    ({"state": "crashed", "is_active": False}, {}, "invalid_state", "it is crashed"),
    ({"host_devices": ["a pci device of this host"]}, {}, "host_device", "it has a pci device of this host"),
    ({"snapshots": 2}, {}, "has_snapshots", "2 snapshots"),
    ({"checkpoints": 1}, {}, "has_snapshots", "1 checkpoints"),
    ({"job": True}, {}, "busy", "libvirt is busy"),
    ({**STOPPED, "is_saved": True}, {}, "has_saved_state", "its saved state"),
    ({**STOPPED, "variables": "/x_VARS.fd"}, {}, "has_local_state", "UEFI variables are in /x_VARS.fd"),
    ({**STOPPED, "has_tpm": True}, {}, "has_local_state", "TPM"),
    (file(storage=None, source=None), {}, "not_shared", "disk root: /srv/shared/web1 is in no storage"),
    (file(storage="fast", source=None), {}, "not_shared", "disk root: storage fast is on this host alone"),
    ({**STOPPED, **file(storage="fast", source=None)}, {}, "not_shared", "storage fast is on this host alone"),
    (file(kind="block", path="/dev/sdb"), {}, "not_shared", "disk root: /dev/sdb is a device of this host"),
    (file(what="disk cdrom", storage="fast", source=None), {}, "not_shared", "disk cdrom: storage fast"),
    ({}, {"storages": {}}, "storage_missing", "storage shared (nas:/vms at /srv/shared) does not exist there"),
    ({}, {"storages": {"/mnt": {"name": "x", "active": True, "source": "nas:/vms"}}}, "storage_missing", "but at /mnt"),
    ({}, {"storages": {"/srv/shared": {"name": "shared", "active": False, "source": "nas:/vms"}}}, "storage_inactive", "is not active there"),
    ({}, {"storages": {"/srv/shared": {"name": "s", "active": True, "source": "other:/vms"}}}, "storage_differs", "s is other:/vms"),
    ({}, {"storages": {"/srv/shared": {"name": "s", "active": True, "source": None}}}, "storage_differs", "s is on that host alone"),
    ({}, {"closed": {"/srv/shared/web1": "no such file"}}, "not_openable", "disk root: /srv/shared/web1 cannot be opened there: no such file"),
    ({}, {"networks": {"lan2": True}}, "network_missing", "network default does not exist there (there are: lan2)"),
    ({}, {"networks": {"default": False}}, "network_inactive", "network default is not active there"),
    ({}, {"devices": ["eth0"]}, "bridge_missing", "bridge br0 does not exist there (there are: eth0)"),
    ({"interfaces": [{"name": "lan", "kind": "direct", "source": "eth9"}]}, {}, "device_missing", "device eth9 does not exist there"),
    ({}, {"memory": GIB}, "memory_missing", "it has 2.0 GiB of memory, and 1.0 GiB are free there"),
    ({}, {"cpu": "the CPU there lacks avx512f"}, "cpu_incompatible", "lacks avx512f"),
    ({}, {"machine": "unsupported machine pc-q35-9.2"}, "machine_missing", "pc-q35-9.2"),
    ({"qemu": 2012000}, {}, "unsafe_cache", "its cache is default"),
    ({"qemu": 3001000, **file(cache="writeback")}, {}, "unsafe_cache", "its cache is writeback"),
]


@pytest.mark.parametrize("machine, there, reason, words", REFUSED)
def test_is_refused(machine, there, reason, words):
    with pytest.raises(Refused) as refused:
        check(changed(MACHINE, machine), changed(THERE, there))
    assert refused.value.reason == reason
    assert words in str(refused.value)
    assert str(refused.value).startswith("vm web1: ") and "hv2" in str(refused.value)


def test_every_reason_is_named_at_once():
    with pytest.raises(Refused) as refused:
        check(changed(MACHINE, {"snapshots": 1}), changed(THERE, {"storages": {}, "networks": {}, "memory": 0, "cpu": "no avx"}))
    for word in ("1 snapshots", "storage shared", "network default", "memory", "no avx"):
        assert word in str(refused.value)


def test_machines_of_one_call_share_the_memory_there():
    check(MACHINE, THERE, promised=2 * GIB)
    with pytest.raises(Refused, match=r"1\.0 GiB are free there beside what the others of this task need \(3\.0 GiB\)"):
        check(MACHINE, THERE, promised=3 * GIB)


# --- facts -------------------------------------------------------------------------------------------------------------

POOL = """<pool type='{type}'><name>s</name><source><host name='{host}'/><dir path='{dir}'/></source><target><path>/srv/s</path></target></pool>"""


@pytest.mark.parametrize(
    "kind, host, folder, source",
    [
        ("netfs", "nas", "/vms", "nas:/vms"),
        ("netfs", "NAS", "/vms/", "nas:/vms"),
        ("netfs", "nas.example.com.", "/vms", "nas.example.com:/vms"),
        ("netfs", "fd00::1", "/", "[fd00::1]:/"),
        ("netfs", "[FD00:0:0::1]", "/", "[fd00::1]:/"),
        ("dir", "nas", "/vms", None),
        ("fs", "nas", "/vms", None),
    ],
)
def test_a_storage_is_known_by_its_export(kind, host, folder, source):
    assert destination.source_of(lens.parse(POOL.format(type=kind, host=host, dir=folder))) == source


def test_a_file_is_in_the_innermost_storage():
    known = {"/srv": {"name": "outer", "source": None}, "/srv/s": {"name": "inner", "source": "nas:/vms"}}
    assert needs.place_of(known, "/srv/s/a") == {"root": "/srv/s", "storage": "inner", "source": "nas:/vms"}
    assert needs.place_of(known, "/srv/sub")["storage"] == "outer"
    assert needs.place_of(known, "/elsewhere") == {"root": None, "storage": None, "source": None}
    assert needs.place_of(known, None)["storage"] is None


DOMAIN = """<domain><os><kernel>/srv/s/vmlinuz</kernel></os><devices>
<disk type='file' device='disk'><driver cache='none'/><source file='/srv/s/a'/><target dev='vda'/><alias name='ua-root'/></disk>
<disk type='file' device='cdrom'><target dev='sda'/></disk>
<disk type='network' device='disk'><source protocol='rbd' name='pool/a'/><target dev='vdb'/></disk>
<disk type='block' device='disk'><source dev='/dev/sdb'/><target dev='vdc'/><shareable/></disk>
<interface type='direct'><mac address='52:54:00:00:00:01'/><source dev='eth0'/></interface>
<interface type='hostdev'><mac address='52:54:00:00:00:02'/></interface>
<hostdev mode='subsystem' type='pci'/><filesystem type='mount'><source dir='/srv/x'/></filesystem>
</devices></domain>"""


class Host:
    """A hypervisor with one storage, whose files cannot be looked at."""

    is_local = False

    def once(self, key, reader):
        return {"/srv/s": {"name": "s", "source": "nas:/vms"}}


def test_files_are_found_wherever_a_machine_names_them():
    files = {one["what"]: one for one in needs.files(Host(), lens.parse(DOMAIN))}
    assert set(files) == {"disk root", "disk vdb", "disk vdc", "kernel"}
    assert files["disk root"]["source"] == "nas:/vms" and files["disk root"]["cache"] == "none" and files["disk root"]["alone"]
    assert (files["disk vdb"]["kind"], files["disk vdb"]["path"]) == ("network", None)
    assert (files["disk vdc"]["kind"], files["disk vdc"]["alone"]) == ("block", False)
    assert files["kernel"]["storage"] == "s"


def test_what_belongs_to_this_host_is_found():
    root = lens.parse(DOMAIN)
    assert len(needs.host_devices(root)) == 3
    element = root.find("devices/interface")
    assert needs.interface("lan", element) == {"name": "lan", "kind": "direct", "source": "eth0"}


# --- the destination ---------------------------------------------------------------------------------------------------


def test_addresses_become_uris():
    assert destination.default_uri("hv2.example.com") == "qemu+ssh://root@hv2.example.com/system?no_tty=1"
    assert destination.default_migrate_uri("fd00::2") == "tcp://[fd00::2]"


WANT = {"name": "web1", "destination": None, "destination_uri": None, "timeout": 300, "connect_timeout": 30, "bandwidth": None}


@pytest.mark.parametrize(
    "said, reason",
    [({}, "destination_missing"), ({"destination": "b", "timeout": 0}, "invalid_number"), ({"destination": "b", "bandwidth": -1}, "invalid_number")],
)
def test_options_are_checked(said, reason):
    with pytest.raises(Refused) as refused:
        migrations.check_options({**WANT, **said})
    assert refused.value.reason == reason


def test_a_destination_that_is_silent_is_given_up(monkeypatch):
    pytest.importorskip("libvirt")
    monkeypatch.setattr(destination, "connect", lambda uri, found: destination.threading.Event().wait())
    with pytest.raises(NotReachable, match=r"there was no answer within 0\.1 s"):
        destination.reach("qemu+ssh://root@hv2/system", 0.1)
