#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_storage_info
short_description: Monitor storages
version_added: 0.1.0
description:
  - Lists the storages (libvirt pools) of a hypervisor with their space, content, mounts and health.
  - Every directory is looked at in a process of its own with a time limit, so a storage that hangs is reported as degraded
    and hides none of the others.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection
options:
  names:
    description: Only these storages. A name that does not exist is left out.
    type: list
    elements: str
  labels:
    description: Only storages that have all of these labels.
    type: dict
  state:
    description: Only storages in this state.
    type: str
    choices: [active, inactive]
  timeout:
    description: How many seconds, from 1 to 604800, the directories may take to answer.
    type: int
    default: 10
seealso:
  - module: intake.vms.intake_storage
"""

EXAMPLES = r"""
- name: Everything there is
  intake.vms.intake_storage_info:
  register: found

- name: Fail where a storage cannot be used or is nearly full
  ansible.builtin.assert:
    that:
      - item.health.status == "ok"
      - item.available > 0.1 * item.capacity
    fail_msg: "{{ item.name }}: {{ item.health.text }}, {{ item.available | human_readable }} free"
  loop: "{{ found.storages }}"
  loop_control:
    label: "{{ item.name }}"

- name: Active storages on fast disks
  intake.vms.intake_storage_info:
    state: active
    labels:
      tier: ssd
"""

RETURN = r"""
storages:
  description: The storages that passed the filters, sorted by name.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the storage, which is libvirt's pool name.
      type: str
      sample: fast
    type:
      description: The kind of storage; for a libvirt pool that these modules do not keep, libvirt's pool type.
      type: str
      sample: localfs
    uuid:
      description: UUID of the libvirt pool.
      type: str
    state:
      description: V(active) or V(inactive).
      type: str
      sample: active
    persistent:
      description: Whether libvirt still knows it after a restart.
      type: bool
    autostart:
      description: Whether it starts with the host.
      type: bool
    path:
      description: The directory its files are in.
      type: str
      sample: /var/lib/intake/storages/fast
    device:
      description: The block device it is on, by filesystem UUID where this collection made it; null for a directory.
      type: str
      sample: /dev/disk/by-uuid/24ef1ac7-94eb-4c36-adea-fec0cb334722
    fs:
      description: The filesystem of its device; null for a directory.
      type: str
      sample: xfs
    server:
      description: The NFS server's name or address; null where there is none.
      type: str
      sample: nas.example.com
    export:
      description: The directory the server exports; null where there is none.
      type: str
      sample: /export/vms
    version:
      description: The version of NFS that is asked for; null where there is no server, or where libvirt is left to choose.
      type: str
      sample: '4.2'
    mount_options:
      description: Mount options beside those libvirt always gives (C(nodev), C(nosuid), C(noexec)).
      type: list
      elements: str
      sample: [noatime]
    mounted:
      description: What is mounted on its path now; null for a directory, and where nothing is mounted.
      type: dict
      contains:
        source:
          description: The device as the kernel names it.
          type: str
          sample: /dev/nvme0n1
        fs:
          description: The filesystem.
          type: str
          sample: xfs
        options:
          description: The options in force.
          type: list
          elements: str
    description:
      description: Its description; null where there is none, and while a device is not mounted.
      type: str
    labels:
      description: Its labels; empty while a device is not mounted.
      type: dict
      sample: {tier: ssd}
    pending:
      description: Options that come into force when it is mounted anew, as dictionaries of name, have and want.
      type: list
      elements: dict
    capacity:
      description: Bytes of its filesystem; for a directory, of the filesystem the directory is on.
      type: int
    allocation:
      description: Bytes in use on that filesystem, by whomever.
      type: int
    available:
      description: Bytes that can still be written.
      type: int
    health:
      description: Whether it can be used now.
      type: dict
      contains:
        status:
          description: V(ok), V(degraded) or V(inactive).
          type: str
          sample: ok
        text:
          description: The reason in words.
          type: str
          sample: answers
        probed:
          description: When it was looked at, ISO 8601 in UTC.
          type: str
          sample: '2026-01-31T12:00:00Z'
        hangs:
          description: Given and true where its directory did not answer in time.
          type: bool
    volumes:
      description: Number of volumes in it.
      type: int
    images:
      description: Number of images in it.
      type: int
    vms:
      description: Number of virtual machines that use a file in it.
      type: int
    virtual_size_sum:
      description: Bytes its volumes and images may grow to.
      type: int
    overcommit:
      description: RV(storages[].virtual_size_sum) divided by RV(storages[].capacity); above 1 it can fill up.
      type: float
      sample: 0.42
hypervisor:
  description: The hypervisor that answered, with the C(uuid) that libvirt gives the host, whatever an inventory calls it, and its own C(hostname).
  type: dict
  returned: when it answered
  sample: {uuid: 6cee851c-0a3a-46c5-b680-00c58342e3ef, hostname: hv1}
unreadable:
  description: What is there and could not be read, so that nothing else is told of it, with a warning each.
  type: list
  elements: dict
  returned: success
  contains:
    storage:
      description: Always null; as of volumes and images.
      type: str
      sample: null
    name:
      description: Name of the storage.
      type: str
      sample: fast
    msg:
      description: Why it could not be read.
      type: str
      sample: "storage fast: libvirt cannot tell about it: Timed out during operation"
"""

from ..module_utils.flow.runner import run_reading
from ..module_utils.resources.storage.storages import INFO_SPEC, Storages


def main():
    run_reading(Storages, INFO_SPEC)


if __name__ == "__main__":
    main()
