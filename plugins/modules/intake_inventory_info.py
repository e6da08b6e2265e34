#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of intake_inventory_info, whose work is done by its action plugin on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_inventory_info
short_description: Ask the PostgreSQL inventory
version_added: 0.1.0
description:
  - Lists what the PostgreSQL inventory of this collection has, hosts, storages, volumes, images, virtual machines and the journal of what was done to them,
    without a hypervisor being asked.
  - It runs on the controller. The host of the play does not matter, so C(localhost) or C(run_once) is best.
  - The journal and the states are as they were recorded last; M(intake.vms.intake_inventory) with O(intake.vms.intake_inventory#module:state=synced)
    takes in what hosts have now.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.inventory_query
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tells the same as a real run; it never changes anything.
  diff_mode:
    support: none
    description: Returns what changed when diff mode is on; a module that only reads has nothing to show.
options:
  kind:
    description:
      - What to list. One of O(kind) and O(sql) is needed.
      - V(storages) are places, an NFS export being one storage however many hosts have it; V(host_storages) are the storages as each host has them.
      - V(vm_overview), V(storage_usage) and V(recent_operations) are the views for people, the last one with the last thousand entries of the journal.
    type: str
    choices:
      - hosts
      - storages
      - host_storages
      - volumes
      - images
      - vms
      - disks
      - interfaces
      - operations
      - samples
      - vm_overview
      - storage_usage
      - recent_operations
  dsn:
    description:
      - The database, as a URI or a connection string of PostgreSQL. By default that of the variable C(intake_inventory_dsn), or of the environment
        variable E(INTAKE_INVENTORY_DSN).
      - Name a role here that may only read where the other one may record.
    type: str
seealso:
  - module: intake.vms.intake_inventory
  - plugin: intake.vms.intake_inventory
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: All machines
  intake.vms.intake_inventory_info:
    kind: vms
  register: found

- name: Show them as a table
  ansible.builtin.debug:
    msg: "{{ found.table }}"

- name: Running machines of two hosts with the label tier=web and at least 2 GiB, the largest first
  intake.vms.intake_inventory_info:
    kind: vms
    filters:
      state: running
      host: [hv1.example.com, hv2.example.com]
      labels: {tier: web}
      memory: {ge: 2GiB}
    fields: [name, host, memory]
    sort: [-memory, name]

- name: Volumes of more than 100 GiB that are called data-something
  intake.vms.intake_inventory_info:
    kind: volumes
    filters:
      name: {like: "data-*"}
      size: {gt: 100GiB}

- name: What failed since yesterday
  intake.vms.intake_inventory_info:
    kind: operations
    filters:
      status: [failed, unreachable]
      started_at: {ge: 1 day ago}

- name: Who did something to web1
  intake.vms.intake_inventory_info:
    kind: operations
    filters: {names: web1}
    fields: [started_at, host, module, status, controller_user, play, job]
    limit: 20

- name: Which machine has a MAC address
  intake.vms.intake_inventory_info:
    kind: interfaces
    filters: {mac: "52:54:00:12:34:56"}

- name: Memory that was given to the machines of each host
  intake.vms.intake_inventory_info:
    sql: SELECT host, count(*) AS vms, sum(memory) AS memory FROM vm_overview WHERE state = %(state)s GROUP BY host ORDER BY host
    params: {state: running}
    dsn: "{{ reporting_dsn }}"
"""

RETURN = r"""
rows:
  description:
    - The rows, each a dictionary from column to value. Sizes are in bytes, times are ISO 8601 in UTC, UUIDs and MAC addresses are text,
      how long something took is in seconds.
  type: list
  elements: dict
  returned: success
  sample: [{name: web1, host: hv1.example.com, memory: 2147483648}]
count:
  description: How many rows are returned.
  type: int
  returned: success
  sample: 1
truncated:
  description: Whether there were more rows than O(limit).
  type: bool
  returned: success
  sample: false
table:
  description: The rows as lines for people, long values cut short.
  type: list
  elements: str
  returned: success
  sample: ["NAME  HOST             MEMORY", "web1  hv1.example.com  2.0 GiB"]
reason:
  description: A stable word for the error.
  type: str
  returned: on failure
  sample: unknown_column
"""
