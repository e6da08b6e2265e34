#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_image_info
short_description: Monitor images and their transfers
version_added: 0.1.0
description:
  - Lists the images in the active storages of a hypervisor with their sizes, sums, sources and users.
  - Lists the transfers that are not finished, with the bytes done of the total, so a long download can be watched from another task.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection
options:
  names:
    description: Only these images. A name that does not exist is left out.
    type: list
    elements: str
  storage:
    description: Only images in this storage; all active storages unless said. One of these that cannot be read is told in a warning.
    type: str
  labels:
    description: Only images that have all of these labels.
    type: dict
  state:
    description: V(ready) leaves out the transfers, V(unfinished) the images.
    type: str
    choices: [ready, unfinished]
seealso:
  - module: intake.vms.intake_image
"""

EXAMPLES = r"""
- name: All images for Debian
  intake.vms.intake_image_info:
    labels:
      os: debian

- name: How far is the download?
  intake.vms.intake_image_info:
    names: [debian-12.qcow2]
    state: unfinished
  register: found

- name: Show it
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.done | human_readable }} of {{ (item.total or 0) | human_readable }}"
  loop: "{{ found.unfinished }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
images:
  description: The images that passed the filters, sorted by storage and name.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the image.
      type: str
      sample: debian-12.qcow2
    storage:
      description: The storage it is in.
      type: str
      sample: fast
    path:
      description: Its file.
      type: str
      sample: /var/lib/intake/storages/fast/debian-12.qcow2
    state:
      description: V(ready).
      type: str
      sample: ready
    format:
      description: V(qcow2), V(raw) or V(iso).
      type: str
      sample: qcow2
    size:
      description: Bytes a disk made from it has.
      type: int
      sample: 2147483648
    allocation:
      description: Bytes it takes in the storage.
      type: int
      sample: 448790528
    checksum:
      description: The sum of its content as the source gave it; null where it is not known.
      type: str
      sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    source:
      description: Where its content came from; a URL without user, password and query, a file, or storage and name of a volume. Null where it is not known.
      type: str
      sample: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2
    description:
      description: Its description.
      type: str
      sample: Debian 12
    labels:
      description: Its labels.
      type: dict
      sample: {os: debian}
    changed_outside:
      description: Whether the file was written to since it was brought, so that RV(images[].checksum) may not be true any more.
      type: bool
      sample: false
    users:
      description: The virtual machines, volumes and images that use it, in words.
      type: list
      elements: str
      sample: [volume web1-root.qcow2 (overlay, in storage fast)]
unfinished:
  description: The transfers that are under way or were interrupted, sorted by storage and name.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the image it will be.
      type: str
      sample: debian-12.qcow2
    storage:
      description: The storage it will be in.
      type: str
      sample: fast
    state:
      description: V(unfinished).
      type: str
      sample: unfinished
    stage:
      description: V(transfer), V(unpack) or V(convert).
      type: str
      sample: transfer
    source:
      description: Where it comes from.
      type: str
      sample: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2
    done:
      description: Bytes that are there already.
      type: int
      sample: 104857600
    total:
      description: Bytes there will be; null where nobody knows, as for V(unpack) and V(convert).
      type: int
      sample: 448790528
    since:
      description: When it began, ISO 8601 in UTC.
      type: str
      sample: '2026-01-31T12:00:00Z'
    process:
      description: The process that works on it now; null where it was interrupted, then the next run of its task goes on with it.
      type: int
      sample: 4711
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
      description: The storage it is in.
      type: str
      sample: fast
    name:
      description: Name of the image; null where no image of the storage could be read.
      type: str
      sample: debian-12.qcow2
    msg:
      description: Why it could not be read.
      type: str
      sample: "image debian-12.qcow2: cannot be read: Permission denied"
"""

from ..module_utils.flow.runner import run_reading
from ..module_utils.resources.image.images import INFO_SPEC, Images


def main():
    run_reading(Images, INFO_SPEC)


if __name__ == "__main__":
    main()
