# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory in expressions: rows as a list of dictionaries."""

from __future__ import annotations

DOCUMENTATION = r"""
name: intake_inventory
short_description: Rows of the PostgreSQL inventory
version_added: 0.1.0
description:
  - Reads the PostgreSQL inventory of this collection, as M(intake.vms.intake_inventory_info) does, and returns the rows.
  - Use it with C(query), which returns a list always; C(lookup) returns a single row without the list around it.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.inventory_query
options:
  _terms:
    description:
      - What to list, one of C(hosts), C(storages), C(host_storages), C(volumes), C(images), C(vms), C(disks), C(interfaces), C(operations),
        C(samples) and the views C(vm_overview), C(storage_usage) and C(recent_operations).
      - Without it, O(sql) says what.
    type: list
    elements: str
  dsn:
    description: The database, as a URI or a connection string of PostgreSQL.
    type: str
    env:
      - name: INTAKE_INVENTORY_DSN
    vars:
      - name: intake_inventory_dsn
seealso:
  - module: intake.vms.intake_inventory_info
  - plugin: intake.vms.intake
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Which machines of a project run
  ansible.builtin.debug:
    msg: "{{ query('intake.vms.intake_inventory', 'vms', filters={'state': 'running', 'labels': {'project': 'blue'}}) | map(attribute='name') }}"

- name: Where a machine is
  ansible.builtin.debug:
    msg: "{{ (query('intake.vms.intake_inventory', 'vms', filters={'name': 'web1'}) | first).host }}"

- name: How many machines each host has
  ansible.builtin.debug:
    msg: "{{ query('intake.vms.intake_inventory', sql='SELECT host, count(*) AS vms FROM vm_overview GROUP BY host ORDER BY host') }}"
"""

RETURN = r"""
_list:
  description: The rows, as RV(intake.vms.intake_inventory_info#module:rows).
  type: list
  elements: dict
"""

import json

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..module_utils.errors import IntakeError, Refused
from ..plugin_utils.ask import queries

PURPOSE = "intake.vms lookup"


class LookupModule(LookupBase):
    """One question."""

    def run(self, terms, variables=None, **kwargs):
        try:
            asked = queries.options({**kind_of(terms), **json.loads(json.dumps(kwargs, default=str))})
            result = queries.ask(asked["dsn"] or self.dsn(variables), asked, PURPOSE)
        except IntakeError as error:
            raise AnsibleLookupError(f"intake_inventory: {error}") from None
        if result["truncated"] and "limit" not in kwargs:
            Display().warning(f"intake_inventory: there are more than {result['count']} rows; limit allows more")
        return result["rows"]

    def dsn(self, variables):
        """The database that the variable names, which may be a template, or the environment."""
        self.set_options(var_options=variables)
        found = self.get_option("dsn")
        return self._templar.template(found) if self._templar and found else found


def kind_of(terms):
    """The option that a term stands for."""
    if len(terms) > 1:
        raise Refused(f"one kind at a time, not {', '.join(map(str, terms))}", "invalid_options")
    return {"kind": str(terms[0])} if terms else {}
