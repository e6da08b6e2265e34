# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the content of an image arrives: bytes as the source gives them, checked, unpacked, converted, published at once.

Every file it makes on the way is hidden and named after the image; whoever holds the image's lock may clear them away.
"""

from __future__ import annotations

import os

from ...arrival import compressed
from ...arrival.checksum import digests_of, verify
from ...arrival.download import Download
from ...arrival.unfinished import Unfinished, download_path, facts_path, forget, unpacked_path
from ...errors import IntakeError
from ...files import image_header, qcow2, transfer
from ...files.space import is_full
from ...host import programs
from .reading import stamp_of

LONGEST = 24 * 3600  # seconds for one conversion
MODE = 0o644


def leftovers(root, name):
    """Hidden files of an unfinished transfer that are there."""
    paths = (facts_path(root, name), download_path(root, name), unpacked_path(root, name), transfer.partial_path(root, name))
    return [path for path in paths if os.path.lexists(path)]


def clear(root, name):
    """Take away what an unfinished transfer left."""
    for path in leftovers(root, name):
        forget(path)


class Arrival:
    """One image on its way into a storage.

    name, root: what it will be; asked: Checksum or None; wanted: format or None; unpack: decompress what is compressed;
    record: what is known of it already (description, labels, source); replace: take the place of the image that is there.
    """

    def __init__(self, root, name, asked=None, wanted=None, unpack=True, record=None, replace=False):
        self.root, self.name, self.asked, self.wanted, self.unpack, self.replace = root, name, asked, wanted, unpack, replace
        self.record = dict(record or {}, kind="image")
        self.unfinished = Unfinished(facts_path(root, name))
        self.download = download_path(root, name)
        self.unpacked = unpacked_path(root, name)
        self.partial = transfer.partial_path(root, name)
        self.final = os.path.join(root, name)

    def from_url(self, source, space, catalogue):
        """Download and publish."""
        self.forget_products()
        try:
            digests = Download(source, self.download, self.unfinished, self.asked, space).run()
        except BaseException:
            if not os.path.exists(self.download):
                self.unfinished.remove()
            raise
        self.finish(digests, catalogue)

    def from_file(self, path, space, catalogue):
        """Copy a file of this host and publish; its sum is taken from the copy, so it is that of what was kept."""
        with self.all_or_nothing(space):
            self.start(path)
            if os.stat(path).st_dev != os.stat(self.root).st_dev:
                space.claim(self.download, os.stat(path).st_blocks * 512)
            transfer.copy_file(path, self.download)
            digests = digests_of(self.download, [self.asked.algorithm] if self.asked else [])
            verify(digests, self.asked)
        self.finish(digests, catalogue)

    def from_volume(self, path, form, space, catalogue):
        """Flatten a volume and publish: its whole backing chain becomes one file."""
        with self.all_or_nothing(space):
            self.start(path)
            convert(path, form, self.partial, self.wanted or form)
            self.publish(self.partial, self.wanted or form, catalogue, source_format=form, as_it_came=True)

    def from_image(self, path, record, catalogue):
        """Copy another image of the same content, which is at hand already, and convert where another format is wanted."""
        with self.all_or_nothing():
            self.start(path)
            form = record.get("format") or image_header.inspect(path).format
            wanted = self.wanted or record.get("source_format") or form
            if wanted == form:
                transfer.copy_file(path, self.partial)
            else:
                convert(path, form, self.partial, wanted)
            kept = {key: record.get(key) for key in ("digests", "source_format", "compression", "unpacked")}
            as_it_came = wanted == form and record.get("as_it_came", False)
            self.publish(self.partial, wanted, catalogue, as_it_came=as_it_came, **kept)

    def finish(self, digests, catalogue):
        """From verified bytes to a published image."""
        with self.all_or_nothing():
            kind = compressed.compression(self.download)
            current = self.download
            if kind and self.unpack:
                compressed.unpack(current, self.unpacked, kind)
                current = self.unpacked
            form = image_header.checked_format(current, self.wanted)
            if form == "qcow2":
                check_qcow2(current)
            wanted = form if form == "iso" else self.wanted or form
            if wanted != form:
                convert(current, form, self.partial, wanted)
                current = self.partial
            unpacked = bool(kind and self.unpack)
            facts = {"source_format": form, "compression": kind, "unpacked": unpacked}
            self.publish(current, wanted, catalogue, digests=digests, as_it_came=current == self.download, **facts)

    def publish(self, path, form, catalogue, digests=None, **facts):
        """Record first, then rename: a run killed between the two leaves a record whose stamp tells that it is not of this file.

        The format is recorded, since a guest may have written the header of another one to a raw disk.
        """
        facts = {**facts, "format": form, "digests": digests, "checksum": self.checksum(digests), "stamp": stamp_of(os.stat(path))}
        catalogue.put(self.name, {**self.record, **facts})
        transfer.publish(path, self.final, MODE, replace=self.replace)
        clear(self.root, self.name)

    def checksum(self, digests):
        """The sum people see: of the algorithm they asked for, else the first."""
        if not digests:
            return None
        algorithm = self.asked.algorithm if self.asked and self.asked.algorithm in digests else sorted(digests)[0]
        return f"{algorithm}:{digests[algorithm]}"

    def start(self, source):
        """A transfer without a download: nothing of an older one is of use."""
        clear(self.root, self.name)
        self.unfinished.write(source=source, total=os.stat(source).st_blocks * 512)

    def forget_products(self):
        """Unpacked and converted files of a killed run; downloaded bytes are kept, they may be gone on from."""
        forget(self.unpacked)
        forget(self.partial)

    def all_or_nothing(self, space=None):
        """Nothing remains of a transfer that fails in this block."""
        return AllOrNothing(self, space)


class AllOrNothing:
    """Clears an Arrival's files when its block fails, and says so where the storage is full."""

    def __init__(self, arrival, space):
        self.arrival, self.space = arrival, space

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.space:
            self.space.release(self.arrival.download)
        if error is None:
            return
        clear(self.arrival.root, self.arrival.name)
        if is_full(error) or "No space left on device" in str(error):
            raise IntakeError("the storage is full; nothing was kept", "no_space") from error


def convert(source, source_format, target, target_format):
    """Write one image as another, new file. QEMU refuses a source that a running VM writes to."""
    forget(target)
    argv = ["qemu-img", "convert", "-q", "-f", qemu_format(source_format), "-O", qemu_format(target_format)]
    programs.run([*argv, source, target], timeout=LONGEST)


def qemu_format(form):
    """QEMU reads an ISO image as raw."""
    return "raw" if form == "iso" else form


def check_qcow2(path):
    """Refuse a qcow2 file whose tables are damaged or cut off."""
    try:
        qcow2.probe(path)
        programs.run(["qemu-img", "check", "-q", "-f", "qcow2", path], timeout=LONGEST, accept=(0, 3))
    except IntakeError as error:
        if error.reason == "program_missing":
            raise
        raise IntakeError(f"the content is not a whole qcow2 image: {error}", "damaged") from error
