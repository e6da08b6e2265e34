# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NFS exports by one spelling, whatever way each host spells them."""

from __future__ import annotations

import ipaddress


def clean(key, value):
    """A server in lower letters, without brackets or the dot at its end, IPv6 at its shortest; an export without a slash at its end."""
    if key != "server":
        return value.rstrip("/") or "/"
    server = plain(value).lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(server))
    except ValueError:
        return server


def plain(server):
    """A name or address without the brackets of IPv6."""
    return server[1:-1] if server.startswith("[") and server.endswith("]") else server


def bracketed(server):
    """As mount(8), libvirt and URIs want it before a colon: IPv6 in brackets."""
    return f"[{plain(server)}]" if ":" in server else server


def source(server, export):
    """`server:export`, the same on every host that has it."""
    return f"{bracketed(clean('server', server))}:{clean('export', export)}"
