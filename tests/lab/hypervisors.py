# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: a folder that describes its hosts; brought up, taken down, and cleaned where a killed run left it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sys
import time
from contextlib import contextmanager

import qemu
from hosts import Host
from image import LabError, Missing, hold, image

from inventory import forks, inventory

LONGEST = 60  # characters of the folder's path; the sockets in it must fit into 107
MOST = 4  # hosts the image knows addresses for
KEPT = 2  # hosts whose booted state is kept beside the image
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ssh": "openssh-client"}


def say(text):
    """Progress, beside what a command answers."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def read(folder):
    """The hosts of a lab; none when there is no lab."""
    try:
        return [Host(**entry) for entry in json.loads((folder / "lab.json").read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def write(folder, hosts):
    """Hosts and inventories, each by one rename."""
    texts = {"lab.json": json.dumps([host.as_dict() for host in hosts], indent=2), "inventory.yml": inventory(hosts), "forks.yml": forks(hosts)}
    for name, text in texts.items():
        partial = folder / f".{name}"
        partial.write_text(text, encoding="utf-8")
        os.rename(partial, folder / name)


def host_named(folder, name):
    """One host of a lab that is there."""
    for host in read(folder):
        if host.name == name:
            return host
    raise LabError(f"there is no {name} in {folder}; first: lab.py up")


@contextmanager
def claimed(folder):
    """One command at a time in a lab's folder, which may be gone when it is our turn."""
    if len(str(folder)) > LONGEST:
        raise LabError(f"{folder} is longer than {LONGEST} characters; sockets in it would have no name")
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
            break
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


def up(folder, count):
    """Hosts that are ready; those that run already are kept."""
    need_programs()
    sweep(folder.parent)
    with claimed(folder):
        hosts = read(folder)
        if not any(qemu.running(host) for host in hosts):
            if any(entry.name != "owner" for entry in folder.iterdir()):
                say(f"discarding what an earlier lab left in {folder}")
            empty(folder)
            hosts = describe(folder, image(warm), count)
            start_new(folder, hosts)
        if len(hosts) != count:
            raise LabError(f"{folder} has {len(hosts)} hosts; take it down first")
        for host in hosts:
            if not qemu.running(host):
                start(host)
        wait(hosts)


def describe(folder, built, count):
    """Hosts with disks, written down, not started."""
    if not 1 <= count <= MOST:
        raise LabError(f"a lab has 1 to {MOST} hosts")
    numbers = list(range(1, count + 1))
    hosts = [Host(f"lab{number}", number, free_port(), str(folder), str(built), numbers) for number in numbers]
    for host in hosts:
        qemu.make_disks(host)
    write(folder, hosts)
    return hosts


def start_new(folder, hosts):
    """From the kept state where there is one; with another port when its own was taken meanwhile."""
    for host in hosts:
        state = os.path.join(host.image, f"{host.name}.state")
        for left in (3, 2, 1, 0):
            try:
                start(host, state if os.path.exists(state) else None)
                break
            except LabError as error:
                if "host forwarding" not in str(error) or not left:
                    raise
                host.port = free_port()
                write(folder, hosts)


def start(host, state=None):
    """The image stays locked against removal as long as the host runs."""
    lock = hold(host.image, fcntl.LOCK_SH)
    if lock is None:
        raise LabError(f"{host.image} is being removed")
    try:
        qemu.start(host, lock, state)
    finally:
        os.close(lock)


def wait(hosts):
    """Until all are ready; says when each was."""
    started = time.monotonic()
    for host in hosts:
        state = host.wait_until_ready()
        say(f"{host.name} is ready after {time.monotonic() - started:.0f} s, its systemd is {state}")


def warm(folder):
    """Boot a pair on a new image and keep its state: what a first boot makes is made, and a lab begins where this ended."""
    say("booting two hosts on it, to keep them as they are when ready")
    hosts = describe(folder, folder, KEPT)
    try:
        start_new(folder, hosts)
        wait(hosts)
        for host in hosts:
            host.hang_up()
        for host in hosts:
            qemu.save(host, os.path.join(folder, f"{host.name}.state"))
    finally:
        for host in hosts:
            qemu.kill(host)
    for kind in ("lab.json", "*.yml", "wire-*", "*.pid", "*.qmp", "*.log"):
        for path in folder.glob(kind):
            path.unlink()


def restore(folder):
    """All hosts as they were when the lab came up: from the kept state where there is one, else they boot."""
    if not read(folder):
        raise LabError(f"there is no lab in {folder}; first: lab.py up")
    with claimed(folder):
        hosts = read(folder)
        for host in hosts:
            qemu.kill(host)
            host.hang_up()
            qemu.make_disks(host)
        start_new(folder, hosts)
        wait(hosts)


def power(folder, name, what, power_cut=False, until_ready=False):
    """What befalls a single host."""
    host = host_named(folder, name)
    if what == "cut" or power_cut:
        qemu.kill(host)
        host.hang_up()
    if what == "start" or power_cut:
        if qemu.running(host):
            raise LabError(f"{name} runs already")
        start(host)
    elif what in ("reset", "freeze", "thaw"):
        qemu.ask(host, {"reset": "system_reset", "freeze": "stop", "thaw": "cont"}[what])
    if what == "reset":
        host.hang_up()
    if until_ready:
        wait([host])


def down(folder):
    """Ends the hosts and removes the folder; True when there was something."""
    if not folder.is_dir():
        return False
    with claimed(folder):
        for host in read(folder):
            qemu.kill(host)
            host.hang_up()
        shutil.rmtree(folder)
    return True


def empty(folder):
    """All but the mark of its owner."""
    for entry in folder.iterdir():
        if entry.name != "owner":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@contextmanager
def owned(folder):
    """A lab's folder that is marked as ours, so that the next run finds what is in it if this one is killed; taken down at the end."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / "owner", "w", encoding="utf-8") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            yield
        finally:
            down(folder)


def sweep(parent):
    """Take down labs whose owner, a process that held a lock on their file `owner`, is gone."""
    for mark in parent.glob("*/owner"):
        with open(mark, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
        if (mark.parent / "lab.json").exists():
            say(f"taking down {mark.parent}: who started it is gone")
            down(mark.parent)


def free_port():
    """A port nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def need_programs():
    """What runs a lab, once its image is there."""
    for program, package in PROGRAMS.items():
        if not shutil.which(program):
            raise Missing(f"{program} is missing; install the package {package}")
