# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for machines, as a filter."""

from __future__ import annotations

DOCUMENTATION = r"""
name: place
short_description: Which machine goes to which host
version_added: 0.1.0
description:
  - Finds a host for every machine by free memory, the largest machine first, each on the host with the most of it.
    A machine of 0 bytes has a place on a full host too.
  - Machines with the same value of a label are put on different hosts. The answer to the same question is always the same.
  - Fails with a sentence where they do not fit. Nothing is moved by this; M(intake.vms.intake_vm_migrate) does that.
author:
  - intake.vms contributors (@intake)
positional: hosts
options:
  _input:
    description: Machines, with C(name), C(memory) in bytes, C(labels) and C(state), such as M(intake.vms.intake_vm_info) returns them.
    type: list
    elements: dict
    required: true
  hosts:
    description: Hosts, with C(name), C(free) bytes of memory, and C(vms), the machines that are there with their C(name) and C(labels).
    type: list
    elements: dict
    required: true
  anti_affinity:
    description: Label that tells which machines are not to be on one host. An empty text leaves labels out.
    type: str
    default: anti_affinity
  hard:
    description: Fails rather than putting two machines of one value on one host; else they are spread as far as possible.
    type: bool
    default: false
  reserve_stopped:
    description:
      - Whether machines whose C(state) is V(stopped) need their memory now. With V(false) they have a place on a full host too,
        and are only spread by what they will take when they start.
    type: bool
    default: true
seealso:
  - module: intake.vms.intake_vm_migrate
"""

EXAMPLES = r"""
- name: Where would the machines of this host go?
  ansible.builtin.debug:
    msg: "{{ found.vms | intake.vms.place(hosts, hard=true) }}"
  vars:
    hosts:
      - {name: hv2, free: 34359738368, vms: [{name: web2, labels: {anti_affinity: web}}]}
      - {name: hv3, free: 17179869184, vms: []}
"""

RETURN = r"""
_value:
  description: Host by machine.
  type: dict
  sample: {db1: hv2, web1: hv3}
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import Refused
from ..plugin_utils.placement import LABEL
from ..plugin_utils.placement import place as find_places


def place(vms, hosts, anti_affinity=LABEL, hard=False, reserve_stopped=True):
    """Host by machine; see placement.place."""
    machines = [machine(one, one.get("state") == "stopped" and not reserve_stopped) for one in named("vm", vms)]
    places = [{"name": one["name"], "free": number("host", one, "free"), "vms": one.get("vms")} for one in named("host", hosts)]
    try:
        return find_places(machines, places, anti_affinity, bool(hard))
    except Refused as error:
        raise AnsibleFilterError(f"place: {error}") from error


def machine(row, is_later):
    """What placement.place wants to know of one."""
    memory = number("vm", row, "memory")
    return {"name": row["name"], "memory": 0 if is_later else memory, "memory_later": memory, "labels": row.get("labels")}


def named(what, rows):
    """The rows, each a dictionary with a name."""
    for row in rows:
        if not isinstance(row, Mapping) or not row.get("name"):
            raise AnsibleFilterError(f"place: every {what} is a dictionary with a name")
    return rows


def number(what, row, key):
    """Bytes of a row."""
    try:
        return int(row[key])
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"place: {what} {row['name']}: {key} is a number of bytes") from error


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"place": place}
