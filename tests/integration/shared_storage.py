# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same tests on an NFS server: INTAKE_VMS_TEST_NFS=VERSION,SERVER,EXPORT, the export being writable for root.

It is meant for a hypervisor of the lab, on which everything is slow: modules run in forks rather than under Ansible, which
only tests of Ansible's own part need, and only the tests that use a storage are run.
"""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest

ASKED = os.environ.get("INTAKE_VMS_TEST_NFS")
ELSEWHERE = ("test_storage_", "test_image_servers", "test_image_nonsense", "test_vm_info", "test_vm_live_pending")


def is_wanted(item):
    """Whether a test is about what lies in storages; the files of ELSEWHERE are about devices, HTTP servers, arguments and guests."""
    return "storage" in item.fixturenames and not item.path.name.startswith(ELSEWHERE)


def needs_ansible():
    """Tests of Ansible's own part, and guests that take minutes, are run where they are quick."""
    if ASKED:
        pytest.skip("runs on the machine itself, not on an emulated one")


class Shared:
    """A storage of the collection's on the NFS server, with `name` and `path`."""

    def __init__(self, name, run_tasks, connection):
        version, server, export = ASKED.split(",")
        self.name, self.run_tasks, self.connection = name, run_tasks, connection
        self.options = {"name": name, "type": "nfs", "server": server, "export": export, "version": version, "timeout": 60}
        self.path = f"/var/lib/intake/storages/{name}"

    def renew(self):
        """Active, mounted and empty, whatever the test before did to it."""
        self.let_go()
        if not os.path.ismount(self.path):
            done = self.run_tasks(("intake_storage", self.options, False))[0]
            assert not done.get("failed"), done["msg"]
        for name in os.listdir(self.path):
            path = os.path.join(self.path, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self.connection.storagePoolLookupByName(self.name).refresh(0)

    def let_go(self):
        """Tests that use the modules' code in this process keep its lock file open; a module's process would have ended."""
        from ansible_collections.intake.vms.plugins.module_utils.locking import locks, shared_locks

        path = os.path.join(self.path, shared_locks.FILE)
        if path in locks.DESCRIPTORS:
            os.close(locks.DESCRIPTORS.pop(path))


@contextlib.contextmanager
def storage_on_nfs(name, run_tasks, forget_pool, connection):
    """Forgotten at the end; the server's directory is emptied."""
    storage = Shared(name, run_tasks, connection)
    try:
        yield storage
    finally:
        storage.renew()
        forget_pool(name)
        os.rmdir(storage.path)
