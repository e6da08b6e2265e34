#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_vm
short_description: Keep virtual machines as described
version_added: 0.1.0
description:
  - Makes, edits, starts, stops and removes virtual machines (libvirt domains) on the hypervisor the task runs on.
  - An existing domain is edited in place, whoever made it. What the task does not mention stays as it is,
    in the machine and in its XML.
  - A running machine is changed at once where libvirt can do so. What cannot be changed while it runs is in the definition
    and applies at the next boot; until then every run reports it in C(pending), unless O(restart=if_needed).
  - One task takes one machine by its flat options, or any number through O(vms).
  - A disk without a O(disks[].volume) gets a volume named C(<vm>-<disk>.<format>).
  - UUID, MAC addresses and disk serials of a new machine are made from its name, so a rebuilt machine keeps its DHCP lease.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection.writing
  - intake.vms.adoption
options:
  vms:
    description:
      - Machines as a list; each item takes the options of this module, and what is said beside the list is the default of every item.
    type: list
    elements: dict
  name:
    description: Name of the machine, which is libvirt's domain name.
    type: str
  state:
    description:
      - V(present) defines it and leaves its power alone.
      - V(running), V(stopped) and V(paused) also bring it into that state, V(restarted) stops and starts it.
      - V(absent) stops it gracefully and undefines it with its UEFI variables, TPM state, managed save image and snapshot metadata;
        disks are kept unless named in O(remove_disks).
    type: str
    choices: [present, absent, running, stopped, paused, restarted]
    default: present
  description:
    description: Text kept in the domain. An empty text takes it away.
    type: str
  labels:
    description: Words kept in the domain's metadata, as a dictionary; all of them at once, so what is not listed is taken away.
    type: dict
  autostart:
    description: Whether it starts with the host.
    type: bool
  cpus:
    description: Number of virtual CPUs; 1 for a new machine. Changes while it runs up to O(maximum_cpus).
    type: int
  maximum_cpus:
    description: Number of CPUs that may be plugged in while it runs; the same as O(cpus) unless said.
    type: int
  topology:
    description: How the guest sees its CPUs; the product must be the maximum number of CPUs.
    type: dict
    suboptions:
      sockets:
        description: Number of sockets.
        type: int
        required: true
      cores:
        description: Cores of a socket.
        type: int
        required: true
      threads:
        description: Threads of a core.
        type: int
        required: true
  cpu_mode:
    description:
      - CPU the guest sees. A new machine has V(host-passthrough) under KVM and V(maximum) under emulation.
    type: str
    choices: [host-passthrough, host-model, maximum, custom]
  cpu_model:
    description: Model for O(cpu_mode=custom), as libvirt names it, for instance V(Skylake-Server).
    type: str
  memory:
    description: Memory such as V(2GiB); 1 GiB for a new machine. Changes while it runs up to O(maximum_memory).
    type: str
  maximum_memory:
    description: Most memory the running guest can be given; the same as O(memory) unless said.
    type: str
  machine:
    description: Machine type, for instance V(q35) (the default on x86_64) or an exact version such as V(pc-q35-7.2).
    type: str
  virt_type:
    description:
      - V(auto) is KVM where C(/dev/kvm) opens and the processor has the flag for it, else emulation; it is decided when the machine is made.
    type: str
    choices: [auto, kvm, qemu]
  firmware:
    description: Firmware; V(bios) for a new machine. libvirt chooses the files for V(uefi).
    type: str
    choices: [bios, uefi]
  secure_boot:
    description: Whether UEFI starts signed boot loaders only.
    type: bool
  tpm:
    description: Whether it has an emulated TPM 2.0.
    type: bool
  kernel:
    description: Kernel file on the hypervisor to boot directly; an empty text takes it away, and with it O(initrd) and O(cmdline).
    type: str
  initrd:
    description: Initial RAM disk for O(kernel).
    type: str
  cmdline:
    description: Command line for O(kernel).
    type: str
  disks:
    description: Disks and cdroms, found by their name. Those that are not listed stay, unless O(purge).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the disk within the machine, of letters, digits, hyphens and underscores.
          - A disk of an adopted domain is also found by its target, such as V(vda), or its file.
        type: str
        required: true
      state:
        description: V(absent) takes the disk from the machine; its volume stays unless O(disks[].remove).
        type: str
        choices: [present, absent]
        default: present
      device:
        description: Kind of the device; V(disk) for a new one.
        type: str
        choices: [disk, cdrom]
      volume:
        description: Volume in O(disks[].storage), or the medium of a cdrom; for a cdrom an empty text takes the medium out.
        type: str
      storage:
        description: Storage of the volume. Needed unless the hypervisor has only one, or the disk exists already.
        type: str
      image:
        description: Image a missing volume is made from, or the medium of a cdrom.
        type: str
      image_storage:
        description: Storage of the image, if it is another.
        type: str
      size:
        description: Size of the volume, such as V(20GiB). A missing volume is made; a smaller one grows, also while the machine runs.
        type: str
      format:
        description: Format of a volume that is made; V(qcow2) unless said.
        type: str
        choices: [qcow2, raw]
      clone:
        description: How a missing volume is made from the image, as in M(intake.vms.intake_volume).
        type: str
        choices: [auto, full, linked]
      bus:
        description: Bus; V(virtio) for a new disk, V(sata) for a cdrom. A change needs a restart.
        type: str
        choices: [virtio, scsi, sata, ide, usb]
      cache:
        description: QEMU's cache mode.
        type: str
        choices: [default, none, writethrough, writeback, directsync, unsafe]
      discard:
        description: Whether the guest's discards free space in the volume; V(unmap) for a new disk.
        type: str
        choices: [unmap, ignore]
      serial:
        description: Serial number the guest sees; made from the names for a new disk.
        type: str
      read_only:
        description: Whether the guest may only read it.
        type: bool
      shareable:
        description: Consents that other machines write the same volume, for cluster filesystems.
        type: bool
      boot_order:
        description: Place in the order of boot devices, from 1. 0 takes it away.
        type: int
      iops:
        description: Limit of requests a second, reading and writing together. 0 takes a limit away.
        type: int
      read_iops:
        description: Limit of read requests a second.
        type: int
      write_iops:
        description: Limit of write requests a second.
        type: int
      bandwidth:
        description: Limit of bytes a second, reading and writing together, such as V(100MiB). V(0) takes a limit away.
        type: str
      read_bandwidth:
        description: Limit of bytes read a second.
        type: str
      write_bandwidth:
        description: Limit of bytes written a second.
        type: str
      remove:
        description: With O(disks[].state=absent), also deletes the volume. Its content is lost.
        type: bool
        default: false
  interfaces:
    description: Network interfaces, found by their name. Those that are not listed stay, unless O(purge).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the interface within the machine, of letters, digits, hyphens and underscores.
          - One of an adopted domain is also found by its MAC address.
        type: str
        required: true
      state:
        description: V(absent) takes it away.
        type: str
        choices: [present, absent]
        default: present
      network:
        description: libvirt network it is connected to.
        type: str
      bridge:
        description: Bridge of the hypervisor it is connected to.
        type: str
      user:
        description: V(true) connects it to QEMU's user-mode network, which reaches out without any set-up and cannot be reached.
        type: bool
      mac:
        description: MAC address; made from the names for a new interface.
        type: str
      model:
        description: Model of the card; V(virtio) for a new interface.
        type: str
      vlan:
        description: VLAN tag, for networks and bridges that can tag. 0 takes it away.
        type: int
      boot_order:
        description: Place in the order of boot devices, from 1. 0 takes it away.
        type: int
      link:
        description: Whether the cable is plugged in.
        type: str
        choices: [up, down]
  purge:
    description: Takes disks and interfaces away that are not listed, where O(disks) or O(interfaces) is given. Volumes stay.
    type: bool
    default: false
  graphics:
    description: Screen. A new machine has none unless said.
    type: dict
    suboptions:
      type:
        description: Protocol, or V(none); V(vnc) for a new one.
        type: str
        choices: [vnc, spice, none]
      listen:
        description: Address to listen on; V(127.0.0.1) for a new one.
        type: str
      port:
        description: Port; 0 or not said lets libvirt choose.
        type: int
      password:
        description: Password, at most 8 characters for VNC. It can be changed while the machine runs. An empty text takes it away.
        type: str
  console:
    description: Whether it has a serial console; a new machine has one.
    type: bool
  agent:
    description: Whether it has a channel for the QEMU guest agent; a new machine has one.
    type: bool
  rng:
    description: Whether it gets random numbers from the host; a new machine does.
    type: bool
  cloud_init:
    description:
      - What cloud-init is told at the first boot, and again at the boot after this changes. It is written to a small read-only disk,
        the volume C(<vm>-seed.iso), which goes when the machine goes. Its content is never shown.
    type: dict
    suboptions:
      hostname:
        description: Host name; made of the machine's name unless said.
        type: str
      users:
        description: Users as in cloud-init's C(users), each with at least a C(name).
        type: list
        elements: dict
      ssh_authorized_keys:
        description: Public keys of the default user.
        type: list
        elements: str
      packages:
        description: Packages to install.
        type: list
        elements: str
      user_data:
        description: The whole user data instead of the short options, as a text or as the dictionary of a cloud-config.
        type: raw
      meta_data:
        description: More meta data. An C(instance-id) in it replaces the one made of the machine's UUID and the content.
        type: dict
      network_config:
        description: Network configuration of version 1 or 2.
        type: dict
      storage:
        description: Storage of the seed; that of the first disk unless said.
        type: str
  restart:
    description: Whether a running machine may be restarted for changes that cannot be made while it runs.
    type: str
    choices: [never, if_needed]
    default: never
  force_stop:
    description: Pulls the plug when a graceful stop takes longer than O(stop_timeout). The guest may lose data.
    type: bool
    default: false
  stop_timeout:
    description: Seconds a guest has to shut down.
    type: int
    default: 120
  takeover:
    description:
      - Consents to taking volumes that belong to a machine of another host, in a storage that hosts share. Only for a host that is down for good.
      - It is refused while a QEMU of any host has the volume open, as far as the locks of the storage's server tell.
    type: bool
    default: false
  remove_disks:
    description:
      - With O(state=absent), names of the disks whose volumes are deleted too, or V(all).
      - ISO files, backing files, shareable disks and files used by others are never deleted.
    type: list
    elements: str
  wait_for:
    description: What to wait for at the end, V(ip) is an address known to the hypervisor, V(agent) the answer of the guest agent.
    type: str
    choices: [none, running, ip, agent]
    default: none
  wait_timeout:
    description: Seconds to wait.
    type: int
    default: 300
