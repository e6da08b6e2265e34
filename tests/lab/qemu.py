# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU process of a host: its command line, its life, and what it is asked over QMP."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from image import LabError

MEMORY = 2048  # MiB
CPUS = 1  # the emulator makes atomic instructions cheap where there is but one
# Guests of the host need the SVM that `max` has. Five page table levels, SMAP and the mitigations only cost time when emulated; a kernel and
# a libc that are told of ERMS and FSRM clear and copy memory by `rep stosb` and `rep movsb`, of which the emulator makes a loop over bytes.
CPU = "max,la57=off,smap=off,erms=off,fsrm=off"
CMDLINE = "root=LABEL=root ro console=ttyS0 net.ifnames=0 mitigations=off nokaslr panic=-1"
DISKS = ("root", "srv")
SERVER = 1  # the number of the host that serves NFS, and through whose QEMU the others see each other


def make_disks(host):
    """Its own layer on the image; on what the host was when its state was kept, if it was."""
    for disk in DISKS:
        kept = os.path.join(host.image, f"{host.name}.{disk}.qcow2")
        backing = kept if os.path.exists(kept) else os.path.join(host.image, f"{disk}.qcow2")
        if host.folder == host.image:
            backing = os.path.basename(backing)
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, host.file(f"{disk}.qcow2")]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def start(host, lock, state=None):
    """Boots, or goes on from a kept state. Returns when QEMU runs on its own; it keeps the descriptor `lock` open."""
    command = command_of(host)
    if state:
        command += ["-incoming", f"exec:cat '{state}'"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, pass_fds=[lock])
    if done.returncode:
        raise LabError(f"QEMU for {host.name} did not start: {done.stderr.strip()}")


def command_of(host):
    """Plain QEMU; the words on the kernel's command line say which host this is."""
    words = f"{CMDLINE} systemd.hostname={host.name} lab.number={host.number}"
    if host.number == SERVER:
        words += " systemd.wants=nfs-server.service"
    command = ["qemu-system-x86_64", "-name", f"intake-vms-{host.name}", "-uuid", host.uuid, "-nodefaults", "-no-user-config", "-display", "none"]
    command += ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", str(CPUS), "-m", str(MEMORY)]
    command += ["-kernel", os.path.join(host.image, "vmlinuz"), "-initrd", os.path.join(host.image, "initrd"), "-append", words]
    command += ["-daemonize", "-pidfile", host.file("pid"), "-qmp", f"unix:{host.file('qmp')},server=on,wait=off"]
    command += ["-chardev", f"file,id=log,path={host.file('log')},append=on", "-serial", "chardev:log", "-device", "virtio-rng-pci"]
    for disk in DISKS:
        command += ["-drive", f"if=none,id={disk},format=qcow2,discard=unmap,file={host.file(f'{disk}.qcow2')}"]
        command += ["-device", f"virtio-blk-pci,drive={disk},serial={disk}"]
    command += ["-netdev", f"user,id=user,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{host.port}-:22", *private_network(host)]
    for network, byte in (("user", 0x78), ("private", 0x77)):
        command += ["-device", f"virtio-net-pci,netdev={network},mac=52:54:00:{byte:02x}:00:{host.number:02x}"]
    return command


def private_network(host):
    """Unix datagram sockets in the lab's folder: nothing to connect, so each end may come and go."""
    if host.number != SERVER:
        return ["-netdev", wire(host, "private", SERVER)]
    netdevs = ["-netdev", "hubport,id=private,hubid=0"]
    for peer in host.peers:
        if peer != host.number:
            netdevs += ["-netdev", wire(host, f"wire{peer}", peer), "-netdev", f"hubport,id=hub{peer},hubid=0,netdev=wire{peer}"]
    return netdevs


def wire(host, name, peer):
    """One end of a cable."""
    here, there = (os.path.join(host.folder, f"wire-{a}-{b}") for a, b in ((host.number, peer), (peer, host.number)))
    return f"dgram,id={name},local.type=unix,local.path={here},remote.type=unix,remote.path={there}"


def process_of(host):
    """A descriptor of its running QEMU, or None. The number in the PID file alone proves nothing."""
    try:
        pid = int(Path(host.file("pid")).read_text(encoding="ascii"))
        handle = os.pidfd_open(pid)
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    if words[0].endswith(b"qemu-system-x86_64") and host.file("pid").encode() in words and not ended(handle, 0):
        return handle
    os.close(handle)
    return None


def running(host):
    """Whether its QEMU lives."""
    handle = process_of(host)
    if handle is not None:
        os.close(handle)
    return handle is not None


def kill(host):
    """Pull the plug; what the host had not flushed is lost."""
    handle = process_of(host)
    if handle is not None:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not ended(handle, 20):
            raise LabError(f"QEMU of {host.name} does not end")
        os.close(handle)


def ended(handle, seconds):
    """Whether a process ends within this time; one that is a zombie has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def save(host, path):
    """Memory and devices into a file; the machine stands still afterwards, and its disks are as its state knows them."""
    ask(host, "migrate-set-parameters", {"max-bandwidth": 1 << 40})
    ask(host, "migrate", {"uri": f"exec:cat > '{path}'"})
    while (found := ask(host, "query-migrate"))["status"] not in ("completed", "failed", "cancelled"):
        time.sleep(0.5)
    if found["status"] != "completed":
        raise LabError(f"the state of {host.name} could not be kept: {found.get('error-desc', found['status'])}")


def ask(host, command, arguments=None):
    """One QMP command, such as system_reset, stop or cont; answers what it returns."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        try:
            line.connect(host.file("qmp"))
            stream = line.makefile("rw", encoding="utf-8")
            stream.readline()
            exchange(stream, "qmp_capabilities", {})
            answer = exchange(stream, command, arguments or {})
        except (OSError, ValueError) as error:
            raise LabError(f"{host.name}: QEMU does not answer ({error}); does it run?")
    if "error" in answer:
        raise LabError(f"{host.name}: {command}: {answer['error']['desc']}")
    return answer["return"]


def exchange(stream, command, arguments):
    """The answer to one command; events in between are passed over."""
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    while "event" in (answer := json.loads(stream.readline())):
        pass
    return answer
