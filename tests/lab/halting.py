# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest guest: a kernel that halts its processor, for tests to which it only matters that a machine runs."""

from __future__ import annotations

import struct

SECTOR = 512
CODE = 0x268
HALT = bytes([0xFA, 0xF4, 0xEB, 0xFC])  # cli; hlt; and again after an interrupt that cannot be masked


def kernel():
    """What a boot loader takes for Linux by its boot protocol 2.02: one sector of setup, which is all, and one of nothing."""
    image = bytearray(3 * SECTOR)
    struct.pack_into("<B", image, 0x1F1, 1)  # sectors of setup
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[0x200:0x202] = bytes([0xEB, CODE - 0x202])  # where the boot loader jumps to: over the header
    struct.pack_into("<4sH", image, 0x202, b"HdrS", 0x0202)
    image[CODE : CODE + len(HALT)] = HALT
    return bytes(image)
