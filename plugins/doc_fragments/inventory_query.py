# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a question to the inventory, shared by the module and the lookup."""

from __future__ import annotations


class ModuleDocFragment:
    """What is asked for, in words or as SQL, and how much of it."""

    DOCUMENTATION = r"""
options:
  filters:
    description:
      - Which rows, as a dictionary from column to what is wanted. All of it has to be true.
      - A value is what the column has to be, a list means any of its values, V(null) means that the column is empty.
      - A dictionary has operators. V(eq) and V(ne) take a value or a list, V(ne) being true for rows where the column is empty too;
        V(like) and V(not_like) take a pattern, or a list of them, in which C(*) stands for any text and C(?) for one character;
        V(lt), V(le), V(gt) and V(ge) compare with one value.
      - For a column that is a list, such as C(addresses), C(storages) or C(names), it is about its elements, one of which has to fit.
      - C(labels) takes a dictionary from label to what is wanted of it, in the same way. V(null) means that the label is not there.
      - C(asked), C(recorded) and C(arguments) take a dictionary, all of which has to be in the column.
      - Sizes may be written as V(2GiB), times as V(2026-01-31), V(2026-01-31T12:00:00Z) (UTC without a zone) or V(2 hours ago).
    type: dict
  fields:
    description:
      - The columns to return, in the order of the table. By default those of most use, with names of hosts and storages.
      - A column that is not there is an error that lists those that are.
    type: list
    elements: str
  sort:
    description: Columns to sort by, the first one first; a minus before a column sorts it downwards. Empty values are last.
    type: list
    elements: str
  sql:
    description:
      - One statement that reads (SELECT, WITH, VALUES or TABLE), instead of a kind with O(filters), O(fields) and O(sort).
      - It runs in a transaction that can write nothing and is always rolled back, with the rights of the role in O(dsn). What functions do beyond
        tables is not undone, so use a role that may only read.
      - Tables and views need no schema before them. Columns of the result need names of their own.
    type: str
  params:
    description:
      - Values for the placeholders of O(sql), a list for C(%s) or a dictionary for C(%(name)s). Text of others belongs here, not into O(sql).
      - With it, a percent sign in O(sql) is written as C(%%).
    type: raw
  limit:
    description: At most so many rows, from 1 to 1000000.
    type: int
    default: 1000
  timeout:
    description: How many seconds the database may take.
    type: int
    default: 30
requirements:
  - psycopg version 3 where Ansible runs
"""
