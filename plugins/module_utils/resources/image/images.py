# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: disk and ISO images in a storage, from a URL, a file of the hypervisor or the controller, or a volume."""

from __future__ import annotations

import os

from ...arrival import remote
from ...arrival.checksum import basename_of, find_sum, parse_checksum
from ...errors import IntakeError, NotFound, Refused
from ...files.catalogue import Catalogue
from ...files.graph import Graph
from ...files.qcow2 import is_written
from ...files.space import Space
from ...flow.converge import Resource
from ...host import silence
from ...locking import shared_locks
from ...names import check_name
from ...units import check_seconds
from . import listing, reading
from .contents import Contents, Twin
from .matching import same_content
from .planning import ImagePlanner, named
from .sources import remote_of

SPEC = {
    "name": {"type": "str"},
    "storage": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "url": {"type": "str"},
    "path": {"type": "path"},
    "src": {"type": "path"},
    "volume": {"type": "str"},
    "volume_storage": {"type": "str"},
    "checksum": {"type": "str"},
    "format": {"type": "str", "choices": ["qcow2", "raw", "iso"]},
    "decompress": {"type": "str", "choices": ["auto", "none"], "default": "auto"},
    "description": {"type": "str"},
    "labels": {"type": "dict"},
    "new_name": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 60},
    "url_username": {"type": "str"},
    "url_password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "_content": {"type": "dict"},  # said by the action plugin: what `src` holds, and where it lies on the hypervisor
}
INFO_SPEC = {
    "names": {"type": "list", "elements": "str"},
    "storage": {"type": "str"},
    "labels": {"type": "dict"},
    "state": {"type": "str", "choices": ["ready", "unfinished"]},
}


