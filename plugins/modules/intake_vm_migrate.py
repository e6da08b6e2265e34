#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_vm_migrate
short_description: Move virtual machines to another hypervisor
version_added: 0.1.0
description:
  - Moves machines from the hypervisor the task runs on to another one that has the same storages.
    A running or paused machine moves live, without a pause that its users would notice; of a stopped one the definition is moved.
  - Everything the machine needs is looked for on the destination first, also in check mode. All its files must be in storages that both
    hypervisors mount from the same server at the same directory, libvirt there must be able to open each of them, networks must be active
    there and bridges exist, memory must be free, and the CPU must have what the running guest sees of it. Where something is missing,
    nothing has moved and the message names all of it.
  - The destination keeps the definition, C(autostart) and the leases on the volumes; the source forgets the machine.
  - When a migration fails or takes longer than O(timeout), the machine goes on where it ran, and the message says where it is.
  - Success is what both hypervisors say after the move, that the machine is on the destination as it was, and on the source no more.
  - A machine that is on the destination and no longer on the source is left alone. A run that was killed after the move is finished by the
    next of the same task, which gives the machine its C(autostart) and the leases; what has to be done is noted in the machine's definition.
  - One that a killed migration left paused, or on both hypervisors, is refused with what is where, and how to go on.
notes:
  - The source connects to the destination by O(destination_uri), so the user the task runs as on the source needs access to libvirt there,
    by default as C(root) over SSH with a key and a known host key.
  - The memory of the machine travels over TCP without encryption, to a port from 49152 to 49215 of the destination, which a firewall must
    let through. Use a network that is trusted.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection.writing
options:
  vms:
    description:
      - Machines as a list; each item takes the options of this module, and what is said beside the list is the default of every item.
        They move one after the other.
    type: list
    elements: dict
  name:
    description: Name of the machine.
    type: str
  destination:
    description: Name or address of the hypervisor it moves to, as the source reaches it.
    type: str
  destination_uri:
    description:
      - Connection to libvirt on the destination, where it is not C(qemu+ssh://root@DESTINATION/system?no_tty=1).
      - C(keyfile=/path) among its parameters names an SSH key, C(no_verify=1) accepts any host key.
    type: str
  migrate_uri:
    description: Address the memory is sent to, such as V(tcp://10.0.0.2), where it is not that of O(destination); for a network of its own.
    type: str
  timeout:
    description: Seconds one migration may take; then it is called off and the machine goes on where it ran.
    type: int
    default: 300
  connect_timeout:
    description: Seconds the destination has to answer, first when it is connected to, then to each question.
    type: int
    default: 30
  bandwidth:
    description: The most a migration may use of the network, in MiB a second; no limit unless said.
    type: int
  auto_converge:
    description: Slows down a guest that changes its memory faster than the network carries it, so that its migration ends.
    type: bool
    default: false
seealso:
  - module: intake.vms.intake_vm
  - module: intake.vms.intake_vm_info
  - module: intake.vms.intake_storage
"""

EXAMPLES = r"""
- name: Move a machine to hv2
  intake.vms.intake_vm_migrate:
    name: web1
    destination: hv2.example.com

- name: Two machines, called off when one takes longer than ten minutes
  intake.vms.intake_vm_migrate:
    destination: hv2.example.com
    timeout: 600
    vms:
      - {name: web1}
      - {name: db1, auto_converge: true}

- name: With an SSH key of its own, and the memory over a network of its own
  intake.vms.intake_vm_migrate:
    name: web1
    destination_uri: qemu+ssh://migrate@hv2.example.com/system?keyfile=/etc/intake/migrate&no_tty=1
    migrate_uri: tcp://10.0.0.2
    bandwidth: 500

- name: Would it work?
  intake.vms.intake_vm_migrate:
    name: web1
    destination: hv2.example.com
  check_mode: true
"""

RETURN = r"""
resources:
  description: One entry for each machine of the call, in its order.
  type: list
  elements: dict
  returned: when the task got as far as reading the hypervisor
  contains:
    name:
      description: Name of the machine, as it was asked for.
      type: str
      sample: web1
    changed:
      description: Whether something was done, or in check mode would be.
      type: bool
    steps:
      description: What was done, or in check mode would be, in this order.
      type: list
      elements: dict
      sample: [{verb: move, name: host, risk: live}]
    pending:
      description: Always empty here.
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
      description: The machine as it is now, as in RV(vm); null when there is none.
      type: dict
vm:
  description:
    - The machine as it is now, when the call was for one, with RV(vm.host) the host it is on. Null where it is on neither.
    - Beside these it has what M(intake.vms.intake_vm_info) shows of a definition.
  type: dict
  returned: when one machine was asked for
  contains:
    name:
      description: Name of the machine.
      type: str
    uuid:
      description: Its UUID, the same on both hosts.
      type: str
    state:
      description: Its state.
      type: str
    host:
      description: Name of the host it is on, as that host calls itself.
      type: str
    host_uuid:
      description: UUID of that host.
      type: str
  sample: {name: web1, state: running, host: hv2}
diff:
  description: What changed, for each changed machine.
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
  sample: not_shared
"""

from ..module_utils.flow.runner import run_writing
from ..module_utils.resources.migration.migrations import Migrations


def main():
    run_writing(Migrations)


if __name__ == "__main__":
    main()
