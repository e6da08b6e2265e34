# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds what lab hosts run, with the builder of the role golden_image: build.py ORDER.json FOLDER, as root."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILDER = HERE.parents[1] / "roles" / "golden_image" / "files" / "builder"
sys.path.insert(0, str(BUILDER))

from disk import MKE2FS  # noqa: E402
from programs import run  # noqa: E402
from sources import apt_lines  # noqa: E402
from tree import make_tree, write  # noqa: E402

HOSTS = ["localhost", *(f"lab{number},10.77.0.{number},fd77::{number}" for number in range(1, 5))]
OFF = ["nfs-server.service", "nfs-blkmap.service"]  # the host with systemd.wants=nfs-server.service serves
SRV = """/dev/null
0 0
d--755 0 0
vms d--755 0 0
$
squashed d--755 65534 65534
$
$
"""  # in the language of mkfs.xfs -p: one export where root of a client is root, one where it is nobody


def main(order, folder):
    """The folder then holds root.qcow2, srv.qcow2, vmlinuz, initrd and the key that opens every host."""
    with tempfile.TemporaryDirectory(prefix="intake-vms-lab-", dir="/var/tmp") as work:
        root = os.path.join(work, "root")
        make_tree(order, root, apt_lines(order))
        os.unlink(os.path.join(root, "etc/resolv.conf"))  # a link into systemd-resolved, which hosts do not have
        run(["cp", "-r", "--no-preserve=ownership,mode", f"{HERE}/root/.", root])
        make_users(root)
        make_keys(root, folder)
        inside(root, "systemctl", "disable", "--quiet", *OFF)
        srv = make_srv(root, work)
        for link in ("vmlinuz", "initrd.img"):
            shutil.copyfile(os.path.join(root, link), os.path.join(folder, link.partition(".")[0]))
        disk = make_root(root, work)
        for raw in (disk, srv):
            run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, os.path.join(folder, Path(raw).stem + ".qcow2")])


def inside(root, *command):
    """Run a program of the tree in the tree; it sees no other process."""
    run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", root, *command])


def make_users(root):
    """A user who may become root, as on most hypervisors; passwords are for nobody."""
    inside(root, "useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "--groups", "libvirt,kvm,sudo", "ops")
    os.chmod(os.path.join(root, "etc/sudoers.d/ops"), 0o440)


def make_keys(root, folder):
    """One key for the controller and between the hosts, one host key for all: who builds an image trusts its hosts."""
    inside(root, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", "/etc/ssh/ssh_host_ed25519_key")
    public = Path(root, "etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="utf-8")
    write(root, "etc/ssh/ssh_known_hosts", "".join(f"{names} {public}" for names in HOSTS))
    inside(root, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", "/root/key")
    for user, home in (("root", "/root"), ("ops", "/home/ops")):
        for name, source in (("id_ed25519", "key"), ("id_ed25519.pub", "key.pub"), ("authorized_keys", "key.pub")):
            inside(root, "install", "-D", "-m", "0600", "-o", user, f"/root/{source}", f"{home}/.ssh/{name}")
        inside(root, "chown", user, f"{home}/.ssh")
        inside(root, "chmod", "0700", f"{home}/.ssh")
    os.rename(os.path.join(root, "root/key.pub"), os.path.join(folder, "key.pub"))
    shutil.move(os.path.join(root, "root/key"), os.path.join(folder, "key"))
    os.chmod(os.path.join(folder, "key"), 0o600)


def make_srv(root, work):
    """The filesystem of what is exported: XFS, made by the guest's own program, so that its kernel knows all features."""
    path = os.path.join(work, "srv.raw")
    with open(os.path.join(root, "srv.raw"), "wb") as file:
        file.truncate(16 << 30)
    write(root, "srv.proto", SRV)
    inside(root, "mkfs.xfs", "-q", "-L", "srv", "-p", "/srv.proto", "/srv.raw")
    os.unlink(os.path.join(root, "srv.proto"))
    os.rename(os.path.join(root, "srv.raw"), path)
    return path


def make_root(root, work):
    """The root filesystem; few inodes, all made now, so that no host zeroes them in the background."""
    path, config = os.path.join(work, "root.raw"), os.path.join(work, "mke2fs.conf")
    Path(config).write_text(MKE2FS, encoding="utf-8")
    with open(path, "wb") as file:
        file.truncate(12 << 30)
    options = "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"
    run(["mkfs.ext4", "-q", "-F", "-L", "root", "-m", "1", "-i", "65536", "-E", options, "-d", root, path], env={"MKE2FS_CONFIG": config})
    return path


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as order_file:
        main(json.load(order_file), sys.argv[2])
