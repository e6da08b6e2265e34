#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_volume_info
short_description: List volumes
version_added: 0.1.0
description:
  - Lists the volumes of the active storages, with their sizes, formats, backing chains and users.
  - Images are listed by M(intake.vms.intake_image_info).
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection
options:
  names:
    description: Only volumes of these names.
    type: list
    elements: str
  storage:
    description: Only volumes of this storage.
    type: str
  labels:
    description: Only volumes that have all of these labels.
    type: dict
  state:
    description: Only volumes that are used by a machine, a snapshot or an overlay, or only those that are not.
    type: str
    choices: [used, unused]
seealso:
  - module: intake.vms.intake_volume
"""

EXAMPLES = r"""
- name: All volumes that nobody uses
  intake.vms.intake_volume_info:
    state: unused
  register: spare

- name: The volumes of one project in one storage
  intake.vms.intake_volume_info:
    storage: fast
    labels: {project: blue}
"""

RETURN = r"""
volumes:
  description: The volumes, sorted by storage and name. Sizes are in bytes.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the volume and of its file.
      type: str
    storage:
      description: Storage it is in.
      type: str
    path:
      description: Where its file is.
      type: str
    format:
      description: Format of the file.
      type: str
    size:
      description: Virtual size, which the guest sees.
      type: int
    allocation:
      description: Space the file takes in the storage.
      type: int
    backing:
      description: File it is an overlay of, or null.
      type: str
    backing_format:
      description: Format of that file, or null.
      type: str
    backing_chain:
      description: All files behind it, nearest first.
      type: list
      elements: str
    users:
      description: Machines and overlays that use it, in words.
      type: list
      elements: str
    state:
      description: Whether anything uses it, V(used) or V(unused).
      type: str
    open:
      description: Whether QEMU or qemu-img has it open now.
      type: bool
    kind:
      description: Always V(volume).
      type: str
    description:
      description: Text kept beside the file, or null.
      type: str
    labels:
      description: Words kept beside the file.
      type: dict
    read_only:
      description: Whether it is promised not to change.
      type: bool
    source:
      description: Image or volume it was made from, as storage/name, or null.
      type: str
  sample:
    - {name: data.qcow2, storage: fast, path: /srv/fast/data.qcow2, format: qcow2, size: 53687091200, users: [vm web1], state: used}
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
      description: Name of the volume; null where no volume of the storage could be read.
      type: str
      sample: web1.qcow2
    msg:
      description: Why it could not be read.
      type: str
      sample: "volume web1.qcow2: cannot be read: Permission denied"
"""

from ..module_utils.flow.runner import run_reading
from ..module_utils.resources.volume.volumes import INFO_SPEC, Volumes


def main():
    run_reading(Volumes, INFO_SPEC)


if __name__ == "__main__":
    main()
