# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums as people ask for them ("sha256:<hex>", "sha256:<URL of a SHA256SUMS file>"), and of bytes that pass by."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ..errors import IntakeError, Refused

LENGTHS = {"sha256": 64, "sha512": 128}
CHUNK = 1024 * 1024
GNU = re.compile(r"\\?([0-9a-fA-F]{64,128}) [ *](.+)")  # coreutils: "<hex>  <name>", "<hex> *<name>"
BSD = re.compile(r"(SHA256|SHA512) ?\((.+)\) ?= ?([0-9a-fA-F]{64,128})")  # BSD, and coreutils with --tag
EXAMPLE = "write sha256:<64 hexadecimal digits>, sha512:<128 hexadecimal digits>, or sha256:<URL of a SHA256SUMS file>"


class Checksum(NamedTuple):
    """One sum of one content; written "sha256:<hex>"."""

    algorithm: str
    digest: str

    def __str__(self):
        return f"{self.algorithm}:{self.digest}"


def parse_checksum(text):
    """(Checksum, None), or (algorithm, URL) where the sum must be looked up first. Refuses anything else."""
    algorithm, _colon, rest = str(text).strip().partition(":")
    algorithm = algorithm.lower()
    if algorithm not in LENGTHS:
        raise Refused(f"checksum: {text!r} names no known algorithm; {EXAMPLE}", "invalid_checksum")
    if is_url(rest):
        return algorithm, rest
    if not re.fullmatch(f"[0-9a-fA-F]{{{LENGTHS[algorithm]}}}", rest):
        raise Refused(f"checksum: {rest!r} is not a {algorithm} sum; {EXAMPLE}", "invalid_checksum")
    return Checksum(algorithm, rest.lower()), None


def basename_of(source):
    """The file name at the end of a URL or path, by which it is looked up in a SHA256SUMS file."""
    return posixpath.basename(unquote(urlsplit(source).path) if is_url(source) else source)


def is_url(text):
    """True for what is downloaded."""
    return text.lower().startswith(("http://", "https://"))


def find_sum(text, algorithm, filename):
    """The Checksum of a file in the text of a SHA256SUMS file, GNU or BSD format, signed or not.

    A file that holds one bare sum and nothing else is taken as well. Raises IntakeError, reason `checksum_not_found`.
    """
    found = {digest for name, digest in entries(text, algorithm) if posixpath.basename(name) == filename}
    bare = text.split()
    if not found and len(bare) == 1 and re.fullmatch(f"[0-9a-fA-F]{{{LENGTHS[algorithm]}}}", bare[0]):
        found = {bare[0].lower()}
    if not found:
        raise IntakeError(f"lists no {algorithm} sum for {filename}", "checksum_not_found")
    if len(found) > 1:
        raise IntakeError(f"lists different {algorithm} sums for {filename}", "checksum_ambiguous")
    return Checksum(algorithm, found.pop())


def entries(text, algorithm):
    """(name, digest) of every line that is a sum of this algorithm."""
    for line in text.splitlines():
        tagged, plain = BSD.fullmatch(line.strip()), GNU.fullmatch(line.rstrip("\r"))
        if tagged and tagged.group(1).lower() == algorithm:
            name, digest = tagged.group(2), tagged.group(3)
        elif plain:
            digest, name = plain.groups()
        else:
            continue
        if len(digest) == LENGTHS[algorithm]:
            yield name.strip(), digest.lower()


class Digests:
    """Sums of several algorithms over the same bytes, and how many bytes they have seen."""

    def __init__(self, algorithms):
        self.running = {algorithm: hashlib.new(algorithm) for algorithm in sorted(set(algorithms) | {"sha256"})}
        self.seen = 0

    def feed(self, data):
        """Take the next bytes."""
        for digest in self.running.values():
            digest.update(data)
        self.seen += len(data)

    def feed_file(self, path, end=None):
        """Take a file's bytes from where we are up to `end` (default: all of it)."""
        with open(path, "rb") as file:
            file.seek(self.seen)
            while end is None or self.seen < end:
                data = file.read(CHUNK if end is None else min(CHUNK, end - self.seen))
                if not data:
                    return
                self.feed(data)

    def result(self):
        """{algorithm: hex}"""
        return {algorithm: digest.hexdigest() for algorithm, digest in self.running.items()}


def digests_of(path, algorithms=("sha256",)):
    """{algorithm: hex} of a file."""
    digests = Digests(algorithms)
    digests.feed_file(path)
    return digests.result()


def verify(digests, asked):
    """Raise IntakeError, naming both sums, unless the content is the one asked for. `asked` may be None."""
    if asked and digests[asked.algorithm] != asked.digest:
        raise IntakeError(
            f"the content has {asked.algorithm}:{digests[asked.algorithm]}, asked for {asked}; nothing was kept", "checksum_mismatch"
        )
