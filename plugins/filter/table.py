# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of dicts as tables for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: table
short_description: A list of dictionaries as lines of a table
version_added: 0.1.0
description:
  - Makes lines of text with aligned columns of a list of dictionaries, for messages on the console.
author:
  - intake.vms contributors (@intake)
positional: columns
options:
  _input:
    description: Dictionaries, one for each row.
    type: list
    elements: dict
    required: true
  columns:
    description:
      - The columns, as a dictionary from heading to key. Dots in a key lead into inner dictionaries.
      - Or V(storage), V(volume), V(image) or V(vm), for the columns in which the playbook C(report) shows them.
      - A key that ends in C(|size) is a number of bytes, written for people.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show storages
  ansible.builtin.debug:
    msg: "{{ found.storages | intake.vms.table({'STORAGE': 'name', 'HEALTH': 'health.status', 'FREE': 'available|size'}) }}"
"""

RETURN = r"""
_value:
  description: Lines of text, the headings first.
  type: list
  elements: str
  sample: ["STORAGE  HEALTH  FREE", "fast     ok      812.4 GiB"]
"""

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import Refused
from ..plugin_utils.kinds import KINDS
from ..plugin_utils.table import table as lines_of


def table(rows, columns):
    """Lines of text; `columns` may be the noun of a kind of resources."""
    try:
        return lines_of(rows, KINDS[columns].report if isinstance(columns, str) and columns in KINDS else columns)
    except Refused as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"table": table}
