# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of a kernel and an initramfs that boots in seconds even under emulation: for tests of power, hotplug and waiting.

It is made of the distribution's own packages and kept in the user's cache. Words on its command line change its manners:
`mute` starts no agent, `deaf` ignores the power button and the agent's order, `lazy=N` thinks for N seconds before it obeys,
`dies=N` goes off by itself N seconds after its start.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "intake.vms" / "images"
# An emulated processor takes a quarter less time to boot without mitigations, tests of itself, and an initramfs to unpack.
CMDLINE = "console=ttyS0 quiet panic=-1 tsc=unstable mitigations=off nokaslr random.trust_cpu=on cryptomgr.notests no_timer_check"
MODULES = ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_net", "virtio_console", "virtio_balloon", "virtio_rng"]
MODULES += ["button", "evdev", "isofs"]
PROGRAMS = ["qemu-guest-agent", "busybox-static"]
WANTED = re.compile(r"(lib[a-z0-9.+-]+|linux-(image|modules)-[a-z0-9.+-]+|qemu-guest-agent|busybox-static)$")
DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin LD_LIBRARY_PATH=/lib
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
hostname tiny
while read module; do insmod /lib/$module; done </lib/modules.list
lazy=0 dies=0
for word in $(cat /proc/cmdline); do case $word in mute|deaf) touch /run/$word;; lazy=*|dies=*) eval $word;; esac; done
echo $lazy >/run/lazy
ip link set lo up
for card in /sys/class/net/eth*; do [ -e $card ] && { udhcpc -q -f -i ${card##*/} -s /lib/lease >/dev/null 2>&1 & }; done
for port in /sys/class/virtio-ports/*; do
  [ "$(cat $port/name 2>/dev/null)" = org.qemu.guest_agent.0 ] && agent=/dev/${port##*/}
done
[ -n "$agent" ] && [ ! -e /run/mute ] && qemu-ga -p $agent -f /run/qemu-ga.pid -t /run &
[ $dies = 0 ] || { sleep $dies; poweroff -f; } &
for event in /sys/class/input/event*; do
  [ "$(cat $event/device/name)" = "Power Button" ] && button=/dev/input/${event##*/}
done
echo ready >/dev/console
while true; do head -c 24 $button >/dev/null; shutdown; sleep 1; done
"""
SHUTDOWN = """#!/bin/busybox sh
[ -e /run/deaf ] && exit 0
sleep $(cat /run/lazy)
exec poweroff -f
"""
LEASE = """#!/bin/busybox sh
case $1 in bound) ip addr add $ip/$mask dev $interface;; deconfig) ip link set $interface up;; esac
"""
SCRIPTS = {"init": INIT, "sbin/shutdown": SHUTDOWN, "lib/lease": LEASE}


def tiny_guest(folder, cache_dir=CACHE):
    """Put `vmlinuz` and `initrd` into a folder that QEMU's user can read; built when the cache has none (some seconds).

    INTAKE_VMS_TINY_GUEST names a folder where both are already, for machines without a network.
    """
    ready = os.environ.get("INTAKE_VMS_TINY_GUEST")
    if ready:
        return copy(Path(ready), folder)
    cache = Path(cache_dir)
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".tiny-guest.lock", "w", encoding="utf-8") as lock, tempfile.TemporaryDirectory(prefix="intake-tiny-") as work:
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages = names_of_packages()
        kept = cache / f"tiny-guest-{key_of(packages, work)}"
        if not kept.is_dir():
            for stale in cache.glob("tiny-guest-*"):
                shutil.rmtree(stale)
            build(packages, Path(work), cache / ".tiny-guest-partial").rename(kept)
        copy(kept, folder)


def copy(kept, folder):
    """Both files, readable for QEMU's user."""
    for name in ("vmlinuz", "initrd"):
        shutil.copyfile(kept / name, Path(folder) / name)
        os.chmod(Path(folder) / name, 0o644)


