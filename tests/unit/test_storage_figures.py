# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a storage is counted, also while other hosts make and remove files in it."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.resources.storage import figures

libvirt = pytest.importorskip("libvirt")
HAVE = {"name": "shared", "path": "/srv/shared", "state": "active", "capacity": 1000, "seen": {"kinds": {"base.qcow2": "image", "a.raw": "volume"}}}


class Volume:
    """A file of a size, or one that is gone."""

    def __init__(self, name, size=None):
        self.file, self.size = name, size

    def name(self):
        return self.file

    def info(self):
        if self.size is None:
            error = libvirt.libvirtError("no storage vol with matching path")
            error.err = (libvirt.VIR_ERR_NO_STORAGE_VOL,)
            raise error
        return [figures.FILE, self.size, self.size]


class Hypervisor:
    """A host whose libvirt knows some files from before, and the others only after a refresh."""

    is_local = True

    def __init__(self, known, there):
        self.volumes, self.there = known, there

    def pool(self, name):
        return self

    def listAllVolumes(self, flags):
        return self.volumes

    def refresh(self, name):
        self.volumes = self.there


@pytest.fixture
def count(monkeypatch):
    """count(known, there, mount) -> what is told of the storage."""
    monkeypatch.setattr(figures, "machines_using", lambda hypervisor, have: [])

    def run(known, there, mount):
        monkeypatch.setattr(figures, "network_mount", lambda path: mount)
        return figures.contents(Hypervisor(known, there), HAVE)

    return run


def test_a_volume_that_goes_meanwhile_is_not_counted_and_hides_no_other(count):
    found = count([Volume("gone.qcow2"), Volume("a.raw", 500), Volume("base.qcow2", 250), Volume(".partial", 9)], [], None)
    assert found == {"volumes": 1, "images": 1, "vms": 0, "virtual_size_sum": 750, "overcommit": 0.75}


def test_files_of_other_hosts_are_counted_on_a_network_mount(count):
    assert count([Volume("gone.qcow2", 9)], [Volume("a.raw", 500)], "/srv/shared")["virtual_size_sum"] == 500
