# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options every module has: `intake.vms.connection` for reading, `intake.vms.connection.writing` for writing."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of a connection, and what a module promises of check mode and diff."""

    DOCUMENTATION = r"""
options:
  uri:
    description: The libvirt connection, as seen from the host the task runs on.
    type: str
    default: qemu:///system
requirements:
  - python3-libvirt on the hypervisor
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tells the same as a real run; it never changes anything.
  diff_mode:
    support: none
    description: Returns what changed when diff mode is on; a module that only reads has nothing to show.
"""

    WRITING = r"""
options:
  uri:
    description: The libvirt connection, as seen from the host the task runs on.
    type: str
    default: qemu:///system
  lock_timeout:
    description:
      - How many seconds to wait for another run on this host that is changing the same resource.
      - Then the task fails and names the process that holds it.
    type: int
    default: 60
requirements:
  - python3-libvirt on the hypervisor
attributes:
  check_mode:
    support: full
    description: Can run in check mode and predicts what a real run would do, by the same code up to the step that acts.
  diff_mode:
    support: full
    description: Returns what changed, field by field, when diff mode is on.
notes:
  - Where the variable C(intake_inventory_dsn), or E(INTAKE_INVENTORY_DSN) in the environment of the controller, names a PostgreSQL database,
    what is done is recorded there; see M(intake.vms.intake_inventory). With C(intake_inventory_policy) V(required), the default, nothing is
    done while the database is away, with V(best_effort) it is done and not recorded.
"""
