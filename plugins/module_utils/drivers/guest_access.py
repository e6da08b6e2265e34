# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether QEMU's user could work with files in a directory: tried with a real file, as that user, before a machine needs it."""

from __future__ import annotations

import errno
import os
import pwd
import re
import uuid

from ..errors import NotReachable, Refused
from ..host import bounded

CONFIGURATION = "/etc/libvirt/qemu.conf"
USERS = ("libvirt-qemu", "qemu")  # Debian's and Red Hat's; others say it in qemu.conf
SETTING = re.compile(r'^\s*user\s*=\s*"([^"]+)"', re.MULTILINE)
BOOLEAN = "/sys/fs/selinux/booleans/virt_use_nfs"


def check(path, source, timeout):
    """Refused unless a file that root makes there can be given to QEMU's user and opened by it; the file goes again."""
    user = qemu_user()
    told = bounded.call(lambda: attempt(path, user), timeout)
    if told is None:
        raise NotReachable(f"{path} does not answer within {timeout} s", "storage_hangs")
    if told["step"]:
        raise Refused(f"{source} is mounted, but {SENTENCES[told['step']].format(**told, **user, path=path)}", "no_guest_access")
    refuse_selinux(source)


SENTENCES = {
    "make": "root of this host may not write there ({error}): it is exported with root_squash, which makes root another user. "
    "Export it with no_root_squash, or give the exported directory to the user that root becomes",
    "read-only": "it can only be read ({error}): export it with rw",
    "give": "root may not give a file there to {name}, the user of QEMU ({error}): it is exported with root_squash. Export it with "
    "no_root_squash, or with all_squash,anonuid={uid},anongid={gid} and a directory that belongs to them",
    "pass": "{name}, the user of QEMU (uid {uid}), may not enter {path} ({error}): give the exported directory the mode 0711 or 0755",
    "open": "{name}, the user of QEMU (uid {uid}), cannot open a file that was given to it ({error}): has that user the same uid on the server, "
    "and does a security module such as AppArmor stand in between?",
}


def qemu_user():
    """{name, uid, gid} of the user QEMU runs as; root where the host has no other."""
    names = list(USERS)
    try:
        with open(CONFIGURATION, encoding="utf-8") as file:
            names = SETTING.findall(file.read())[-1:] + names
    except OSError:
        pass
    for name in names:
        try:
            found = pwd.getpwuid(int(name.lstrip("+"))) if name.lstrip("+").isdigit() else pwd.getpwnam(name)
        except KeyError:
            continue
        return {"name": found.pw_name, "uid": found.pw_uid, "gid": found.pw_gid}
    return {"name": "root", "uid": 0, "gid": 0}


def attempt(path, user):
    """{"step": what failed or None, "error"}; runs in a child, which becomes QEMU's user."""
    name = os.path.join(path, f".intake-access-{uuid.uuid4().hex[:8]}")
    step = "make"
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        step = "give"
        if os.stat(name).st_uid != user["uid"]:
            os.chown(name, user["uid"], user["gid"])
        step = open_as(user, path, name)
        return {"step": step, "error": "Permission denied" if step else None}
    except OSError as error:
        return {"step": "read-only" if error.errno == errno.EROFS else step, "error": error.strerror}
    finally:
        try:
            os.unlink(name)
        except OSError:
            pass


def open_as(user, path, name):
    """Which step QEMU's user fails at, or None; effective ids only, so that the file can be taken away afterwards."""
    groups = os.getgroups()
    try:
        os.setgroups(os.getgrouplist(user["name"], user["gid"]))
        os.setegid(user["gid"])
        os.seteuid(user["uid"])
        if not os.access(path, os.X_OK, effective_ids=True):
            return "pass"
        try:
            os.close(os.open(name, os.O_RDWR | os.O_CLOEXEC))
        except PermissionError:
            return "open"
        return None
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def refuse_selinux(source):
    """Red Hat's policy lets QEMU use NFS only where a boolean says so; nothing to say where there is no SELinux."""
    try:
        with open(BOOLEAN, encoding="ascii") as file:
            enabled = file.read().split()[0] == "1"
    except OSError:
        return
    if not enabled:
        raise Refused(f"{source} is mounted, but SELinux keeps QEMU from NFS; run: setsebool -P virt_use_nfs on", "selinux_boolean")
