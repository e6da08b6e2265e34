# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An NFS server as this host meets it, layer by layer: its name, its port, its export. Each failure names its layer.

Everything that may wait for a server is done in a child with a time limit: a mount that hangs in the kernel hangs no play.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time

from ..errors import IntakeError, NotReachable, Refused
from ..host import bounded, mounts
from ..host.exports import bracketed, plain
from ..host.programs import find

PORT = 2049
RPCBIND = 111
GRACE = 2  # seconds for a killed program to be gone, where the kernel lets it
# What mount.nfs(8) says, the layer it speaks of, and what helps. The first that fits counts.
SAYINGS = (
    ("access denied", "export_refused", "does not let this host mount {export}; list the host in the server's exports, then exportfs -ra there"),
    ("no such file", "export_not_found", "has no export {export}; with NFSv4 the path is below the server's fsid=0 export, if it has one"),
    ("protocol not supported", "version_refused", "does not speak NFS {version}; ask for another version"),
    ("requested nfs version", "version_refused", "does not speak NFS {version}; ask for another version"),
    ("operation not permitted", "mount_refused", "was not mounted: this host may not mount (a container?), or the server wants a port below 1024"),
    ("unknown filesystem type", "client_missing", "cannot be mounted: this host's kernel has no NFS client; load or install the module nfs"),
    ("bad option", "client_missing", "cannot be mounted: install the NFS client (nfs-common on Debian, nfs-utils on RHEL)"),
    ("incorrect mount option", "invalid_option", "was not mounted: one of the mount options is unknown here"),
    ("invalid argument", "invalid_option", "was not mounted: one of the mount options is unknown here"),
    ("stale file handle", "export_stale", "exports something else under {export} than before; unmount it everywhere and mount it anew"),
)


def reach(server, version, timeout):
    """Refused or NotReachable unless the name resolves and the port answers; seconds for both together."""
    deadline = time.monotonic() + timeout
    port = RPCBIND if str(version) == "3" else PORT
    addresses = bounded.call(lambda: resolve(plain(server), port), timeout)
    if addresses is None:
        raise NotReachable(f"the name service did not answer for {server} within {timeout} s", "name_timeout")
    if isinstance(addresses, str):
        raise NotReachable(f"the name {server} cannot be resolved on this host: {addresses}", "name_not_found")
    last = "no address"
    for family, address in addresses:
        with socket.socket(family, socket.SOCK_STREAM) as link:
            link.settimeout(max(0.5, (deadline - time.monotonic()) / len(addresses)))
            try:
                link.connect(tuple(address))
                return
            except OSError as error:
                last = "no answer" if isinstance(error, socket.timeout) else error.strerror or str(error)
    what = "rpcbind, which NFS 3 needs" if port == RPCBIND else "NFS"
    raise NotReachable(f"server {server} does not answer on port {port} ({what}): {last}; is it on, and does a firewall let this host in?", "server_down")


def resolve(server, port):
    """[(family, address)] of a server, or the resolver's words where there is none."""
    try:
        found = socket.getaddrinfo(server, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return [(int(family), list(address)) for family, _kind, _protocol, _name, address in found]


def mount(server, export, version, options, path, timeout):
    """Mount an export, or NotReachable or Refused with the layer that failed. Nothing is left mounted after a failure."""
    if not find("mount.nfs"):
        raise Refused("cannot be mounted: install the NFS client (nfs-common on Debian, nfs-utils on RHEL)", "client_missing")
    source = f"{bracketed(server)}:{export}"
    argv = ["mount", "-t", "nfs", "-o", ",".join([f"nfsvers={version}", "retry=0", *options]), source, path]
    code, said = timed(argv, timeout)
    if code is None:
        if mounts.at(path):  # it came while it was given up
            unmount(path, timeout, lazy=True)
        raise NotReachable(f"server {server} did not complete the mount of {export} within {timeout} s; timeout gives it longer", "server_hangs")
    if code:
        facts = {"export": export, "version": version}
        for words, reason, sentence in SAYINGS:
            if words in said.lower():
                raise Refused(f"server {server} {sentence.format(**facts)} (mount said: {said})", reason)
        raise IntakeError(f"server {server}: {export} could not be mounted: {said}", "mount_failed")


def unmount(path, timeout, lazy=False):
    """Unmount; lazily where the server does not answer, so that the name is free whatever the kernel waits for."""
    code, said = timed(["umount", *(["-l", "-f"] if lazy else []), path], timeout)
    if code is None:
        raise NotReachable(f"{path} could not be unmounted within {timeout} s; its server does not answer", "server_hangs")
    if code and "not mounted" not in said:
        raise IntakeError(f"{path} could not be unmounted: {said}", "unmount_failed")


def timed(argv, timeout):
    """(exit code, last words) of a program; (None, "") where it does not end in time, which is then left to the kernel."""
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(
            [find(argv[0]) or argv[0], *argv[1:]], stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=dict(os.environ, LC_ALL="C"), start_new_session=True
        )
        try:
            code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)
            return None, ""
        told.seek(0)
        lines = told.read().decode("utf-8", "replace").strip().splitlines()
        return code, lines[-1].strip() if lines else f"exit code {code}"
