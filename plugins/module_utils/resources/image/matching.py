# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file that is there holds the content that is asked for."""

from __future__ import annotations

from ...arrival.checksum import Checksum, digests_of
from ...errors import Refused
from .reading import as_it_came


def has_content(who, have, asked, source):
    """True where the file that is there has the content asked for. Refuses what cannot be known or renewed."""
    digests = known_digests(who, have, asked.algorithm)
    if digests is None:
        if source:
            return False
        raise Refused(f"{who}: was converted, so its content cannot be compared with {asked}; say its source too", "checksum_unknown")
    if digests.get(asked.algorithm) == asked.digest:
        return True
    if source is None:
        there = f"{asked.algorithm}:{digests[asked.algorithm]}"
        raise Refused(f"{who}: has the content {there}, asked for {asked}; say url, path or src to renew it", "checksum_mismatch")
    if have["kind"] != "image":
        raise Refused(
            f"{who}: a file of this name, which nobody recorded as an image, has another content than {asked}; "
            "move it away or choose another name",
            "kind_mismatch",
        )
    return False


def known_digests(who, have, algorithm):
    """The sums of the source's content: as recorded, else computed from the file; None where neither can be."""
    recorded = have["record"].get("digests") or {}
    if algorithm in recorded and not have["outside"]:
        return recorded
    if not as_it_came(have):
        if recorded and not have["outside"]:
            raise Refused(
                f"{who}: is recorded with {have['checksum']} and was converted, so {algorithm} cannot be compared; "
                f"give its {' or '.join(sorted(recorded))} sum",
                "checksum_unknown",
            )
        return None
    return {**(recorded if not have["outside"] else {}), **digests_of(have["path"], [algorithm])}


def is_packed_otherwise(have, unpack):
    """True where the content came packed and was unpacked, or not, unlike what is asked now."""
    record = have["record"]
    return bool(record.get("compression")) and not have["outside"] and record.get("unpacked", False) != unpack


def same_content(record, asked, unpack, wanted):
    """True where a recorded image holds the content asked for, treated in the same way."""
    digests = record.get("digests") or {}
    if not isinstance(asked, Checksum) or digests.get(asked.algorithm) != asked.digest:
        return False
    if record.get("compression") and record.get("unpacked", False) != unpack:
        return False
    return record.get("source_format") != "iso" or wanted in (None, "iso")
