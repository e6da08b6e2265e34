# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a guest can be reached: its addresses, from whoever knows them."""

from __future__ import annotations

import ipaddress

from ...host.hypervisor import libvirt

SOURCES = ("lease", "agent", "arp")  # virDomainInterfaceAddressesSource, in its order


def read(domain, ask_agent=True):
    """[{"address", "prefix", "mac", "interface", "source"}], the best first; no loopback or link-local addresses.

    The guest agent knows most; a lease is known without asking the guest; the ARP cache is what is left.
    """
    found = {}
    for number, source in ((1, "agent"), (0, "lease"), (2, "arp")):
        if source == "agent" and not ask_agent:
            continue
        for interface, facts in asked(domain, number).items():
            for one in facts.get("addrs") or ():
                address = one["addr"]
                if address not in found and is_usable(address):
                    found[address] = {
                        "address": address,
                        "prefix": one.get("prefix"),
                        "mac": facts.get("hwaddr"),
                        "interface": interface,
                        "source": source,
                    }
    return sorted(found.values(), key=lambda one: rank(one["address"]))


def asked(domain, number):
    """What one source says; nothing where it cannot."""
    try:
        return domain.interfaceAddresses(number) or {}
    except libvirt.libvirtError:
        return {}


def is_usable(address):
    """False for loopback, link-local and unspecified addresses, and for what is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def rank(address):
    """IPv4 before IPv6, then by number."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def best(domain, ask_agent=True):
    """The address to reach a guest at, or None."""
    found = read(domain, ask_agent)
    return found[0]["address"] if found else None
