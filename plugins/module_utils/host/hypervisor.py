# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only importer of libvirt: a session with one hypervisor, look-ups and bulk readers.

Other rooms take the binding from here (`libvirt`), and may use it only inside functions: it is None where it is missing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections import defaultdict
from urllib.parse import urlsplit

from .. import lens
from ..errors import IntakeError, NotFound, NotReachable
from . import mounts, silence

try:
    import libvirt
except ImportError:
    libvirt = None

PASSES = 10  # seconds in which a pool that others change is looked at again, before that is given up


def faults():
    """The exceptions a libvirt call may raise; for `except` clauses outside this file."""
    return (libvirt.libvirtError,) if libvirt else ()


@contextlib.contextmanager
def session(uri):
    """A Hypervisor at a libvirt URI, closed when the block ends. Raises NotReachable with what to do about it."""
    if libvirt is None:
        raise NotReachable(
            "the libvirt Python binding is not installed for this interpreter; install the package python3-libvirt on the hypervisor",
            "libvirt_missing",
        )
    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise NotReachable(f"{uri} does not answer: {error.get_error_message()}{advice(error)}") from error
    try:
        yield Hypervisor(connection, uri)
    finally:
        connection.close()


def advice(error):
    """What usually helps against a failed connection."""
    text = str(error)
    if any(words in text for words in ("ermission denied", "authentication", "system bus connection")):
        return "; use become: true, or make the user a member of the group libvirt"
    if "No such file" in text or "refused" in text:
        return "; is libvirtd (or virtqemud) running on this host?"
    return ""


class Hypervisor:
    """One open connection. Lists are read once per call and kept; `forget()` drops them after a change."""

    def __init__(self, connection, uri):
        self.connection = connection
        self.uri = uri
        self.kept = {}

    @property
    def is_local(self):
        """True where the files of its storages are files of this machine."""
        return not urlsplit(self.uri).netloc

    def forget(self):
        """Read again at the next look."""
        self.kept = {}

    def once(self, key, reader):
        """Read a list at its first use; another thread may forget it at any moment."""
        kept = self.kept
        if key in kept:
            return kept[key]
        return kept.setdefault(key, reader())

    def identity(self):
        """{"host": UUID, "hostname"} of the hypervisor itself, as other hosts know it."""
        return self.once("identity", self.read_identity)

    def read_identity(self):
        found = lens.parse(self.connection.getCapabilities()).findtext("host/uuid")
        return {"host": found, "hostname": self.connection.getHostname()}

    def pools(self):
        """All storage pools by name (virStoragePool)."""
        return self.once("pools", lambda: {pool.name(): pool for pool in self.connection.listAllStoragePools(0)})

    def networks(self):
        """{name: whether it is active} of all virtual networks."""
        return self.once("networks", lambda: {network.name(): bool(network.isActive()) for network in self.connection.listAllNetworks(0)})

    def domains(self):
        """All domains by name (virDomain)."""
        return self.once("domains", lambda: {domain.name(): domain for domain in self.connection.listAllDomains(0)})

    def autostarting(self):
        """The names of the domains that start with the host."""
        flag = libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART
        return self.once("autostart", lambda: {domain.name() for domain in self.connection.listAllDomains(flag)})

    def domain_state(self, domain):
        """[state, reason] of a domain as libvirt numbers them, from one question about all of them."""
        return self.once("states", self.read_states).get(domain.UUIDString()) or domain.state()

    def read_states(self):
        try:
            found = self.connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
        except libvirt.libvirtError:  # libvirt's test driver has no statistics
            return {}
        return {domain.UUIDString(): (stats["state.state"], stats["state.reason"]) for domain, stats in found if "state.state" in stats}

    def pool(self, name):
        """One pool, or NotFound with the names there are."""
        found = self.pools().get(name)
        if found is None:
            there = ", ".join(sorted(self.pools())) or "none"
            raise NotFound(f"storage {name}: does not exist on this hypervisor (there are: {there})", "storage_not_found")
        return found

    def storage_path(self, name):
        """The directory of an active storage; refuses one that is not active, since its files cannot be seen."""
        pool = self.pool(name)
        known = unless_gone(lambda: (pool.isActive(), self.once(("path", name), lambda: pool_place(pool))))
        if known is None:
            raise NotFound(f"storage {name}: was removed meanwhile", "storage_not_found")
        is_active, (path, needs_mount) = known
        if not is_active:
            raise IntakeError(
                f"storage {name}: is not active; run intake_storage with name={name} state=present to start it", "storage_inactive"
            )
        if path and silence.silent(path):
            raise NotReachable(f"storage {name}: {path} does not answer; its server is away, or the network to it", "storage_hangs")
        if needs_mount and self.is_local and not mounts.at(path):
            raise IntakeError(
                f"storage {name}: is active, but nothing is mounted on {path}; run intake_storage with name={name} state=present, which mounts it",
                "storage_not_mounted",
            )
        return path

    def storage_paths(self):
        """The directories of all active storages that have one and can be looked at, by storage name."""
        return {name: path for name, path in self.active_paths().items() if not silence.silent(path)}

    def silent_storages(self):
        """The names of active storages whose server does not answer."""
        return sorted(name for name, path in self.active_paths().items() if silence.silent(path))

    def active_paths(self):
        """The directories of all active storages that have one, by storage name."""

        def read():
            return {name: unless_gone(lambda pool=pool: pool.isActive() and pool_path(pool)) for name, pool in self.pools().items()}

        found = self.once("paths", read)
        return {name: path for name, path in found.items() if path}

    def start_pool(self, pool):
        """Start a pool that another client may start as well."""
        while_it_passes(lambda: pool.isActive() or pool.create(0))

    def refresh(self, name):
        """Make libvirt look at an active storage's files again."""
        pool = self.pool(name)

        def look():
            try:
                if unless_gone(pool.isActive):
                    pool.refresh(0)
            except libvirt.libvirtError as error:
                if not is_stale(error) or pool.isActive():
                    raise
                self.start_pool(pool)  # libvirt stops, and unmounts, what it could not look at

        while_it_passes(look)

    def domain_xmls(self):
        """The persistent XML of every domain, and the running XML of those that run: {name: [root, ...]}."""
        return self.once("xmls", lambda: {name: domain_roots(domain) for name, domain in self.domains().items()})

    def file_users(self):
        """Who names a file: {real path: [VM names]}, from disks, backing chains, kernels, UEFI variables and snapshots."""
        return self.once("users", self.read_file_users)

    def read_file_users(self):
        users = defaultdict(list)
        for name, domain in self.domains().items():
            roots = list(self.domain_xmls()[name])
            roots += snapshot_roots(domain) if roots else []
            for path in sorted({path for root in roots for path in named_files(root, self)}):
                users[silence.real(path)].append(name)
        return dict(users)

    def volume_path(self, pool, volume):
        """The path of a volume that a domain names by pool and name, or None."""
        path = self.storage_paths().get(pool)
        return path and os.path.join(path, volume)


