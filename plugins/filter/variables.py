# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data from elsewhere as the text of a variable file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: variables
short_description: Data of other people as a variable file
version_added: 0.1.0
description:
  - Writes data as YAML for C(host_vars), C(group_vars) and C(vars_files), such that Ansible takes no text in it for a template.
  - Ansible evaluates every C({{ }}) in a variable file, whoever wrote it. Names, descriptions and labels on a hypervisor are data of other people,
    who could so run commands on the controller. Here each value and each key that could be more than text carries the tag C(!unsafe).
  - Read by Ansible, the file gives the same data again. Numbers, dates and words such as C(yes) that are text stay text.
author:
  - intake.vms contributors (@intake)
options:
  _input:
    description: The variables.
    type: dict
    required: true
seealso:
  - plugin: intake.vms.options
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Keep what runs on a hypervisor as variables
  ansible.builtin.copy:
    content: "{{ {'provision_vms': found.vms | intake.vms.options('vm')} | intake.vms.variables }}"
    dest: "host_vars/{{ inventory_hostname }}.yml"
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
  sample: |
    provision_vms:
      - name: web1
        description: !unsafe '{{ not a template }}'
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError
from yaml.representer import RepresenterError

from ..plugin_utils.compare.variables import text_of


def variables(data):
    """The text of a variable file."""
    if not isinstance(data, Mapping):
        raise AnsibleFilterError(f"variables: takes a dictionary of variables, not {type(data).__name__}")
    try:
        return text_of(data)
    except RepresenterError as error:
        raise AnsibleFilterError(f"variables: only text, numbers, lists and dictionaries can be written: {error}") from error


class FilterModule:
    """The filter `intake.vms.variables`."""

    def filters(self):
        return {"variables": variables}
