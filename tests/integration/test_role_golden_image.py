# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role golden_image around a build: when it would build, what it refuses, what a killed build leaves behind."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from golden_image import run_role

BUILDER = Path(__file__).resolve().parents[2] / "roles" / "golden_image" / "files" / "builder" / "build_image.py"


def changed(done):
    """The number of changed tasks in the recap."""
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"changed=(\d+)", done.stdout)[1])


def order(tmp_path, **fields):
    """A description for the builder that fails at its first step, before anything is downloaded."""
    wanted = {"path": str(tmp_path / "x.qcow2"), "build_directory": str(tmp_path), "size": "2GiB", "packages": []}
    wanted.update(distribution="Debian", release="bookworm", host_release="bookworm", keyring="", mirror="", sources=["not a line"])
    return {**wanted, **fields}


def build(wanted):
    """Run the builder by itself."""
    command = ["/usr/bin/python3", "-B", str(BUILDER)]
    return subprocess.run(command, input=json.dumps(wanted), capture_output=True, text=True, check=False)


def work_of(wanted):
    """The work directory the builder takes for this image."""
    name = hashlib.sha256(wanted["path"].encode()).hexdigest()[:12]
    return Path(wanted["build_directory"]) / f"golden_image-{name}"


def test_check_mode_says_it_would_build_and_writes_nothing(tmp_path):
    path = tmp_path / "new.qcow2"
    done = run_role("golden_image", "--check", golden_image_path=path)
    assert changed(done) == 1
    assert f"{path} would be built" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_existing_image_is_left_alone_until_its_description_changes(golden_image):
    before = golden_image.stat()
    same = {"golden_image_path": golden_image, "golden_image_distribution": "debian", "golden_image_release": "bookworm"}
    assert changed(run_role("golden_image", **same)) == 0
    assert golden_image.stat() == before
    assert changed(run_role("golden_image", "--check", golden_image_hostname="other", **same)) == 1


def test_release_of_another_distribution_is_refused(tmp_path):
    refused = {"golden_image_distribution": "debian", "golden_image_release": "noble"}
    done = run_role("golden_image", golden_image_path=tmp_path / "x.qcow2", **refused)
    assert done.returncode != 0
    assert "a release must belong to its distribution" in done.stdout


def test_failed_build_leaves_nothing_and_an_old_image_stays(tmp_path):
    image = tmp_path / "x.qcow2"
    image.write_bytes(b"old")
    done = build(order(tmp_path))
    assert done.returncode != 0
    assert "golden_image: unshare failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.qcow2"]
    assert image.read_bytes() == b"old"


def test_leftovers_of_a_killed_build_are_removed_by_the_next(tmp_path):
    wanted = order(tmp_path)
    (work_of(wanted) / "root" / "etc").mkdir(parents=True, mode=0o700)
    work_of(wanted).chmod(0o700)
    (tmp_path / ".x.qcow2.partial").write_bytes(b"half")
    assert build(wanted).returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_two_builds_of_one_image_do_not_meet(tmp_path):
    wanted = order(tmp_path)
    work_of(wanted).mkdir(mode=0o700)
    handle = os.open(work_of(wanted), os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        assert "is being built by another run" in build(wanted).stderr
        assert work_of(wanted).is_dir()
    finally:
        os.close(handle)


def test_work_directory_of_someone_else_is_refused(tmp_path):
    wanted = order(tmp_path)
    work_of(wanted).mkdir()
    os.chown(work_of(wanted), 65534, 65534)
    assert "belongs to someone else" in build(wanted).stderr


@pytest.mark.parametrize("size", ["512MiB", "much", "2GB"])
def test_size_that_is_none_is_refused(tmp_path, size):
    assert "is not a size" in build(order(tmp_path, size=size)).stderr
