#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_volume
short_description: Keep volumes as described
version_added: 0.1.0
description:
  - Makes, grows, converts, renames, moves and removes volumes, which are qcow2 or raw files in a storage.
  - The name of a volume is the name of its file, exactly as given. A file that exists already is taken over as it is.
  - Whatever takes time is written to a hidden partial file and renamed when complete, so a killed run leaves no half volume.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection.writing
  - intake.vms.adoption
options:
  volumes:
    description:
      - Volumes as a list; each item takes the options of this module, and what is said beside the list is the default of every item.
    type: list
    elements: dict
  name:
    description: Name of the volume and of its file.
    type: str
  storage:
    description: Storage it is in.
    type: str
  state:
    description: V(absent) deletes the file; this is refused while a machine, a snapshot or an overlay uses it, or a program has it open.
    type: str
    choices: [present, absent]
    default: present
  size:
    description:
      - Virtual size, such as V(20GiB). A larger size grows the volume, also while a machine runs on it. Shrinking is refused.
      - For a clone the size of its source, unless said.
    type: str
  format:
    description: Format; V(qcow2) for a new empty volume, that of the source for a clone. A volume that nobody uses is converted.
    type: str
    choices: [qcow2, raw]
  preallocation:
    description: How much of a new empty volume is allocated at once. Not compared afterwards.
    type: str
    choices: ["off", metadata, falloc, full]
  image:
    description: Image a new volume is made from. Not compared afterwards.
    type: str
  image_storage:
    description: Storage of O(image), if it is another.
    type: str
  source_volume:
    description: Volume a new volume is made from. Not compared afterwards.
    type: str
  source_storage:
    description: Storage of O(source_volume), if it is another.
    type: str
  clone:
    description:
      - V(full) is an independent copy, which shares blocks where the filesystem can (XFS, btrfs).
      - V(linked) holds only what differs from its source, which must stay as long as the clone.
      - V(auto) is the cheapest that is independent.
    type: str
    choices: [auto, full, linked]
    default: auto
  description:
    description: Text kept beside the file. An empty text takes it away.
    type: str
  read_only:
    description: Promises that the volume is not resized, converted or removed until this is V(false) again.
    type: bool
  labels:
    description: Words kept beside the file, as a dictionary; all of them at once, so what is not listed is taken away.
    type: dict
  new_name:
    description: Renames the volume. Refused while it is used.
    type: str
  new_storage:
    description: Moves the volume to another storage. Refused while it is used, and for linked clones.
    type: str
seealso:
  - module: intake.vms.intake_volume_info
  - module: intake.vms.intake_image
  - module: intake.vms.intake_storage
"""

EXAMPLES = r"""
- name: An empty volume
  intake.vms.intake_volume:
    name: data.qcow2
    storage: fast
    size: 50GiB

- name: Two volumes in one call
  intake.vms.intake_volume:
    storage: fast
    size: 10GiB
    volumes:
      - {name: a.qcow2, labels: {project: blue}}
      - {name: b.raw, format: raw, size: 1GiB}

- name: A copy of an image, larger than it
  intake.vms.intake_volume:
    name: web1-root.qcow2
    storage: fast
    image: debian-12.qcow2
    size: 20GiB

- name: A linked clone of an image in another storage
  intake.vms.intake_volume:
    name: test-root.qcow2
    storage: fast
    image: debian-12.qcow2
    image_storage: images
    clone: linked

- name: Grow it, also while its machine runs
  intake.vms.intake_volume:
    name: data.qcow2
    storage: fast
    size: 80GiB

- name: Rename it and move it
  intake.vms.intake_volume:
    name: data.qcow2
    storage: fast
    new_name: archive.qcow2
    new_storage: slow

- name: Remove it
  intake.vms.intake_volume:
    name: b.raw
    storage: fast
    state: absent
"""

RETURN = r"""
resources:
  description: One entry for each volume of the call, in its order.
  type: list
  elements: dict
  returned: when the task got as far as reading the hypervisor
  contains:
    name:
      description: Name of the volume, as it was asked for.
      type: str
      sample: data.qcow2
    changed:
      description: Whether something was done, or in check mode would be.
      type: bool
    steps:
      description: What was done, or in check mode would be, in this order.
      type: list
      elements: dict
      sample: [{verb: grow, name: size, risk: live}]
    pending:
      description: Always empty for volumes.
      type: list
      elements: dict
    error:
      description: Why it failed, or null.
      type: str
    reason:
      description: A stable word for the error.
      type: str
      returned: when there is an error
    state:
      description: The volume as it is now, as in RV(volume); null when there is none.
      type: dict
      sample: {name: data.qcow2, storage: fast, path: /srv/fast/data.qcow2, format: qcow2, size: 53687091200, allocation: 200704}
volume:
  description: The volume as it is now, as M(intake.vms.intake_volume_info) shows it, sizes in bytes; null when there is none.
  type: dict
  returned: when one volume was asked for
diff:
  description: What changed, for each changed volume.
  type: list
  elements: dict
  returned: in diff mode
hypervisor:
  description: The hypervisor that answered, with the C(uuid) that libvirt gives the host, whatever an inventory calls it, and its own C(hostname).
  type: dict
  returned: when it answered
  sample: {uuid: 6cee851c-0a3a-46c5-b680-00c58342e3ef, hostname: hv1}
reason:
  description: A stable word for the first error.
  type: str
  returned: on failure
  sample: shrink_refused
"""

from ..module_utils.flow.runner import run_writing
from ..module_utils.resources.volume.volumes import Volumes


def main():
    run_writing(Volumes)


if __name__ == "__main__":
    main()
