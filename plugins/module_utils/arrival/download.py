# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads that survive being killed: what is there is kept, and fetched on from where it ended.

A partial is trusted if the server still has the same content (Range with If-Range: ETag or Last-Modified), or if a
checksum is asked for, which proves it in the end; and after a restart of the host only by a checksum.
"""

from __future__ import annotations

import os
import re
import urllib.error

from ..errors import IntakeError
from ..files.space import Space, is_full
from .checksum import Digests, verify
from .compressed import write_sparse
from .remote import read_some, request
from .unfinished import boot_id, forget

CHUNK = 256 * 1024
TRIES = 5  # connections that may break in a row, as long as each brings something


class Download:
    """One content from a Remote to a hidden file. `asked` is a Checksum or None."""

    def __init__(self, source, path, unfinished, asked=None, space=None):
        self.source, self.path, self.unfinished, self.asked = source, path, unfinished, asked
        self.space = space or Space()
        self.facts = {}
        self.total = None
        self.resumed = False
        self.start_over()

    def start_over(self):
        """Forget the bytes seen so far."""
        self.digests = Digests([self.asked.algorithm] if self.asked else [])

    def run(self):
        """Bring the whole, verified content to `path`; returns {algorithm: hex}.

        Raises IntakeError: checksum_mismatch, no_space (nothing is kept); timeout, truncated, http_error, not_reachable
        (what came is kept where the next run can go on from it).
        """
        try:
            return self.verified()
        except OSError as error:
            if not is_full(error):
                raise
            self.discard()
            raise IntakeError(f"the storage is full: {error.strerror} after {self.digests.seen} bytes; nothing was kept", "no_space") from error
        except IntakeError as error:
            if error.reason in ("checksum_mismatch", "no_space") or not self.can_resume():
                self.discard()
            raise
        finally:
            self.space.release(self.path)

    def verified(self):
        """The content, fetched once more from its start where a resumed one does not have its sum."""
        self.facts = self.unfinished.read()
        self.receive_all()
        if self.resumed and self.asked and self.digests.result()[self.asked.algorithm] != self.asked.digest:
            self.discard()
            self.receive_all()
        verify(self.digests.result(), self.asked)
        return self.digests.result()

    def receive_all(self):
        """Connect again, a few times, where a connection breaks but brought something."""
        for left in reversed(range(TRIES)):
            before = self.offset()
            try:
                self.receive(before)
                return
            except EOFError as error:
                came = self.digests.seen
                if not left or came <= before or not self.can_resume():
                    of = f" of {self.total}" if self.total is not None else ""
                    raise IntakeError(f"{self.source.shown} broke off after {came}{of} bytes: {error}", "truncated") from error

    def receive(self, offset):
        """One connection. Raises EOFError where it ends too early."""
        response = self.answer(offset)
        if response is None:
            return
        with response:
            offset = self.accept(response, offset)
            self.store(response, offset)
        if self.total is not None and self.digests.seen < self.total:
            raise EOFError("the connection was closed")

    def answer(self, offset):
        """The response that goes on from offset, or begins anew where the content is another now; None where nothing is left to come."""
        try:
            response = request(self.source, self.range_headers(offset))
            if response.status != 206 or self.is_same(response):
                return response
            response.close()
        except urllib.error.HTTPError as error:  # 416: nothing beyond the offset
            if whole_size(error.headers.get("Content-Range")) == offset:
                self.digests.feed_file(self.path, offset)
                self.resumed = True
                return None
        self.discard()
        return request(self.source)

    def is_same(self, response):
        """False where a part is of other content than what is here, which If-Range should have prevented."""
        whole = content_range(response.headers.get("Content-Range"))[1]
        known = ((self.facts.get("etag"), response.headers.get("ETag")), (self.facts.get("total"), whole))
        return not any(before is not None and now is not None and before != now for before, now in known)

    def accept(self, response, offset):
        """Read the answer's headers: from which byte it goes on, how long the whole is, and that there is room."""
        length = response.headers.get("Content-Length")
        length = int(length) if length and length.isdecimal() else None
        whole = None
        if response.status == 206:
            start, whole = content_range(response.headers.get("Content-Range"))
            if start != offset:
                raise IntakeError(f"{self.source.shown} answered with another range than asked for", "http_error")
        else:
            offset = 0
        self.total = whole if whole is not None else None if length is None else offset + length
        self.resumed = offset > 0
        if self.digests.seen != offset:
            self.start_over()
        if length is not None:
            self.claim(length, offset)
        self.facts = {
            "url": self.source.shown,
            "etag": response.headers.get("ETag"),
            "last_modified": response.headers.get("Last-Modified"),
            "asked": str(self.asked) if self.asked else None,
            "total": self.total,
        }
        self.unfinished.write(**self.facts)
        return offset

    def claim(self, length, offset):
        """Room for what is to come; bytes of an old partial that is about to be cut count as free."""
        if not offset:
            forget(self.path)
        self.space.claim(self.path, length)

    def store(self, response, offset):
        """Write what comes, from `offset` on, and sum it up."""
        if offset:
            self.digests.feed_file(self.path, offset)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            file.truncate(offset)
            file.seek(offset)
            try:
                while True:
                    data = read_some(self.source, response, CHUNK)
                    if not data:
                        break
                    write_sparse(file, data)
                    self.digests.feed(data)
                    self.space.spend(self.path, len(data))
            finally:
                file.truncate(self.digests.seen)

    def offset(self):
        """How many bytes of an earlier run, or connection, can be gone on from."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return 0
        if found.st_nlink > 1:  # killed while it was published: this is the published file too
            forget(self.path)
            return 0
        return found.st_size if self.can_resume() else 0

    def can_resume(self):
        """True where the same content can be asked for again, from its middle."""
        if self.asked and self.facts.get("asked") == str(self.asked):
            return True
        return bool(self.validator()) and self.facts.get("boot", boot_id()) == boot_id()

    def validator(self):
        """What If-Range takes (RFC 9110, 13.1.5): a strong ETag, else a date; only of the same URL."""
        if self.facts.get("url") != self.source.shown:
            return None
        etag = self.facts.get("etag")
        return etag if etag and not etag.startswith("W/") else self.facts.get("last_modified")

    def range_headers(self, offset):
        """Ask for the rest, if it is still the same content."""
        if not offset:
            return {}
        validator = self.validator()
        return {"Range": f"bytes={offset}-", **({"If-Range": validator} if validator else {})}

    def discard(self):
        """Keep nothing."""
        forget(self.path)
        self.facts = {}
        self.start_over()


def content_range(header):
    """(first byte, size of the whole) of "bytes 100-199/200"; None for what it does not say."""
    match = re.match(r"bytes (\d+)-\d+/(?:(\d+)|\*)", header or "")
    return (int(match.group(1)), match.group(2) and int(match.group(2))) if match else (None, None)


def whole_size(header):
    """The size in "bytes */200" of an answer 416, or None."""
    match = re.match(r"bytes \*/(\d+)", header or "")
    return int(match.group(1)) if match else None
