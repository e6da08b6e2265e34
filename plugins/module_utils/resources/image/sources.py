# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the content of an image comes from: one small class per option that says it, all with the same methods.

`shown` goes into records and output; `verb` names the step; `check(images, want)` refuses before anything has moved;
`bring(arrival, images, want)` runs it.
"""

from __future__ import annotations

import os
import stat

from ...arrival import remote
from ...arrival.checksum import Checksum
from ...errors import NotFound, Refused
from ...files import qcow2
from ...files.catalogue import Catalogue
from ...names import check_name


class FromUrl:
    """A http(s) URL, downloaded by the hypervisor."""

    verb = "download"

    def __init__(self, want):
        self.url = want["url"]
        self.shown = remote.shown_url(self.url)
        self.file = self.url
        self.sum = None

    def check(self, images, want):
        remote.remote(self.url)

    def key(self, want, asked):
        """The same key means the same content, so one download of a call serves them all."""
        return self.url, want.get("url_username"), str(asked), want.get("decompress")

    def bring(self, arrival, images, want):
        source = remote_of(self.url, want, downgrade=arrival.asked is not None)
        arrival.from_url(source, images.space, images.catalogue(arrival.root))


class FromPath:
    """A file on the hypervisor."""

    verb = "copy"

    def __init__(self, want):
        self.path = want["path"]
        self.shown = self.file = self.path
        self.sum = None

    def check(self, images, want):
        readable(self.path, f"image {want['name']}: path {self.path}")

    def key(self, want, asked):
        return None

    def bring(self, arrival, images, want):
        arrival.from_file(self.path, images.space, images.catalogue(arrival.root))


class FromSrc:
    """A file on the controller; the action plugin says its sum first, and transfers it only when asked to."""

    verb = "upload"

    def __init__(self, want):
        said = want.get("_content") or {}
        self.shown = self.file = want["src"]
        self.sum = Checksum("sha256", said["sha256"]) if said.get("sha256") else None
        self.path = said.get("path")

    def check(self, images, want):
        if not self.sum:
            raise Refused(f"image {want['name']}: src needs the collection's action plugin; use path for a file on this host", "src_without_action")

    def key(self, want, asked):
        return None

    def bring(self, arrival, images, want):
        if not self.path:
            raise NotFound("its content was not transferred; run the task again", "not_transferred")
        arrival.from_file(self.path, images.space, images.catalogue(arrival.root))


class FromVolume:
    """A volume of this hypervisor, with its whole backing chain."""

    verb = "copy"

    def __init__(self, want):
        self.storage = want.get("volume_storage") or want["storage"]
        self.volume = want["volume"]
        self.shown = f"{self.storage}/{self.volume}"
        self.file = self.volume
        self.sum = None

    def check(self, images, want):
        who = f"image {want['name']}: volume {self.volume} in storage {self.storage}"
        check_name("volume", self.volume)
        readable(self.path_of(images), who)
        writers = images.writers(self.path_of(images))
        if writers:
            raise Refused(f"{who} is written to by {', '.join(writers)}; stop it first", "volume_in_use")
        if want.get("checksum"):
            raise Refused(f"image {want['name']}: checksum proves what comes from elsewhere; leave it out with volume", "invalid_options")

    def path_of(self, images):
        return os.path.join(images.hypervisor.storage_path(self.storage), self.volume)

    def key(self, want, asked):
        return None

    def bring(self, arrival, images, want):
        path = self.path_of(images)
        recorded = Catalogue(os.path.dirname(path)).get(self.volume).get("format")
        form = recorded or images.declared_format(path) or qcow2.probe(path)["format"]
        arrival.from_volume(path, form, images.space, images.catalogue(arrival.root))


KINDS = {"url": FromUrl, "path": FromPath, "src": FromSrc, "volume": FromVolume}


def source_of(want):
    """The source an item names, or None."""
    return next((kind(want) for option, kind in KINDS.items() if want.get(option)), None)


def remote_of(url, want, **more):
    """A Remote with the item's way of connecting."""
    return remote.remote(
        url, want.get("url_username"), want.get("url_password"), timeout=want["timeout"], validate_certs=want["validate_certs"], **more
    )


def readable(path, who):
    """Refuse what is not a plain file."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise NotFound(f"{who} cannot be read: {error.strerror}", "source_not_found") from error
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"{who} is not a plain file", "source_not_found")
