# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of hypervisor images: built when packages or builder change, put in place by one rename, kept while in use."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROLES = HERE.parents[1] / "roles"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "intake.vms" / "lab"
PROGRAMS = {"mmdebstrap": "mmdebstrap", "qemu-img": "qemu-utils", "mkfs.ext4": "e2fsprogs", "unshare": "util-linux"}
RECIPE = [HERE / name for name in ("build.py", "packages.txt", "root", "qemu.py")] + [ROLES / "golden_image/files"]
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service", "dpkg-db-backup.timer"]
MASKED += ["logrotate.timer", "fstrim.timer", "systemd-repart.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount"]


class LabError(Exception):
    """A sentence for the user."""


class Missing(LabError):
    """This machine lacks what the lab needs; a test skips."""


def image(finish):
    """The folder with root.qcow2, srv.qcow2, vmlinuz, initrd and key; built, and then finished by `finish(folder)`, when it is not there."""
    order = make_order()
    folder = CACHE / "images" / fingerprint(order)
    if not folder.exists():
        with alone(CACHE / "images"):
            if not folder.exists():
                build(order, folder, finish)
                discard_others(folder)
    return folder


def make_order():
    """What the role's builder wants to know: this machine's own release, from its own archives."""
    release = os_release()
    if release.get("ID") != "debian":
        raise Missing(f"a lab host is built from the packages of a Debian machine; this one runs {release.get('ID', 'something else')}")
    return {
        "distribution": "Debian",
        "release": release["VERSION_CODENAME"],
        "host_release": release["VERSION_CODENAME"],
        **dict.fromkeys(("mirror", "security_mirror", "keyring", "sources", "early_agent"), ""),
        "packages": packages(),
        "hostname": "lab",
        "qemu": subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True, text=True).stdout.split("\n")[0],
        "masked_units": MASKED,
    }


def os_release():
    """What this machine runs."""
    rows = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return {key: value.strip('"') for key, _equals, value in (row.partition("=") for row in rows)}


def packages():
    """The lab's own, and those the role hypervisor would install."""
    own = [row for row in (HERE / "packages.txt").read_text(encoding="utf-8").splitlines() if row and not row.startswith("#")]
    text = (ROLES / "hypervisor/vars/Debian.yml").read_text(encoding="utf-8")
    listed = re.search(r"^__hypervisor_packages:\n((?:  - .+\n)+)", text, re.M)
    return sorted({*own, *(row[4:] for row in listed[1].splitlines())})


def fingerprint(order):
    """A hash of all that shapes the image."""
    digest = hashlib.sha256(json.dumps(order, sort_keys=True).encode())
    for path in RECIPE:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(str(file.relative_to(HERE.parents[1])).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def build(order, folder, finish):
    """In a folder beside it; a failed build leaves nothing."""
    for program, package in PROGRAMS.items():
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            raise Missing(f"a lab image must be built, and {program} is missing; install the package {package}")
    if os.geteuid() != 0:
        raise Missing("a lab image must be built, which needs root; afterwards anyone can start a lab of their own on it")
    print(f"lab: building the image of the hosts in {folder}; three to eight minutes, once", file=sys.stderr, flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as partial:
        order_file = Path(partial) / "order.json"
        order_file.write_text(json.dumps(order, indent=2), encoding="utf-8")
        done = subprocess.run([sys.executable, "-B", HERE / "build.py", order_file, partial], stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise LabError("the image could not be built; the reason is above")
        finish(Path(partial))
        os.rename(partial, folder)
        os.mkdir(partial)
    print(f"lab: built in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def discard_others(folder):
    """Images of earlier recipes, unless a host runs on one; and what a killed build left."""
    for other in folder.parent.iterdir():
        if other != folder and other.is_dir():
            handle = hold(other, fcntl.LOCK_EX)
            if handle is not None:
                shutil.rmtree(other)
                os.close(handle)


def hold(path, kind):
    """A lock on a folder that ends with all who inherit the descriptor; None when somebody holds it otherwise."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
        return handle
    except BlockingIOError:
        os.close(handle)
        return None


@contextmanager
def alone(folder):
    """One process at a time; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
