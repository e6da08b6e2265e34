# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as users call the module: through Ansible, with files of the controller, secrets, and a kill -9."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from disks import hidden, sha
from until import until

DATA = random.Random(3).randbytes(3_000_000)
OTHER = DATA[::-1]


def test_credentials_are_nowhere(run_module, source, storage):
    url = source.put("/private", b"private", auth="ops:s3cr3t-word").replace("//", "//ops:s3cr3t-word@", 1)
    done = run_module("intake_image", storage=storage.name, name="inside", url=url)
    assert done["image"]["source"] == source.url("/private")
    results = [done, run_module("intake_image", name="no", storage=storage.name, url=url + "-absent")]
    beside = {"name": "beside", "url": source.url("/private"), "url_username": "ops", "url_password": "s3cr3t-word"}
    results.append(run_module("intake_image", storage=storage.name, images=[beside]))
    assert results[-1]["changed"], results[-1]
    results.append(run_module("intake_image", storage=storage.name, images=[{**beside, "no_such_option": 1}, {"name": "x"}]))
    results.append(run_module("intake_image", storage=storage.name, no_such_option=1, images=[beside]))
    results.append(run_module("intake_image_info", storage=storage.name))
    assert "s3cr3t" not in json.dumps(results)
    records = Path(storage.path, ".intake")
    assert not any("s3cr3t" in path.read_text() for path in records.iterdir())
    denied = run_module("intake_image", name="denied", storage=storage.name, url=source.url("/private"))
    assert "answered 401" in denied["msg"] and "url_username" in denied["msg"]


def test_files_of_the_controller(by_ansible, run_module, ensure, storage, tmp_path):
    src = tmp_path / "mine.qcow2"
    src.write_bytes(DATA)
    done = ensure("intake_image", storage=storage.name, name="mine.qcow2", src=str(src))
    assert done["resources"][0]["steps"][0]["verb"] == "upload" and done["image"]["checksum"] == sha(DATA)
    src.write_bytes(OTHER)
    ensure("intake_image", storage=storage.name, name="mine.qcow2", src=str(src))
    assert Path(storage.path, "mine.qcow2").read_bytes() == OTHER and src.exists()
    ensure("intake_image", storage=storage.name, name="mine.qcow2", src=str(src), state="absent")
    other = tmp_path / "other"
    other.write_bytes(b"other")
    images = [{"name": "a", "src": str(src)}, {"name": "b", "src": str(other)}, {"name": "c"}]
    done = run_module("intake_image", storage=storage.name, src=str(src), images=images)
    assert [Path(storage.path, name).read_bytes() for name in "abc"] == [OTHER, b"other", OTHER], done
    assert not run_module("intake_image", storage=storage.name, src=str(src), images=images)["changed"]
    done = run_module("intake_image", storage=storage.name, name="d", src=str(src))
    assert done["resources"][0]["steps"][0]["verb"] == "copy"
    src.write_bytes(gzip.compress(b"not the sum asked"))
    assert run_module("intake_image", storage=storage.name, name="f", src=str(src), checksum=sha(b"x"))["reason"] == "checksum_mismatch"
    assert not hidden(storage)


@pytest.fixture
def background(ansible_environment, storage):
    """background(**options): the same call in the background; its process group can be killed."""
    running = []

    def run(**options):
        argv = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-c", "local", "-m", "intake.vms.intake_image"]
        argv += ["-a", json.dumps({"storage": storage.name, **options}), "-e", f"ansible_python_interpreter={sys.executable}"]
        running.append(subprocess.Popen(argv, env=ansible_environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("verified", [True, False], ids=["checksum", "etag"])
def test_killed_download_is_gone_on_from(run_module, background, source, storage, verified):
    want = {"name": "big.img", "url": source.put(f"/killed{verified}", DATA, stall_at=1_000_000), "timeout": 300}
    want.update({"checksum": sha(DATA)} if verified else {})
    background(**want)
    partial = Path(storage.path, ".intake-download-big.img")
    until(lambda: partial.exists() and partial.stat().st_size > 500_000)
    told = run_module("intake_image_info", storage=storage.name)
    assert told["images"] == [] and len(told["unfinished"]) == 1
    watched = told["unfinished"][0]
    assert watched["name"] == "big.img" and watched["source"] == want["url"] and watched["stage"] == "transfer"
    assert 500_000 < watched["done"] <= watched["total"] == len(DATA) and watched["since"].startswith("20")
    os.kill(watched["process"], signal.SIGKILL)
    until(lambda: run_module("intake_image_info", storage=storage.name)["unfinished"][0]["process"] is None)
    size = partial.stat().st_size
    assert 0 < size < len(DATA) and not Path(storage.path, "big.img").exists()
    assert not run_module("intake_image_info", storage=storage.name, state="ready")["unfinished"]
    source.put(f"/killed{verified}", DATA)
    done = run_module("intake_image", storage=storage.name, **want)
    assert done["changed"] and Path(storage.path, "big.img").read_bytes() == DATA
    asked = source.requests(f"/killed{verified}")[-1]
    assert asked["Range"] == f"bytes={size}-" and asked["If-Range"] == '"1"'
    assert not hidden(storage)
    assert run_module("intake_image_info", storage=storage.name)["unfinished"] == []


def test_partial_of_a_killed_download_is_removed_with_the_image(run_module, background, source, storage):
    background(name="gone.img", url=source.put("/gone", DATA, stall_at=1_000_000), timeout=300)
    partial = Path(storage.path, ".intake-download-gone.img")
    until(lambda: partial.exists() and partial.stat().st_size > 100_000)
    locked = run_module("intake_image", storage=storage.name, name="gone.img", state="absent", lock_timeout=1)
    assert locked["reason"] == "locked"
    os.kill(run_module("intake_image_info", storage=storage.name)["unfinished"][0]["process"], signal.SIGKILL)
    done = run_module("intake_image", storage=storage.name, name="gone.img", state="absent")
    assert done["changed"] and not hidden(storage)
    assert not run_module("intake_image", storage=storage.name, name="gone.img", state="absent")["changed"]


def test_file_travels_to_another_host_and_is_removed_there(ansible_environment, storage, tmp_path):
    src, far = tmp_path / "mine.img", tmp_path / "far"
    src.write_bytes(DATA)
    environment = {**ansible_environment, "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).parent / "connection"), "ANSIBLE_REMOTE_TMP": str(far)}
    argv = [sys.executable, "-m", "ansible", "adhoc", "far", "-i", "far,", "-c", "elsewhere", "-m", "intake.vms.intake_image", "-vvv"]
    argv += ["-a", json.dumps({"storage": storage.name, "name": "mine.img", "src": str(src)})]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
    first = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert Path(storage.path, "mine.img").read_bytes() == DATA, first.stdout
    assert f"PUT {src} TO {far}/" in first.stdout and "/image0" in first.stdout
    assert list(far.iterdir()) == []
    second = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert second.returncode == 0 and f"PUT {src} TO" not in second.stdout
