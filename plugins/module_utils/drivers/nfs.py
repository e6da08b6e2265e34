# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages on an NFS server: a libvirt pool of type netfs, mounted by us with a time limit before libvirt adopts the mount.

libvirt runs mount(8) while it holds the pool, minutes long where the server is away; of a pool whose export is mounted
already it takes the mount as it is (storage_backend_fs.c, virStorageBackendFileSystemIsMounted).
"""

from __future__ import annotations

import os

from ..errors import NotReachable, Refused
from ..flow.converge import Step
from ..host import exports, mounts, silence
from . import directory, guest_access, nfs_server, pool

DEFAULT_VERSION = "4.2"
VERSIONS = ("3", "4", "4.0", "4.1", "4.2")
DEFAULT_OPTIONS = ("hard",)
ALWAYS = ("nodev", "nosuid", "noexec")  # what libvirt gives to mount(8) for every pool, so that it and we mount alike
FORBIDDEN = {
    "nolock": "locks of QEMU would not reach other hosts, and two could write one disk",
    "async": "the server could lose what a guest was told is on disk",
    "soft": "a guest would get I/O errors, and lose data, whenever the server is slow",
    "softerr": "a guest would get I/O errors, and lose data, whenever the server is slow",
    "ro": "images, disks and leases are written to every storage",
    "bg": "libvirt would take the empty mount point for the storage",
    "local_lock": "locks of QEMU would not reach other hosts, and two could write one disk",
}
RESERVED = ("vers", "nfsvers", "v3", "v4", "v4.0", "v4.1", "v4.2", "minorversion", "remount", "bind", "rbind", "move", "retry", "sec_none")


class NFS:
    """The driver `nfs`."""

    kind = "nfs"
    pools = ("netfs",)
    changeable = ("mount_options", "version")
    needs_new_mount = True  # most options of an NFS mount are those of its connection

    def owns(self, root):
        """True for a netfs pool of NFS; libvirt mounts GlusterFS and CIFS by the same type."""
        form = root.find("source/format")
        return root.get("type") in self.pools and (form is None or form.get("type") in ("nfs", "auto"))

    def words(self, root):
        """What a pool's XML says of this kind's options."""
        return pool.words_of(root)

    def has_mount(self, have):
        """An export is always mounted on its path."""
        return True

    def mount(self, have):
        """The Mount of an active storage, or None."""
        return mounts.at(have["path"])

    def fs(self, have):
        """The filesystem is the server's."""
        return "nfs"

    def source(self, have):
        """What mount(8) and mountinfo call the export."""
        return f"{exports.bracketed(have['server'])}:{have['export']}"

    def fault(self, have):
        """What is wrong with an active storage, in words, or None."""
        mount = self.mount(have)
        if not mount:
            return f"is active, but nothing is mounted on {have['path']}; state: present mounts it"
        if not self.is_own(have, mount):
            return f"is active, but {mount.source} is mounted on {have['path']}, not {self.source(have)}"
        return "is mounted read-only" if "ro" in mount.options and "ro" not in have["mount_options"] else None

    def is_own(self, have, mount):
        """True where a mount is of the storage's export."""
        return mount.fs.startswith("nfs") and mount.source.rstrip("/") == self.source(have).rstrip("/")

    def is_lost(self, have):
        """True where an active storage has no mount any more, or one whose export went away and came back as another."""
        return not self.mount(have) or "tale file handle" in (have["seen"].get("error") or "")

    def refuse_change(self, have, want):
        """Refused for what would make it another storage."""
        path = want.get("path")
        if path and silence.real(path) != silence.real(have["path"]):
            raise Refused(f"is in {have['path']}, asked for {path}; a storage does not move: make a new one for it", "path_change")
        for key in ("server", "export"):
            if want.get(key) and exports.clean(key, want[key]) != exports.clean(key, have[key]):
                raise Refused(f"is on {self.source(have)}, asked for {key} {want[key]}; a storage does not move: make a new one for it", f"{key}_change")
        for key in ("device", "fs"):
            if want.get(key):
                raise Refused(f"is on an NFS server and has no {key} of this host", "invalid_options")
        check_options(want.get("mount_options") or [])

    def blueprint(self, want):
        """Where a new storage is to be, checked as far as the server can be asked without mounting."""
        for key in ("server", "export"):
            if not want.get(key):
                raise Refused(f"does not exist; say its {key} to make it", f"{key}_missing")
        for key in ("device", "fs"):
            if want.get(key):
                raise Refused(f"{key} is for storages on devices of this host; an NFS server has its own", "invalid_options")
        server, export = (exports.clean(key, want[key]) for key in ("server", "export"))
        if not server or not server.isprintable() or any(letter in server for letter in " ,/\\'\""):
            raise Refused(f"{want['server']!r} is not the name or address of a server", "invalid_server")
        if not export.startswith("/") or not export.isprintable() or "," in export or ".." in export.split("/"):
            raise Refused(f"export {want['export']!r} is not an absolute path on the server", "invalid_export")
        check_options(want.get("mount_options") or [])
        path = silence.real(directory.check_path(want.get("path") or os.path.join(directory.DEFAULT_ROOT, want["name"])))  # mounts are known by it
        refuse_hidden(path, f"{exports.bracketed(server)}:{export}")
        version = want.get("version") or DEFAULT_VERSION
        nfs_server.reach(server, version, want.get("timeout") or silence.TIMEOUT)
        return {"path": path, "device": None, "attach": True, "carried": [], "fs": "nfs", "server": server, "export": export, "version": version}

    def preparations(self, name, plan):
        """The steps before the pool of a new storage can be defined."""
        if os.path.isdir(plan["path"]):
            return []
        return [Step("create", "path", lambda: directory.make(plan["path"]), before=None, after=plan["path"])]

    def document(self, name, plan, mount_options):
        """The pool's XML. The version is always said: libvirt's own choice may be 3."""
        return pool.network_document(name, plan["path"], exports.bracketed(plan["server"]), plan["export"], plan["version"], mount_options)

    def refuse_start(self, have):
        """Refused where starting would fail or hide files; asked while planning."""
        refuse_hidden(have["path"], self.source(have))
        nfs_server.reach(have["server"], have["version"] or DEFAULT_VERSION, have.get("timeout") or silence.TIMEOUT)

    def start(self, have, start_pool, stop_pool):
        """Mount, see to it that QEMU's user can work there, and let libvirt adopt the mount; else leave nothing of ours mounted."""
        timeout = have.get("timeout") or silence.TIMEOUT
        refuse_silent()
        if not os.path.isdir(have["path"]):
            directory.make(have["path"])
        ours = not self.mount(have)
        if ours:
            options = [*ALWAYS, *(have["mount_options"] or DEFAULT_OPTIONS)]
            nfs_server.mount(have["server"], have["export"], have["version"] or DEFAULT_VERSION, options, have["path"], timeout)
        try:
            guest_access.check(have["path"], self.source(have), timeout)
            start_pool()
        except BaseException:
            if ours:
                nfs_server.unmount(have["path"], timeout, lazy=True)
            raise

    def change(self, have, changes):
        """Nothing to do before the definition changes; the next mount is made by it."""

    def stop(self, have, stop_pool):
        """Unmount first where the server does not answer: libvirt would wait for it."""
        if have["health"].get("hangs") or self.is_lost(have):
            nfs_server.unmount(have["path"], silence.TIMEOUT, lazy=True)
        stop_pool()

    def open_to_guests(self, have):
        """The rights of an export are the server's."""

    def forget(self, have):
        """Nothing of ours is left on this host."""


