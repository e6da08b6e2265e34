# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all devices share: the alias that names them, and their boot order."""

from __future__ import annotations

from ... import lens
from ...lens import INTEGER, Field

PREFIX = "ua-"  # libvirt keeps only those aliases of a definition that begin so
BOOT_ORDER = Field("boot_order", "boot", "order", INTEGER)


def name_of(element, fallback=None):
    """The name a device was given by its alias, or the fallback."""
    alias = element.find("alias")
    text = alias.get("name", "") if alias is not None else ""
    return text[len(PREFIX):] if text.startswith(PREFIX) else fallback


def set_name(element, name):
    """Name a device; the name survives in the definition and on the running domain."""
    lens.ensure(element, "alias").set("name", PREFIX + name)


def write_boot_order(root, element, order):
    """Give a device its place, 0 takes it away; libvirt allows either these or the list in <os>, so the list goes."""
    if order is None or order == (BOOT_ORDER.read(element) or 0):
        return
    boot = element.find("boot")
    if order == 0:
        element.remove(boot)
        return
    BOOT_ORDER.write(element, order)
    os_element = root.find("os")
    for boot in os_element.findall("boot"):
        os_element.remove(boot)


def insert(root, element):
    """Add a device to a domain's XML."""
    lens.ensure(root, "devices").append(element)
