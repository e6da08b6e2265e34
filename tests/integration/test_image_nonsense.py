# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images asked for in nonsense, and with secrets: every answer is a sentence, none tells too much."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from disks import files
from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import INFO_SPEC, Images

MODULES = Modules(Images, INFO_SPEC)
DATA = b"content"


BAD = [
    {"images": [{}]},
    {"images": [{"name": None}]},
    {"images": [{"name": "x", "colour": "red"}]},
    {"images": [{"name": "x", "images": []}]},
    {"images": [{"name": "x", "timeout": "soon"}]},
    {"images": [{"name": "x", "timeout": 0}]},
    {"images": [{"name": "x", "timeout": -1}]},
    {"images": [{"name": "x", "timeout": 10**12}]},
    {"images": [{"name": "x", "labels": "no"}]},
    {"images": [{"name": "x", "format": "vmdk"}]},
    {"images": [{"name": "x", "decompress": "bz2"}]},
    {"images": [{"name": "x", "url": ["a"], "path": "/x"}]},
    {"images": [{"name": "x"}, {"name": "x"}]},
    {"images": [{"name": "x", "path": "/etc/hostname"}, {"name": "y", "new_name": "x"}]},
    {"images": [{"name": "x", "new_name": "z"}, {"name": "y", "new_name": "z"}]},
    {"images": [{"name": "x", "storage": ""}]},
    {"images": [{"name": "x", "storage": "../x"}]},
    {"name": "x", "images": [{"name": "y"}]},
    {"name": "x", "new_name": "../y"},
    {"name": "x", "new_name": ".y"},
    {"name": "x\0"},
    {"name": "x" * 201},
    {"name": ".intake"},
    {"name": "-x"},
    {"name": "x", "path": "/no\0where"},
    {"name": "x", "path": "/dev/zero"},
    {"name": "x", "path": "/etc"},
    {"name": "x", "path": ""},
    {"name": "x", "path": "relative"},
    {"name": "x", "volume": "../../etc/passwd"},
    {"name": "x", "volume": "/etc/passwd"},
    {"name": "x", "volume": ".intake"},
    {"name": "x", "volume": "y", "volume_storage": "none"},
    {"name": "x", "src": "/etc/hostname"},
    {"name": "x", "path": "/etc/hostname", "volume": "y"},
    {"name": "x", "path": "/etc/hostname", "checksum": "sha256"},
    {"name": "x", "path": "/etc/hostname", "checksum": "sha256:"},
    {"name": "x", "path": "/etc/hostname", "checksum": "sha512:" + "0" * 64},
    {"name": "x", "path": "/etc/hostname", "checksum": "sha256:file:///etc/passwd"},
    {"name": "x", "path": "/etc/hostname", "checksum": "sha256:" + "g" * 64},
    {"name": "x", "state": "gone"},
    {"name": "x"},
]
THROUGH_ANSIBLE = [
    {"images": "x"},
    {"images": [5]},
    {"images": [None]},
    {"name": "x", "format": "vmdk"},
    {"name": "x", "url": "http://[::1"},
    {"name": "x", "url": "http://ops:s3cr3t-word@[/x"},
    {"name": "x", "images": [{"name": "x", "url": "http://ops:s3cr3t-word@[/x"}]},
    {"name": "x", "src": "/no/such/file"},
    {"name": "x", "src": "/etc"},
    {"images": [{"name": "x", "src": "/etc/hostname", "url": "http://127.0.0.1:1/x?signature=s3cr3t-word"}]},
    {"name": "x", "url": "http://127.0.0.1:1/x?signature=s3cr3t-word"},
    {"images": [{"name": ["x"], "src": "/etc/hostname", "storage": "no-such-storage"}]},
]


def test_nonsense_is_answered_with_a_sentence(storage):
    for options in BAD:
        for check in (True, False):
            result = MODULES.run(check=check, **{"storage": storage.name, **options})
            assert result.get("failed") and result["msg"] and not result["changed"], (options, result)
    assert files(storage.path) == []


def test_nonsense_through_ansible(run_tasks, storage):
    for options, result in zip(THROUGH_ANSIBLE, run_tasks(*[("intake_image", {"storage": storage.name, **one}, False) for one in THROUGH_ANSIBLE])):
        told = json.dumps(result)
        assert result.get("failed") and not result["changed"], (options, result)
        assert "Traceback" not in told and "Module failed" not in told and "s3cr3t" not in told, (options, result)
    assert files(storage.path) == []


def test_each_secret_is_hidden_at_the_highest_verbosity(ansible_environment, storage, source):
    url = source.put("/secret", DATA, auth="ops:s3cr3t-word").replace("//", "//ops:s3cr3t-word@")
    beside = {"url": source.url("/secret"), "url_username": "ops", "url_password": "s3cr3t-word"}
    options = {"storage": storage.name, "images": [{"name": "x", "url": f"{url}?signature=s1gned-word"}, {"name": "y", **beside}]}
    argv = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-c", "local", "-vvv", "-m", "intake.vms.intake_image", "-a", json.dumps(options)]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
    environment = {name: value for name, value in ansible_environment.items() if "CALLBACK" not in name}
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and Path(storage.path, "y").read_bytes() == DATA, done.stdout + done.stderr
    assert "invocation" in done.stdout and "s3cr3t-word" not in done.stdout + done.stderr and "s1gned-word" not in done.stdout + done.stderr
    assert not any(word in path.read_text() for path in Path(storage.path, ".intake").iterdir() for word in ("s3cr3t", "s1gned"))
