# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Ansible inventory says of hypervisors and machines: names, filters, variables, groups. Pure functions of plain data."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from fnmatch import fnmatchcase

from ...module_utils.errors import Refused
from .sources import FIELDS

VM, HYPERVISOR = "vm", "hypervisor"
RESERVED = ("localhost", "127.0.0.1", "::1", "all", "ungrouped")  # Ansible means something else by them
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
PORT = re.compile(r"[0-9]{1,5}\Z")
HOSTNAMES = {
    "name": lambda vm, host: vm["name"],
    "name_hypervisor": lambda vm, host: f"{vm['name']}_{host['name']}",
    "uuid": lambda vm, host: vm["uuid"],
}


def networks(words):
    """The networks of a list of preferences; Refused for what is none."""
    try:
        return [ipaddress.ip_network(str(word), strict=False) for word in words]
    except ValueError as error:
        raise Refused(f"prefer: {error}; write networks such as 10.0.0.0/8", "invalid_network") from None


def prefixed(prefix):
    """The prefix of variables; Refused for one that makes no names of variables."""
    if not IDENTIFIER.match(prefix):
        raise Refused(f"variable_prefix: {prefix!r} begins no name of a variable; write letters, digits and underscores", "invalid_prefix")
    return prefix


def best_address(addresses, preferred):
    """The first address in the first preferred network that has one, else the first; None where there is none."""
    known = [(text, parsed) for text in addresses for parsed in [parse(text)] if parsed]
    chosen = (text for network in preferred for text, parsed in known if parsed in network)
    return next(chosen, known[0][0] if known else None)


def parse(text):
    """An address, or None for a text that is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def named(hypervisors, kinds, hostname):
    """[(inventory name, name it should have, hypervisor, machine or None)] of all there is, each name once.

    Names do not depend on filters: a machine is not called otherwise because another one was stopped.
    """
    used, found = set(RESERVED), []
    if HYPERVISOR in kinds:
        for host in hypervisors:
            wishes = [host["name"], host["hostname"], f"{host['name']}_{(host['uuid'] or '')[:8]}"]
            found.append((free(wishes, used), host["name"], host, None))
    if VM in kinds:
        for host in hypervisors:
            for vm in host["vms"]:
                wish = HOSTNAMES[hostname](vm, host)
                wishes = [wish, f"{wish}_{host['name']}", f"{wish}_{host['name']}_{vm['uuid'][:8]}"]
                found.append((free(wishes, used), wish, host, vm))
    return found


def free(wishes, used):
    """The first of the wishes that is not used, which it is then."""
    last = wishes[-1]
    numbered = (f"{last}_{number}" for number in range(2, len(used) + 3))
    name = next(wish for wish in (*wishes, *numbered) if wish and wish not in used)
    used.add(name)
    return name


def is_listed(host, vm, filters):
    """True for what passes the filters; those of machines say nothing of hypervisors."""
    if not matches(host["name"], filters["hypervisors"]):
        return False
    if not vm:
        return True
    labels = vm["labels"]
    return (
        matches(vm["name"], filters["names"])
        and (not filters["states"] or vm["state"] in filters["states"])
        and all(key in labels and labels[key] == str(value) for key, value in filters["labels"].items())
        and (not filters["storages"] or any(matches(name, filters["storages"]) for name in vm["storages"]))
    )


def matches(name, patterns):
    """True where a shell pattern fits, or there is none."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def variables(host, vm, prefix):
    """The variables of a machine, or of the hypervisor where there is none."""
    if not vm:
        told = {"kind": HYPERVISOR, **{key: host[key] for key in ("name", "uuid", "hostname")}}
        told.update(addresses=[host["address"]] if host["address"] else [], storages=sorted(host["storages"]), vms=[one["name"] for one in host["vms"]])
    else:
        told = {"kind": VM, **{field: vm[field] for field in FIELDS}, "hypervisor": host["name"]}
    return {f"{prefix}{key}": value for key, value in told.items()}


def connection(host, vm, preferred, labels):
    """({ansible_host, ansible_port, ansible_user}, sentence about a label that says no port or None); what is not known is left out."""
    if not vm:
        return ({"ansible_host": host["address"]} if host["address"] else {}), None
    port, user = (vm["labels"].get(label) if label else None for label in labels)
    found = {"ansible_host": best_address(vm["addresses"], preferred), "ansible_user": user or None}
    fault = None
    if port and PORT.match(port) and 0 < int(port) < 65536:
        found["ansible_port"] = int(port)
    elif port:
        fault = f"vm {vm['name']} on {host['name']}: its label {labels[0]} is no port: {port!r}"
    return {key: value for key, value in found.items() if value is not None}, fault


def groups(host, vm, group_by):
    """The names of the groups it belongs to, not yet made safe."""
    told = {"kind": [f"{VM if vm else HYPERVISOR}s"], "storage": [f"storage_{name}" for name in (vm or host)["storages"]]}
    if vm:
        told["state"] = [f"state_{vm['state']}"]
        told["hypervisor"] = [f"hypervisor_{host['name']}"]
        told["labels"] = [f"label_{key}_{value}" if value else f"label_{key}" for key, value in vm["labels"].items()]
    return [name for kind in group_by for name in told.get(kind, ())]


def digest(*words):
    """A few characters that differ where the words do, for the key of a cache."""
    return hashlib.sha256(json.dumps(words).encode("utf-8")).hexdigest()[:12]