def check_options(options):
    """Refused for mount options that endanger data or belong elsewhere."""
    for option in options:
        word = option.partition("=")[0]
        if word in FORBIDDEN and option != "local_lock=none":
            raise Refused(f"mount_options: {option} is refused: {FORBIDDEN[word]}", "dangerous_option")
        if word in RESERVED:
            raise Refused(f"mount_options: {option} is not for here; version says the version of NFS", "invalid_option")
        if not mounts.is_option(option):
            raise Refused(f"mount_options: {option!r} is not an option of a mount (one option each, no commas)", "invalid_option")


def refuse_hidden(path, source):
    """Refused where mounting would hide files, or something else is mounted."""
    mount = mounts.at(path)
    if mount and mount.source.rstrip("/") != source.rstrip("/"):
        raise Refused(f"{mount.source} is mounted on {path}; it is not {source}", "path_in_use")
    if not mount and os.path.isdir(path) and os.listdir(path):
        raise Refused(f"the mount point {path} is not empty; mounting {source} would hide what is in it", "path_not_empty")


def refuse_silent():
    """libvirt looks at every mount of the host when it starts a pool, and would hang with the first that hangs."""
    points = silence.look()
    if points:
        raise NotReachable(f"is not started while {', '.join(points)} does not answer: libvirt would hang with it", "mount_hangs")