class Images(Resource):
    """The images a call names. Several are brought at a time; each is published when it is whole."""

    noun, plural = "image", "images"
    spec = SPEC
    rules = {"mutually_exclusive": [["url", "path", "src", "volume"]]}
    workers = 4

    def __init__(self, hypervisor=None, options=None):
        super().__init__(hypervisor, options)
        self.space = Space()
        self.contents = Contents()
        self.catalogues = {}
        self.sums = {}
        self.graph = None
        self.touched = set()

    @staticmethod
    def secrets(item):
        """Values of an item that belong into no output: passwords inside URLs."""
        urls = [str(item.get("url") or ""), str(item.get("checksum") or "").partition(":")[2]]
        return {secret for url in urls if "@" in url for secret in remote.url_secrets(url)}

    def identity(self, want):
        return want.get("storage"), want["name"]

    def held(self, wants):
        """Every image under its old and new name; its storage and the volume it is made from are only read."""
        self.check(wants)
        names = [(want["storage"], name) for want in wants for name in (want["name"], want.get("new_name")) if name]
        volumes = [(want.get("volume_storage") or want["storage"], want["volume"]) for want in wants if want.get("volume")]
        return shared_locks.hold(
            self.hypervisor,
            exclusive=[f"volume/{storage}/{name}" for storage, name in names],
            shared=[f"storage/{want['storage']}" for want in wants] + [f"volume/{storage}/{name}" for storage, name in volumes],
            timeout=self.options["lock_timeout"],
        )

    def check(self, wants):
        """Refuse what cannot be read at all."""
        if not self.hypervisor.is_local:
            raise Refused(f"the files of {self.hypervisor.uri} are on another machine; run the task on that hypervisor", "not_local")
        taken = set()
        for want in wants:
            check_seconds(want["timeout"])
            names = {want["name"], want.get("new_name") or want["name"]}
            for name in names:
                check_name("image", name)
            if not want.get("storage"):
                raise Refused(f"image {want['name']}: say its storage", "storage_missing")
            places = {(want["storage"], name) for name in names}
            if places & taken:
                raise Refused(f"image {want['name']}: another image of this call has or gets its name", "duplicate_name")
            taken |= places

    def read(self, wants):
        """Each under its name; where there is none, under its new name, for then it was renamed already."""
        self.check(wants)
        self.touched.update(want["storage"] for want in wants)
        return [self.read_one(want) for want in wants]

    def read_one(self, want):
        root = self.root(want["storage"])
        found = (
            reading.read_image(want["storage"], root, name, self.catalogue(root).get(name))
            for name in (want["name"], want.get("new_name"))
            if name
        )
        return next((have for have in found if have), None)

    def plan(self, have, want):
        """See ImagePlanner."""
        labels = want.get("labels")
        if labels is not None:
            want = {**want, "labels": {str(key): str(value) for key, value in labels.items()}}
        return named(f"image {want['name']}", lambda: ImagePlanner(self, have, want).plan())()

    def settle(self):
        """libvirt sees the new files too."""
        for name in self.touched:
            self.hypervisor.refresh(name)
        self.graph = None
        self.hypervisor.forget()

    def show(self, have):
        return reading.show(have)

    def list(self, params):
        """See image_list."""
        return listing.listed(self, params)

    # what plans ask for

    def root(self, storage):
        """The directory of a storage."""
        root = self.hypervisor.storage_path(storage)
        if not root or not os.path.isdir(root):
            raise NotFound(f"storage {storage}: has no directory, or it is gone ({root})", "storage_unreadable")
        return root

    def catalogue(self, root):
        """The records of a storage."""
        return self.catalogues.setdefault(root, Catalogue(root))

    def users(self, path):
        """Who uses a file, in words; the graph of all files is read at the first question."""
        if self.graph is None:
            self.graph = Graph(self.hypervisor)
        return self.graph.users(path)

    def writers(self, path):
        """Who has a file open for writing, in words: running VMs, else a program that QEMU's own locks tell of."""
        real = silence.real(path)
        found = [f"vm {name}" for name, roots in self.hypervisor.domain_xmls().items() if len(roots) > 1 and writes(roots[1], real)]
        return found or (["another program"] if is_written(path) else [])

    def declared_format(self, path):
        """The format a VM's definition gives a file, or None; a guest can write any header to its disk, so this word counts more."""
        real = silence.real(path)
        roots = (root for roots in self.hypervisor.domain_xmls().values() for root in roots)
        found = {disk.find("driver").get("type") for root in roots for disk in disks_on(root, real) if disk.find("driver") is not None}
        return "raw" if "raw" in found else next(iter(sorted(filter(None, found))), None)

    def checksum(self, want, filename):
        """The Checksum an item asks for; a list of sums is fetched once per call."""
        found, url = parse_checksum(want["checksum"])
        if url is None:
            return found
        try:
            if url not in self.sums:
                self.sums[url] = remote.read_text(sums_source(url, want))
            return find_sum(self.sums[url], found, basename_of(filename))
        except IntakeError as error:
            raise type(error)(f"image {want['name']}: {remote.shown_url(url)} {told(error, url)}", error.reason) from error

    def shared(self, key):
        """The part of an item in a content that others of this call want too, or None."""
        return self.contents.share(key)

    def twin(self, arrival, want):
        """Another image of the same storage that has the content asked for and was not changed since; or None."""
        if arrival.asked is None:
            return None
        for name, record in self.catalogue(arrival.root).read().items():
            path = os.path.join(arrival.root, name)
            if name == arrival.name or not same_content(record, arrival.asked, arrival.unpack, arrival.wanted):
                continue
            if os.path.isfile(path) and record.get("stamp") == reading.stamp_of(os.stat(path)):
                return Twin(path, record)
        return None


def disks_on(root, real):
    """The disks of a domain's document that are a file."""
    for disk in root.iter("disk"):
        source = disk.find("source")
        if source is not None and source.get("file") and silence.real(source.get("file")) == real:
            yield disk


def writes(root, real):
    """True where a running domain's document has the file as a disk it may write to."""
    return any(disk.find("readonly") is None for disk in disks_on(root, real))


def sums_source(url, want):
    """A Remote of a list of sums; the item's user and password go only to the server that they are for."""
    same = want.get("url") and remote.host_of(want["url"]) == remote.host_of(url)
    return remote_of(url, want if same else {**want, "url_username": None, "url_password": None})


def told(error, url):
    """The words of an error behind the URL that it may begin with."""
    shown = remote.shown_url(url)
    return str(error)[len(shown) :].lstrip(": ") if str(error).startswith(shown) else str(error)
