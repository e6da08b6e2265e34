# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of the image: a directory tree made by mmdebstrap from the distribution's packages."""

from __future__ import annotations

import os
import subprocess

from programs import run

EXCLUDED = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/man/*", "/usr/share/locale/*")
KEPT = "/usr/share/doc/*/copyright"


def make_tree(wanted, root, lines):
    """Install the packages into the directory `root`; maintainer scripts see no other process and no other mount."""
    guest = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "guest")
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED] + [f"--dpkgopt=path-include={KEPT}"]
    command += ["--aptopt=Apt::Install-Recommends \"false\"", *(f"--aptopt={option}" for option in proxies())]
    command += ["--include=" + ",".join(wanted["packages"]), f"--essential-hook=sync-in {guest} /"]
    command += [wanted["release"], root, *lines]
    run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *command])
    finish(wanted, root)


def proxies():
    """The proxies of the host's apt; they are used for the build and not kept in the image."""
    output = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    return [row.rstrip(";") for row in output.splitlines() if row.lower().startswith("acquire::http") and "proxy" in row.lower()]


def finish(wanted, root):
    """What makes a tree a system of its own: name, mounts, masked units; nothing two machines would share."""
    write(root, "etc/hostname", wanted["hostname"] + "\n")
    write(root, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {wanted['hostname']}\n::1 localhost ip6-localhost\n")
    write(root, "etc/fstab", "LABEL=root / ext4 defaults,errors=remount-ro 0 1\nLABEL=EFI /boot/efi vfat noauto,umask=0077 0 0\n")
    write(root, "etc/machine-id", "")
    os.makedirs(os.path.join(root, "boot/efi"), exist_ok=True)
    for unit in wanted["masked_units"]:
        link(root, "/dev/null", f"etc/systemd/system/{unit}")
    run(["systemctl", "--root", root, "enable", "--quiet", "systemd-networkd.service"], quiet=True)
    link(root, "/run/systemd/resolve/stub-resolv.conf", "etc/resolv.conf")
    grow_with_repart(root)
    if wanted["early_agent"]:
        start_agent_early(root)
    remove_traces(root)


def grow_with_repart(root):
    """Where systemd-repart is there it grows the root partition before cloud-init starts: 5 s sooner in an emulated guest."""
    if not os.path.exists(os.path.join(root, "usr/bin/systemd-repart")):
        return
    os.makedirs(os.path.join(root, "etc/repart.d"), exist_ok=True)
    write(root, "etc/repart.d/50-root.conf", "[Partition]\nType=root\n")
    write(root, "etc/cloud/cloud.cfg.d/91_growpart.cfg", 'growpart: {mode: "off"}\n')


def start_agent_early(root):
    """The agent starts with the network, not after cloud-init's users and keys; it needs /var and /dev only."""
    folder = "etc/systemd/system/qemu-guest-agent.service.d"
    os.makedirs(os.path.join(root, folder), exist_ok=True)
    rows = ["[Unit]", "DefaultDependencies=no", "After=local-fs.target systemd-networkd-wait-online.service"]
    rows += ["Conflicts=shutdown.target", "Before=shutdown.target"]
    write(root, f"{folder}/early.conf", "\n".join(rows) + "\n")


def remove_traces(root):
    """Host keys, the random seed and the build's own apt options must not be the same in every machine."""
    directory = os.path.join(root, "etc/ssh")
    names = [f"etc/ssh/{name}" for name in os.listdir(directory)] if os.path.isdir(directory) else []
    traces = [name for name in names if os.path.basename(name).startswith("ssh_host_")]
    traces += ["etc/apt/apt.conf.d/99mmdebstrap", "var/lib/systemd/random-seed", "var/lib/dbus/machine-id"]
    for name in traces:
        path = os.path.join(root, name)
        if os.path.lexists(path):
            os.unlink(path)


def write(root, name, text):
    """Put a file into the tree; a link in the way is replaced, never followed out of the tree."""
    path = os.path.join(root, name)
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def link(root, target, name):
    """Put a symbolic link into the tree."""
    path = os.path.join(root, name)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)
