#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of intake_inventory, whose work is done by its action plugin on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_inventory
short_description: Keep the PostgreSQL inventory, and compare it with hosts
version_added: 0.1.0
description:
  - The inventory is a PostgreSQL database in which every writing module of this collection records what it did and what a host has,
    where the variable C(intake_inventory_dsn) or the environment variable E(INTAKE_INVENTORY_DSN) of the controller names it.
  - This module makes and removes its tables, takes in what hosts really have, finds where a host differs from what was recorded,
    and forgets hosts that are no more.
  - It runs on the controller, which needs the Python package psycopg, version 3; hosts need neither that nor a way to the database.
author:
  - intake.vms contributors (@intake)
attributes:
  check_mode:
    support: full
    description: Says what would be done and changes nothing.
  diff_mode:
    support: full
    description: Shows the migrations, the grants, the differences that are taken in, or the rows of hosts that are forgotten.
options:
  state:
    description:
      - V(present) applies the migrations that the database lacks, and gives rights to O(readers) and O(writers). The host of the play does not matter.
      - V(absent) removes the tables with all that was recorded. It needs O(confirm).
      - V(synced) takes in what the host of the play has now, and ends the entries of the journal whose end nobody saw.
      - V(checked) compares the record with what the host of the play has now, and changes nothing.
      - V(forgotten) removes O(hosts) from the record, with their machines, and storages that no other host has with the volumes and images in them.
        The journal keeps what was done on them. The hosts are not contacted, and the host of the play does not matter.
    type: str
    choices: [present, absent, synced, checked, forgotten]
    default: present
  dsn:
    description:
      - The database, as a URI or a connection string of PostgreSQL. By default that of the variable C(intake_inventory_dsn), or of the environment.
      - The role in it owns the tables where O(state=present) or O(state=absent).
    type: str
  hosts:
    description:
      - The hypervisors that are forgotten, each by a name in the Ansible inventory or by the UUID that libvirt gives it. Needed where O(state=forgotten).
      - A name that fits two of them, as after a host was installed anew, is refused; the error tells the UUIDs. One that fits none is forgotten already.
      - A host that is still in use comes back with the next task that is recorded.
    type: list
    elements: str
  confirm:
    description: The name of the database, which consents to the removal.
    type: str
  readers:
    description: Roles of the database that may read all tables and views.
    type: list
    elements: str
    default: []
  writers:
    description: Roles of the database that may record, and read.
    type: list
    elements: str
    default: []
  kinds:
    description: What is taken in or compared. Storages always are, since volumes and images are in them.
    type: list
    elements: str
    choices: [storage, volume, image, vm]
    default: [storage, volume, image, vm]
  ignore:
    description: Fields whose differences do not count, such as V(state) of machines that their users start and stop.
    type: list
    elements: str
    default: []
  uri:
    description: The libvirt URI of the host, as the host sees it.
    type: str
    default: qemu:///system
  lock_timeout:
    description: Seconds to wait for other runs that work on the host, or on one of O(hosts).
    type: int
    default: 60
seealso:
  - module: intake.vms.intake_inventory_info
  - module: intake.vms.intake_vm
"""

EXAMPLES = r"""
- name: Make the tables, or bring them to the version of this collection
  intake.vms.intake_inventory:
    readers: [reporting]
    writers: [awx]
  run_once: true

- name: Take in what the hypervisors have
  intake.vms.intake_inventory:
    state: synced

- name: Say what differs from the record
  intake.vms.intake_inventory:
    state: checked
    ignore: [state]
  register: checked

- name: Show it
  ansible.builtin.debug:
    msg: "{{ checked.table }}"
  when: checked.drift | length > 0

- name: Forget two hypervisors that are scrapped, one of them by its UUID
  intake.vms.intake_inventory:
    state: forgotten
    hosts:
      - virt7
      - 4c4c4544-0042-3010-8051-b4c04f4a3732
  run_once: true

- name: Remove all that was recorded
  intake.vms.intake_inventory:
    state: absent
    confirm: inventory
  run_once: true
"""

RETURN = r"""
version:
  description: The version of the tables.
  type: int
  returned: O(state=present) or O(state=absent)
migrations:
  description: The migrations that were applied, or would be in check mode.
  type: list
  elements: str
  returned: O(state=present)
  sample: [0001_inventory]
drift:
  description: What differed, one entry for each resource that is missing or unexpected and for each field that changed.
  type: list
  elements: dict
  returned: O(state=synced) or O(state=checked)
  contains:
    kind:
      description: V(storage), V(volume), V(image) or V(vm).
      type: str
    storage:
      description: The storage of a volume or an image.
      type: str
    name:
      description: Its name.
      type: str
    where:
      description: Storage and name, for people.
      type: str
    drift:
      description: V(missing) where the host has it no more, V(unexpected) where nobody recorded it, V(changed) where a field differs.
      type: str
    field:
      description: The field, such as V(memory) or V(disks.root.cache).
      type: str
    asked:
      description: What a task asked for last.
      type: raw
    recorded:
      description: What was recorded last.
      type: raw
    found:
      description: What the host has.
      type: raw
    since:
      description: When it was recorded, and so since when it may have been different, ISO 8601.
      type: str
  sample:
    - {kind: vm, storage: null, name: web1, where: web1, drift: changed, field: memory, asked: 2GiB, recorded: 2147483648, found: 1073741824,
       since: '2026-01-31T12:00:00+00:00'}
operations:
  description: The entries of the journal whose end nobody saw; ended now where O(state=synced) or O(state=forgotten).
  type: list
  elements: dict
  returned: O(state=synced), O(state=checked) or O(state=forgotten)
  sample: [{id: 7, module: intake_vm, names: [web1], controller_user: ops, controller: deploy, started_at: '2026-01-31T12:00:00+00:00'}]
unseen:
  description: Storages that could not be looked into, so that nothing is said of what is in them, and single files that could not be read.
  type: list
  elements: str
  returned: O(state=synced) or O(state=checked)
hosts:
  description: The hosts that were forgotten, or would be in check mode.
  type: list
  elements: dict
  returned: O(state=forgotten)
  contains:
    name:
      description: The name by which it was reached last.
      type: str
    uuid:
      description: Its UUID.
      type: str
    vms:
      description: How many machines it was recorded with.
      type: int
    storages:
      description: How many storages it was recorded with.
      type: int
  sample:
    - {name: virt7, uuid: 6f1c2a52-93c3-4a4e-9a0e-1d6f5d1f9b11, vms: 12, storages: 3}
storages:
  description: The storages that no other host has, forgotten with them.
  type: list
  elements: dict
  returned: O(state=forgotten)
  contains:
    name:
      description: Its name.
      type: str
    identity:
      description: Its export, or the UUID of its pool.
      type: str
    volumes:
      description: How many volumes were in it.
      type: int
    images:
      description: How many images were in it.
      type: int
  sample:
    - {name: local, identity: 'pool:0d3cf3a6-6a5f-4a1f-8a38-5a1c0f3a9d54', volumes: 14, images: 2}
unknown:
  description: Which of O(hosts) the inventory does not know; C(msg) says so too.
  type: list
  elements: str
  returned: O(state=forgotten)
  sample: [virt8]
table:
  description: The differences and the open entries, or what was forgotten, as lines for people.
  type: list
  elements: str
  returned: O(state=synced), O(state=checked) or O(state=forgotten)
reason:
  description: A stable word for the error.
  type: str
  returned: on failure
  sample: inventory_unreachable
"""