seealso:
  - module: intake.vms.intake_vm_info
  - module: intake.vms.intake_volume
  - module: intake.vms.intake_image
"""

EXAMPLES = r"""
- name: A machine from an image
  intake.vms.intake_vm:
    name: web1
    state: running
    memory: 2GiB
    cpus: 2
    disks:
      - {name: root, image: debian-12.qcow2, storage: fast, size: 20GiB}
    interfaces:
      - {name: lan, network: default}
    cloud_init:
      hostname: web1
      users:
        - {name: ops, ssh_authorized_keys: [ssh-ed25519 AAAA...], sudo: "ALL=(ALL) NOPASSWD:ALL"}
    wait_for: agent

- name: Three machines in one call, one of them larger
  intake.vms.intake_vm:
    state: running
    memory: 2GiB
    disks:
      - {name: root, image: debian-12.qcow2, storage: fast, size: 20GiB}
    interfaces:
      - {name: lan, network: default}
    vms:
      - {name: web1}
      - {name: web2}
      - {name: db1, memory: 8GiB, cpus: 4}

- name: Give a running machine another disk, and limit the first
  intake.vms.intake_vm:
    name: web1
    disks:
      - {name: data, storage: fast, size: 50GiB}
      - {name: root, iops: 2000, bandwidth: 200MiB}

- name: More memory, with a restart only if it cannot be done live
  intake.vms.intake_vm:
    name: web1
    memory: 4GiB
    restart: if_needed

- name: Remove a machine and its root disk, keep the others
  intake.vms.intake_vm:
    name: web1
    state: absent
    remove_disks: [root]
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
      sample: [{verb: edit, name: definition, risk: live}]
    pending:
      description: Fields that apply at the next boot, with the value the running machine has and the one it will have.
      type: list
      elements: dict
      sample: [{name: machine, have: pc-q35-7.1, want: pc-q35-7.2}]
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
  description: The machine as it is now, as M(intake.vms.intake_vm_info) shows its definition; null when there is none.
  type: dict
  returned: when one machine was asked for
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
  sample: stop_timeout
"""

from ..module_utils.flow.runner import run_writing
from ..module_utils.resources.vm.vms import Vms


def main():
    run_writing(Vms)


if __name__ == "__main__":
    main()
