# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Existing resources as the options of their modules."""

from __future__ import annotations

DOCUMENTATION = r"""
name: options
short_description: What an info module lists, as options of the module that keeps it
version_added: 0.1.0
description:
  - Says storages, volumes, images or virtual machines as an info module lists them as options, which applied to the same host change nothing.
  - Passwords are not known and left out, as are devices' values that no option can say.
  - Libvirt pools of kinds that no module keeps are left out.
author:
  - intake.vms contributors (@intake)
positional: kind, storages
options:
  _input:
    description: What the info module lists.
    type: list
    elements: dict
    required: true
  kind:
    description: What they are.
    type: str
    choices: [storage, volume, image, vm]
    required: true
  storages:
    description: The storages of the host, as M(intake.vms.intake_storage_info) lists them; disks of machines are named by storage and volume then.
    type: list
    elements: dict
    default: []
seealso:
  - plugin: intake.vms.variables
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write what runs on a hypervisor as variables for the role provision
  ansible.builtin.copy:
    content: "{{ {'provision_vms': found.vms | intake.vms.options('vm', there.storages)} | intake.vms.variables }}"
    dest: "{{ inventory_hostname }}.yml"
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: Options, one dictionary for each resource.
  type: list
  elements: dict
  sample: [{name: web1, state: running, memory: 2GiB, cpus: 2, disks: [{name: root, storage: fast, volume: web1-root.qcow2, bus: virtio}]}]
"""

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import IntakeError
from ..plugin_utils.kinds import KINDS


def options(resources, kind, storages=()):
    """A list of options."""
    if kind not in KINDS:
        raise AnsibleFilterError(f"options: {kind} is not a kind of resource; there are {', '.join(KINDS)}")
    try:
        return [KINDS[kind].as_options(one, storages) for one in resources if KINDS[kind].is_kept(one)]
    except IntakeError as error:
        raise AnsibleFilterError(f"options: {error}") from error


class FilterModule:
    """The filter `intake.vms.options`."""

    def filters(self):
        return {"options": options}
