# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is brought to a host of the lab: this checkout and Python packages, compiled here, since that takes long on an emulated host."""

from __future__ import annotations

import importlib.util
import io
import py_compile
import subprocess
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

import tiny_guest

ROOT = Path(__file__).resolve().parents[2]
UNUSED = ("..", "__pycache__", "ansible_test/", "ansible/cli/", "ansible/galaxy/", "ansible/plugins/", "ansible/_internal/")
COMPILED = ("vms/plugins/", "packages/")
AS_IT_IS = "packages/ansible/modules/"  # many, of which few are used


def packed(place, packages, wanted=("",), guest=False):
    """A tar of `vms`, of `packages`, and of `guest`, to be unpacked in the folder `place`; of the first two what begins as one of `wanted`."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz", compresslevel=1) as tar:
        for name, path in files(packages):
            if not name.startswith(wanted):
                continue
            tar.add(path, name, recursive=False)
            if name.endswith(".py") and name.startswith(COMPILED) and not name.startswith(AS_IT_IS):
                add_compiled(tar, name, path, place)
        if guest:
            add_guest(tar)
    return memory.getvalue()


def files(packages):
    """(name in the tar, path) of this checkout and of packages as they are installed here."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            yield f"vms/{name}", ROOT / name
    for package in packages:
        for file in metadata.files(package):
            if not any(word in str(file) for word in UNUSED):
                yield f"packages/{file}", file.locate()


def add_compiled(tar, name, path, place):
    """The bytecode of a file, taken without a look at the file by the same version of Python, ignored by another."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = f"{folder}/compiled"
        py_compile.compile(str(path), compiled, f"{place}/{name}", doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        tar.add(compiled, importlib.util.cache_from_source(name))


def add_guest(tar):
    """The files of tests/tiny_guest.py, which needs a distribution's server to be built."""
    with tempfile.TemporaryDirectory() as folder:
        tiny_guest.tiny_guest(folder)
        tar.add(folder, "guest")
