# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk: a GPT that boots under BIOS and UEFI, written into a plain file without loop devices or mounts."""

from __future__ import annotations

import os
import struct

from programs import run

SECTOR = 512
MIB = 1024 * 1024
BOOT_START, EFI_START, ROOT_START = 1 * MIB, 2 * MIB, 10 * MIB
BOOT_TYPE, EFI_TYPE = "21686148-6449-6E6F-744E-656564454649", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
ROOT_TYPE = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"  # x86-64 root, as systemd-repart and systemd-gpt-auto-generator know it
MODULES = ["part_gpt", "ext2", "search", "search_label", "normal", "configfile", "linux", "test", "echo", "gzio"]
# Features that every supported guest's e2fsprogs and GRUB 2.06 know, whatever the host's mke2fs would choose.
MKE2FS = """[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
blocksize = 4096
inode_size = 256
inode_ratio = 16384
[fs_types]
ext4 = {
  features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
}
"""


def make_disk(wanted, root, work):
    """A raw disk in `work` that holds the tree; answers its path."""
    disk = os.path.join(work, "disk.raw")
    with open(disk, "wb") as file:
        file.truncate(wanted["bytes"])
    write_boot_menu(wanted, root)
    partition(disk, work)
    make_root(disk, root, work, wanted["bytes"])
    early = os.path.join(work, "early.cfg")
    with open(early, "w", encoding="utf-8") as file:
        file.write("search --no-floppy --label root --set=root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n")
    make_bios(disk, work, early)
    make_efi(disk, work, early)
    return disk


def write_boot_menu(wanted, root):
    """The links /vmlinuz and /initrd.img follow the newest kernel (linux-base), so this file never has to change."""
    folder = "" if os.path.lexists(os.path.join(root, "vmlinuz")) else "/boot"
    if not os.path.lexists(f"{root}{folder}/initrd.img"):
        raise SystemExit("golden_image: the packages brought no kernel with an initrd; set golden_image_kernel")
    os.makedirs(os.path.join(root, "boot/grub"), exist_ok=True)
    with open(os.path.join(root, "boot/grub/grub.cfg"), "w", encoding="utf-8") as file:
        file.write(f"linux {folder}/vmlinuz root=LABEL=root ro {wanted['cmdline']}\ninitrd {folder}/initrd.img\nboot\n")


def partition(disk, work):
    """Root comes last on the disk and first in number, so that it can grow."""
    table = (
        "label: gpt\n"
        f"14: start={BOOT_START // SECTOR}, size={MIB // SECTOR}, type={BOOT_TYPE}\n"
        f"15: start={EFI_START // SECTOR}, size={(ROOT_START - EFI_START) // SECTOR}, type={EFI_TYPE}, name=EFI\n"
        f"1: start={ROOT_START // SECTOR}, type={ROOT_TYPE}, name=root\n"
    )
    script = os.path.join(work, "table")
    with open(script, "w", encoding="utf-8") as file:
        file.write(table)
    with open(script, encoding="utf-8") as file:
        run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", disk], stdin=file)


def make_root(disk, root, work, size):
    """The root filesystem, filled from the tree while it is made."""
    config = os.path.join(work, "mke2fs.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(MKE2FS)
    blocks = (size - ROOT_START - MIB) // 4096
    options = f"offset={ROOT_START},lazy_itable_init=0,root_owner=0:0"
    command = ["mkfs.ext4", "-q", "-F", "-L", "root", "-m", "1", "-E", options, "-d", root, disk, str(blocks)]
    run(command, env={"MKE2FS_CONFIG": config})


def make_bios(disk, work, early):
    """What grub-bios-setup writes: boot.img into sector 0, core.img into its partition, each told where the next part lies."""
    core_path = os.path.join(work, "core.img")
    run(["grub-mkimage", "-O", "i386-pc", "-p", "/boot/grub", "-c", early, "-o", core_path, "biosdisk", *MODULES])
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as file:
        boot = bytearray(file.read(440))
    with open(core_path, "rb") as file:
        core = bytearray(file.read())
    if len(core) > MIB:
        raise SystemExit(f"golden_image: GRUB's core image has {len(core)} bytes and does not fit into its partition")
    sector = BOOT_START // SECTOR
    boot[0x5C:0x64] = struct.pack("<Q", sector)
    boot[0x66:0x68] = b"\x90\x90"
    core[0x1F4:0x1FC] = struct.pack("<Q", sector + 1)
    with open(disk, "r+b") as file:
        file.write(boot)
        file.seek(BOOT_START)
        file.write(core)


def make_efi(disk, work, early):
    """A FAT partition with GRUB under the name every firmware looks for."""
    loader = os.path.join(work, "BOOTX64.EFI")
    run(["grub-mkimage", "-O", "x86_64-efi", "-p", "/boot/grub", "-c", early, "-o", loader, *MODULES])
    part = os.path.join(work, "efi.img")
    with open(part, "wb") as file:
        file.truncate(ROOT_START - EFI_START)
    run(["mkfs.vfat", "-n", "EFI", part])
    run(["mmd", "-i", part, "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", part, loader, "::/EFI/BOOT/BOOTX64.EFI"])
    with open(part, "rb") as source, open(disk, "r+b") as target:
        target.seek(EFI_START)
        target.write(source.read())
