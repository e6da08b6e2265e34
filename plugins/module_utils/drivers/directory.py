# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and mount points: which may hold a storage, how they are made and taken away."""

from __future__ import annotations

import os

from ..errors import Refused
from ..host import mounts

DEFAULT_ROOT = "/var/lib/intake/storages"
LONGEST_PATH, LONGEST_NAME = 4000, 255  # bytes; the kernel takes 4095, and file names come behind
MODE = 0o711  # QEMU's user may pass through it to its files, and list nothing
# Their whole trees belong to the system or vanish at boot; of the others only the directory itself is refused.
SYSTEM_TREES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")
SYSTEM_DIRECTORIES = ("/", "/home", "/media", "/opt", "/root", "/tmp", "/var", "/var/cache", "/var/lib", "/var/log", "/var/tmp")


def check_path(path):
    """The path unchanged, or Refused where it is not plain and absolute, or belongs to the system."""
    if not os.path.isabs(path) or os.path.normpath(path) != path or path.startswith("//"):
        raise Refused(f"path {path} must be absolute, without '..', double or trailing slashes", "invalid_path")
    if not path.isprintable():
        raise Refused(f"path {path!r} contains a character that cannot be printed", "invalid_path")
    encoded = os.fsencode(path)
    if len(encoded) > LONGEST_PATH or max(map(len, encoded.split(b"/"))) > LONGEST_NAME:
        raise Refused(f"path {path} is longer than a path can be", "invalid_path")
    real = os.path.realpath(path)
    trees = [tree for tree in SYSTEM_TREES if within(path, tree) or within(real, tree)]
    if trees or path in SYSTEM_DIRECTORIES or real in SYSTEM_DIRECTORIES:
        raise Refused(f"path {path} belongs to the system ({trees[0] if trees else real}); choose a directory of its own", "system_path")
    if os.path.exists(path) and not os.path.isdir(path):
        raise Refused(f"path {path} is not a directory", "invalid_path")
    return path


def within(path, tree):
    """True for the tree itself and everything below it."""
    return path == tree or path.startswith(tree.rstrip("/") + "/")


def refuse_unusable(path, device):
    """Refused where mounting the device on path would hide something; fine where it is mounted there already."""
    mount = mounts.at(path)
    if mount and not device.is_source_of(mount):
        raise Refused(f"{mount.source} is mounted on {path}; it is not {device.path}", "path_in_use")
    if not mount and os.path.isdir(path) and os.listdir(path):
        raise Refused(f"the mount point {path} is not empty; mounting {device.path} would hide what is in it", "path_not_empty")


def make(path):
    """A new directory with its parents."""
    os.makedirs(path, exist_ok=True)
    os.chmod(path, MODE)
