# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them, and as bytes."""

from __future__ import annotations

import re
from decimal import Decimal

from .errors import Refused

BINARY = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
DECIMAL = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
FACTORS = {**BINARY, **{unit + "IB": factor for unit, factor in BINARY.items() if factor > 1}, **DECIMAL}
LONGEST = 7 * 24 * 3600  # seconds
SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*\Z")


def parse_size(text, what="size"):
    """Bytes of "10GiB", "512M", "1.5TB" or "1048576"; K, M, G, T are binary as in qemu-img. Refuses anything else."""
    match = SIZE.match(str(text))
    factor = match and FACTORS.get(match.group(2).upper())
    if not factor:
        raise Refused(f"{what}: {text!r} is not a size; write for example 20GiB, 512MiB or 1048576", "invalid_size")
    size = int(Decimal(match.group(1)) * factor)
    if not 0 < size < 2**63:
        raise Refused(f"{what}: {text} is out of range; it must be above 0 and below 8 EiB", "invalid_size")
    return size


def check_seconds(seconds, what="timeout"):
    """The number unchanged; refused where nothing can happen in that time, or nobody waits for so long."""
    if not 1 <= seconds <= LONGEST:
        raise Refused(f"{what}: {seconds} is out of range; it is 1 to {LONGEST} seconds", "invalid_timeout")
    return seconds


def format_size(size):
    """The shortest exact binary writing of a number of bytes: 21474836480 -> "20 GiB", 1000 -> "1000 B"."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = FACTORS[unit.upper()]
        if size >= factor and not size % factor:
            return f"{size // factor} {unit}"
    return f"{size} B"


def about(size):
    """A size for people's tables, rounded to one decimal: 1503238554 -> "1.4 GiB"."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