def while_it_passes(act):
    """Do it, and do it again where libvirt has a job of another client, or missed a file that another host of an NFS server took away.

    libvirt stats and opens one file after the other, and takes only ENOENT of the first for gone (storage_util.c, virStorageBackendVolOpen).
    """
    deadline = time.monotonic() + PASSES
    while True:
        try:
            return act()
        except libvirt.libvirtError as error:
            if not (is_stale(error) or "asynchronous job" in str(error)) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def is_stale(error):
    """True where a file was taken away between libvirt's finding it and looking at it; ENOENT of the directory is not meant."""
    if error.get_error_code() != libvirt.VIR_ERR_SYSTEM_ERROR:
        return False
    return error.get_int1() == errno.ESTALE or (error.get_int1() == errno.ENOENT and "cannot open volume" in str(error))


def unless_gone(read, is_file=False):
    """What `read` returns, or None where the pool, volume, domain or snapshot it reads went away since it was listed."""
    try:
        return read()
    except libvirt.libvirtError as error:
        gone = (libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT)
        if error.get_error_code() not in gone and not (is_file and is_stale(error)):
            raise
        return None


def pool_path(pool):
    """The directory a pool's files are in, or None for kinds that have none."""
    return pool_place(pool)[0]


def pool_place(pool):
    """(pool_path, whether a filesystem is mounted there while the pool is active)."""
    root = lens.parse(pool.XMLDesc(0))
    return root.findtext("target/path"), root.get("type") in ("fs", "netfs")


def domain_roots(domain):
    """The persistent description, and the live one where the domain runs; nothing if it went away meanwhile."""

    def read():
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        return [domain.XMLDesc(flags)] + ([domain.XMLDesc(0)] if domain.isActive() else [])

    return [lens.parse(text) for text in unless_gone(read) or ()]


def snapshot_roots(domain):
    """The descriptions of a domain's snapshots; nothing if it went away meanwhile."""
    found = unless_gone(lambda: [one.getXMLDesc(0) for one in domain.listAllSnapshots(0)] if domain.snapshotNum(0) else [])
    return [lens.parse(text) for text in found or ()]


def named_files(root, hypervisor):
    """Every file a domain or snapshot document names."""
    for source in root.iter("source"):
        for key in ("file", "dev"):
            if source.get(key):
                yield source.get(key)
        if source.get("pool") and source.get("volume"):
            path = hypervisor.volume_path(source.get("pool"), source.get("volume"))
            if path:
                yield path
    for tag in ("kernel", "initrd", "nvram", "loader"):
        for element in root.iter(tag):
            if element.text and element.text.startswith("/"):
                yield element.text