def names_of_packages():
    """The kernel's package, the programs, and the libraries they may need."""
    debian = f"linux-image-cloud-{output('dpkg', '--print-architecture')}"
    kernel = "linux-image-virtual" if platform.freedesktop_os_release()["ID"] == "ubuntu" else debian
    kinds = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    found = output("apt-cache", "depends", "--recurse", *kinds, *PROGRAMS, kernel).splitlines()
    return sorted(name for name in set(found) if WANTED.match(name))


def key_of(packages, folder):
    """A hash of what the guest is made of: this file and the packages in their versions."""
    made_of = Path(__file__).read_text(encoding="utf-8") + output("apt-get", "download", "--print-uris", *packages, cwd=folder)
    return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def build(packages, work, target):
    """Unpack the packages, collect what the guest needs and pack it; answers the folder with both files."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    run("apt-get", "-q", "download", *packages, cwd=work)
    unpacked, root = work / "unpacked", work / "root"
    for package in sorted(work.glob("*.deb")):
        run("dpkg-deb", "-x", package, unpacked)
    for name in ("bin", "sbin", "lib", "proc", "sys", "dev", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    (root / "lib64").symlink_to("lib")
    shutil.copy(only(unpacked, "busybox"), root / "bin" / "busybox")
    put_agent(unpacked, root)
    put_modules(unpacked, root)
    for name, text in SCRIPTS.items():
        (root / name).write_text(text, encoding="utf-8")
        (root / name).chmod(0o755)
    names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*")))
    packed = run(root / "bin" / "busybox", "cpio", "-o", "-H", "newc", cwd=root, input=names.encode())
    (target / "initrd").write_bytes(packed)
    shutil.copy(next(path for path in sorted(unpacked.rglob("vmlinuz-*")) if path.is_file()), target / "vmlinuz")
    return target


def put_agent(unpacked, root):
    """The guest agent with the libraries that its own loader finds for it."""
    agent = only(unpacked, "qemu-ga")
    loader = only(unpacked, "ld-linux*.so.*")
    folders = ":".join(str(path) for path in unpacked.rglob("*-linux-gnu") if path.is_dir())
    needed = run(loader, "--library-path", folders, "--list", agent).decode()
    shutil.copy(agent, root / "bin" / "qemu-ga")
    shutil.copy(loader, root / "lib" / loader.name)
    for path in re.findall(rf"=> ({re.escape(str(unpacked))}\S+)", needed):
        shutil.copy(path, root / "lib" / Path(path).name)


def put_modules(unpacked, root):
    """The kernel's modules and those they depend on, listed in the order of loading; what is built in has no file."""
    files = {path.name.split(".")[0].replace("-", "_"): path for path in unpacked.rglob("*.ko*")}
    order = []

    def load(name):
        if name in files and f"{name}.ko" not in order:
            content = plain(files[name])
            for other in DEPENDS.search(content).group(1).decode().split(","):
                load(other.replace("-", "_"))
            (root / "lib" / f"{name}.ko").write_bytes(content)
            order.append(f"{name}.ko")

    for name in MODULES:
        load(name)
    (root / "lib" / "modules.list").write_text("\n".join(order) + "\n", encoding="utf-8")


def plain(path):
    """A module's bytes, as busybox can load them."""
    programs = {".zst": "zstd", ".xz": "xz"}
    return run(programs[path.suffix], "-dc", path) if path.suffix in programs else path.read_bytes()


def only(unpacked, pattern):
    """The one file of that name."""
    return next(path for path in sorted(unpacked.rglob(pattern)) if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK))


def output(*argv, **more):
    return run(*argv, **more).decode().strip()


def run(*argv, **more):
    more.setdefault("input", b"")
    done = subprocess.run([str(word) for word in argv], capture_output=True, check=False, **more)
    assert not done.returncode, f"{argv}: {done.stderr.decode()}"
    return done.stdout
