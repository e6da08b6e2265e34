# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of images and storages that other tests say only in passing: each changed, unchanged the second time, and told in check mode."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

from disks import sha
from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.locking import locks
from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import INFO_SPEC, Images
from ansible_collections.intake.vms.plugins.module_utils.resources.storage.storages import INFO_SPEC as STORAGE_INFO_SPEC
from ansible_collections.intake.vms.plugins.module_utils.resources.storage.storages import Storages

IMAGES = Modules(Images, INFO_SPEC)
STORAGES = Modules(Storages, STORAGE_INFO_SPEC)


def test_decompress_of_an_image_that_exists(storage, tmp_path):
    """Where its checksum is asked for; else nobody looks at the source."""
    packed = gzip.compress(b"content" * 1000)
    (tmp_path / "packed").write_bytes(packed)
    want = {"storage": storage.name, "name": "x", "path": str(tmp_path / "packed")}
    IMAGES.ensure(**want, description="kept")
    assert Path(storage.path, "x").read_bytes() == b"content" * 1000
    IMAGES.ensure(**want, decompress="none", changed=False)
    IMAGES.ensure(**want, decompress="none", checksum=sha(packed))
    assert Path(storage.path, "x").read_bytes() == packed
    done = IMAGES.ensure(**want, checksum=sha(packed))
    assert Path(storage.path, "x").read_bytes() == b"content" * 1000 and done["image"]["description"] == "kept"
    IMAGES.ensure(storage=storage.name, name="x", decompress="none", checksum=sha(packed), changed=False)


def test_volume_of_another_storage(storage, unique, folder, connection, forget_pool):
    other = f"{folder}/other"
    os.mkdir(other)
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{unique}-o</name><target><path>{other}</path></target></pool>").create()
    try:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{other}/disk", "1M"], check=True)
        IMAGES.refuse("source_not_found", storage=storage.name, name="x", volume="disk")
        done = IMAGES.ensure(storage=storage.name, name="x", volume="disk", volume_storage=f"{unique}-o")
        assert done["image"]["source"] == f"{unique}-o/disk" and done["image"]["size"] == 1 << 20
        IMAGES.ensure(storage=storage.name, name="x", volume="other", volume_storage="none", changed=False)
    finally:
        forget_pool(f"{unique}-o")


def test_lock_timeout(storage, run_module, folder):
    """Says who holds it, and how long to wait; check mode and monitoring do not wait."""
    with locks.hold(exclusive=[f"storage/{storage.name}", f"storage-path/{folder}/new"]):
        for module, options in (
            ("intake_storage", {"name": storage.name, "description": "x"}),
            ("intake_storage", {"name": f"{storage.name}-new", "path": f"{folder}/new"}),
            ("intake_image", {"name": "x", "storage": storage.name, "path": "/etc/hostname"}),
        ):
            failed = run_module(module, lock_timeout=0, **options)
            assert failed["reason"] == "locked" and f"process {os.getpid()}" in failed["msg"] and "lock_timeout" in failed["msg"]
            assert run_module(module, check=True, lock_timeout=0, **options)["changed"]
        assert run_module("intake_image_info", storage=storage.name)["images"] == []
    STORAGES.ensure(name=storage.name, description="x", lock_timeout=1)
    IMAGES.ensure(storage=storage.name, name="x", path="/etc/hostname", lock_timeout=1)


def test_uri(run_tasks, storage):
    """Everything is asked of the hypervisor that is said, and files are not looked for where they are not."""
    elsewhere = {"uri": "test:///default"}
    seen, mine, images, refused, again = run_tasks(
        ("intake_storage_info", elsewhere, False),
        ("intake_storage_info", {"names": [storage.name], "uri": "qemu:///system"}, False),
        ("intake_image_info", elsewhere, False),
        ("intake_image", {**elsewhere, "name": "x", "storage": storage.name, "path": "/etc/hostname"}, False),
        ("intake_storage", {"name": storage.name, "uri": "qemu:///system", "path": storage.path}, False),
    )
    assert not seen.get("failed") and storage.name not in [one["name"] for one in seen["storages"]]
    assert [one["name"] for one in mine["storages"]] == [storage.name]
    assert images["images"] == [] and refused["reason"] == "storage_not_found" and "default-pool" in refused["msg"]
    assert not again["changed"] and not again.get("failed")


def test_names_that_are_none_leave_nothing_out(storage):
    """An empty list is no filter, as in every Ansible module; a name that does not exist is one."""
    assert storage.name in [one["name"] for one in STORAGES.info(names=[])["storages"]]
    assert STORAGES.info(names=["no-such-storage"])["storages"] == []
