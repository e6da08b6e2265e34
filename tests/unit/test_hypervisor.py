# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a hypervisor while threads of one call read and change, and what goes away meanwhile."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils.errors import NotFound
from ansible_collections.intake.vms.plugins.module_utils.host.hypervisor import Hypervisor, libvirt
from ansible_collections.intake.vms.plugins.module_utils.resources.image import listing
from ansible_collections.intake.vms.plugins.module_utils.resources.volume import reading


@pytest.fixture
def hypervisor(tmp_path):
    """A host of libvirt's test driver with the active storage `fast`, which was listed."""
    if libvirt is None:
        pytest.skip("needs python3-libvirt")
    libvirt.registerErrorHandler(lambda context, error: None, None)
    connection = libvirt.open("test:///default")
    pool = connection.storagePoolDefineXML(f"<pool type='dir'><name>fast</name><target><path>{tmp_path}</path></target></pool>")
    pool.create()
    found = Hypervisor(connection, "test:///default")
    assert found.storage_paths()["fast"] == str(tmp_path)
    yield found
    connection.close()


def remove(hypervisor):
    """What another client does."""
    pool = hypervisor.connection.storagePoolLookupByName("fast")
    pool.destroy()
    pool.undefine()


def test_a_list_that_another_thread_forgets_while_it_is_read_is_still_answered():
    hypervisor = Hypervisor(None, "test:///default")

    def reader():
        hypervisor.forget()
        return ["web1"]

    assert hypervisor.once("domains", reader) == ["web1"]
    assert hypervisor.once("domains", lambda: ["web2"]) == ["web2"]


def test_a_storage_that_was_removed_since_it_was_listed_is_not_found(hypervisor):
    remove(hypervisor)
    with pytest.raises(NotFound, match="storage fast: was removed meanwhile"):
        hypervisor.storage_path("fast")
    hypervisor.refresh("fast")


def test_a_list_leaves_it_out(hypervisor):
    class Images:
        root = staticmethod(hypervisor.storage_path)

    Images.hypervisor, unread = hypervisor, []
    remove(hypervisor)
    assert reading.read_all(Images, "fast", unread) == [] and unread == []
    hypervisor.storage_paths = lambda: {"fast": "/nowhere"}
    assert listing.listed(Images, {}) == {"images": [], "unfinished": [], "unreadable": []}
