# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move writes into the definition of its machine, which goes along: where to, and what libvirt does not carry.

A run that is killed between the move and what follows is finished by the next, which finds the note on the destination.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ... import lens
from ...host.hypervisor import libvirt

SPACE = "urn:intake:vms:move:1"


def write(domain, there, autostart):
    """Say it in the definition only; the running machine stays as it is. `there` is the identity of the destination."""
    if not domain.isPersistent():
        return  # it has no definition, and no autostart
    note = ET.Element("move", {"host": there["host"], "hostname": there["hostname"], "autostart": "yes" if autostart else "no"})
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, lens.dump(note), "intake-move", SPACE, libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def read(root):
    """{"host", "hostname", "autostart"} of the last move that was not finished, or None."""
    note = root.find(f"metadata/{{{SPACE}}}move")
    return None if note is None else {"host": note.get("host"), "hostname": note.get("hostname"), "autostart": note.get("autostart") == "yes"}


def clear(domain):
    """All of it is done, or nothing."""
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, None, SPACE, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
