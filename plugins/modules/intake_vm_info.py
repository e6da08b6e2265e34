#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_vm_info
short_description: List virtual machines
version_added: 0.1.0
description:
  - Lists virtual machines with their description, state, traffic, addresses, and what waits for their next boot.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection
options:
  names:
    description: Only machines of these names.
    type: list
    elements: str
  labels:
    description: Only machines that have all of these labels.
    type: dict
  state:
    description: Only machines in this state.
    type: str
    choices: [running, stopped, paused, crashed, suspended]
  storage:
    description: Only machines that have a disk in this storage.
    type: str
  gather:
    description:
      - What is asked beside the definition and the state. An empty list is the quickest.
      - V(stats) asks every running QEMU, V(addresses) every guest agent, V(pending) compares the running machines with their definitions.
    type: list
    elements: str
    choices: [stats, addresses, pending]
    default: [stats, addresses, pending]
  timeout:
    description: Seconds a guest agent has to answer.
    type: int
    default: 5
seealso:
  - module: intake.vms.intake_vm
"""

EXAMPLES = r"""
- name: Everything about one machine
  intake.vms.intake_vm_info:
    names: [web1]
  register: web1

- name: Names and states only, quickly
  intake.vms.intake_vm_info:
    gather: []
  register: all_of_them

- name: Machines that run something else than their definition says
  ansible.builtin.debug:
    msg: "{{ web1.vms | selectattr('pending') | map(attribute='name') }}"
"""

RETURN = r"""
vms:
  description: The machines, sorted by name. Sizes are in bytes.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the machine.
      type: str
    uuid:
      description: Its UUID.
      type: str
    state:
      description: Its state.
      type: str
    reason:
      description: Why it is in this state, in libvirt's words.
      type: str
    autostart:
      description: Whether it starts with the host.
      type: bool
    description:
      description: Text kept in the domain, or null.
      type: str
    labels:
      description: Words kept in the domain's metadata.
      type: dict
    cpus:
      description: Number of CPUs.
      type: int
    memory:
      description: Memory in bytes.
      type: int
    disks:
      description: Disks and cdroms by name.
      type: dict
    interfaces:
      description: Network interfaces by name.
      type: dict
    graphics:
      description: Screen, without its password, or null.
      type: dict
    uptime:
      description: Seconds since QEMU was started, null where that cannot be seen.
      type: float
    cpu_time:
      description: Seconds of processor time it used since then.
      type: float
    memory_rss:
      description: Memory QEMU takes from the host.
      type: int
    memory_usable:
      description: Memory the guest could still use, where its balloon driver tells.
      type: int
    disk_stats:
      description: Bytes and requests by disk.
      type: dict
    interface_stats:
      description: Bytes and drops by interface.
      type: dict
    address:
      description: Best address to reach it at, or null.
      type: str
    addresses:
      description: All addresses, each with prefix, MAC address, interface and who knows it.
      type: list
      elements: dict
    pending:
      description: What applies at its next boot.
      type: list
      elements: dict
  sample:
    - {name: web1, state: running, reason: booted, cpus: 2, memory: 2147483648, address: 192.168.122.10, pending: []}
hypervisor:
  description: The hypervisor that answered, with the C(uuid) that libvirt gives the host, whatever an inventory calls it, and its own C(hostname).
  type: dict
  returned: when it answered
  sample: {uuid: 6cee851c-0a3a-46c5-b680-00c58342e3ef, hostname: hv1}
"""

from ..module_utils.flow.runner import run_reading
from ..module_utils.resources.vm.listing import Listing
from ..module_utils.resources.vm.monitor import INFO_SPEC


def main():
    run_reading(Listing, INFO_SPEC)


if __name__ == "__main__":
    main()
