#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_storage
short_description: Keep storages for volumes and images as described
version_added: 0.1.0
description:
  - Makes, changes, starts, empties and removes storages on the hypervisor the task runs on.
  - A storage is a libvirt storage pool, so C(virsh), virt-manager and Cockpit see and do the same.
    A directory becomes a pool of type C(dir), a device one of type C(fs), an NFS export one of type C(netfs);
    libvirt mounts them at every boot.
  - Existing pools of these types are changed in place, whoever made them.
  - A device is mounted by the UUID of its filesystem, so it does not matter how the kernel calls it after the next boot.
  - Description and labels are kept in the storage itself, in the file C(.intake/.storage.json), and travel with it.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection.writing
  - intake.vms.adoption
options:
  storages:
    description:
      - Storages as a list; each item takes the options of this module, and what is said beside the list is the default of every item.
    type: list
    elements: dict
  name:
    description: Name of the storage, which is libvirt's pool name.
    type: str
  state:
    description:
      - V(present) makes it where it does not exist, and starts it where it is not active.
      - V(absent) unmounts and forgets it. Its data stays, on the device or in the directory. A mount point or directory that this module made
        is removed once it is empty. Refused while a virtual machine, a snapshot or an overlay uses a file in it,
        and while the directory of another storage is on its device.
      - V(empty) deletes every volume and image in it with their records, and what interrupted transfers have left; it needs O(confirm).
        That is every file that libvirt lists as a volume of it, whoever put it there; directories and hidden files stay.
        Refused while a virtual machine, a snapshot or an overlay in another storage uses one of them.
    type: str
    choices: [present, absent, empty]
    default: present
  type:
    description:
      - Kind of storage. V(localfs) is a directory or a block device of the hypervisor, V(nfs) an export of an NFS server.
      - A new storage is V(nfs) where O(server) is said, else V(localfs).
    type: str
    choices: [localfs, nfs]
  path:
    description:
      - The directory of the storage, or with O(device) its mount point. Absolute; no directory of the system.
      - It is made where it does not exist. A mount point must be empty.
      - A new storage with a O(device) or on a O(server) is mounted on C(/var/lib/intake/storages/<name>) unless said.
      - The path of an existing storage cannot be changed.
    type: str
  device:
    description:
      - A block device for this storage alone, as a path such as C(/dev/disk/by-id/nvme-x), which is formatted;
        or V(UUID=<filesystem UUID>), an existing filesystem, which is attached as it is and never formatted.
      - A device that carries any signature (filesystem, partition table, LVM, RAID, LUKS, swap) is refused unless O(overwrite=true).
      - A device that is mounted, held by LVM, RAID or device mapper, used by a virtual machine or by another pool, or that the host
        itself runs from is always refused.
      - A filesystem that this module made for a storage of the same name is recognized by its label and attached again with its data,
        so the same task brings a storage back on a reinstalled host, or after O(state=absent).
      - The device of an existing storage cannot be changed.
    type: str
  fs:
    description:
      - Filesystem for the O(device). A new one is V(xfs) unless said. XFS and btrfs clone files without copying them.
      - The filesystem of an existing storage cannot be changed.
    type: str
    choices: [ext4, xfs, btrfs]
  server:
    description:
      - Name, IPv4 or IPv6 address of the NFS server. It is asked before anything changes, and each failure says at which layer it is - the name,
        the port, the export, or the rights of QEMU's user in it.
      - The server of an existing storage cannot be changed.
    type: str
  export:
    description:
      - Directory that the server exports, as an absolute path. With NFS 4 it need not be listed by C(showmount).
      - The same export may be a storage on many hosts; its volumes, images, description and labels are the same on each.
      - The export of an existing storage cannot be changed.
    type: str
  version:
    description:
      - Version of NFS to ask for. A new storage has V(4.2) unless said.
      - With another version an existing storage is mounted anew at once where nothing is open on it; else it is pending until a run finds that.
    type: str
    choices: ['3', '4', '4.0', '4.1', '4.2']
  mount_options:
    description:
      - Options for mounting the O(device) or the O(export), beside C(nodev), C(nosuid) and C(noexec), which libvirt always gives.
      - All of them at once, so what is not listed is taken away. A mounted filesystem of a O(device) is remounted at once; where the kernel refuses
        that, nothing changes. An O(export) is mounted anew like for O(version).
      - Options of a filesystem that are not listed any more can stay in force until the next mount.
      - An export is mounted C(hard) unless said. C(soft), C(nolock) and C(async) are refused, since they lose data.
    type: list
    elements: str
  overwrite:
    description:
      - Consents to formatting a O(device) that carries a signature; what is on it is lost.
      - It never lets a device be formatted that is in use, nor the filesystem that this module made for this storage.
    type: bool
    default: false
  autostart:
    description: Whether it starts with the host. A new storage does unless said.
    type: bool
  description:
    description: Text about the storage. An empty text takes it away.
    type: str
  labels:
    description: Words about the storage, as a dictionary; all of them at once, so what is not listed is taken away.
    type: dict
  timeout:
    description: How many seconds a server and the directories of storages may take to answer.
    type: int
    default: 10
  confirm:
    description: With O(state=empty), the name of the storage, to consent to the loss of what is in it.
    type: str
notes:
  - On a host without udev the links in C(/dev/disk/by-uuid) do not exist after a boot, so libvirt cannot mount there by itself;
    this module makes the link and mounts.
seealso:
  - module: intake.vms.intake_storage_info
"""

EXAMPLES = r"""
- name: A directory
  intake.vms.intake_storage:
    name: lab
    path: /srv/lab

- name: A whole disk, formatted once and mounted at every boot
  intake.vms.intake_storage:
    name: fast
    device: /dev/disk/by-id/nvme-x
    fs: xfs
    mount_options: [noatime]
    description: For databases
    labels:
      tier: ssd

- name: A filesystem that exists already, with what is on it
  intake.vms.intake_storage:
    name: archive
    device: UUID=24ef1ac7-94eb-4c36-adea-fec0cb334722
    path: /srv/archive

- name: An NFS export; the same task on every hypervisor makes it one storage of all
  intake.vms.intake_storage:
    name: shared
    server: nas.example.com
    export: /export/vms
    mount_options: [hard, nconnect=4]

- name: Several at once, labelled alike
  intake.vms.intake_storage:
    labels:
      site: berlin
    storages:
      - {name: vms, path: /srv/vms}
      - {name: images, path: /srv/images, description: Golden images}

- name: Delete everything in it
  intake.vms.intake_storage:
    name: lab
    state: empty
    confirm: lab

- name: Unmount and forget it; the data stays on the device
  intake.vms.intake_storage:
    name: fast
    state: absent
"""

RETURN = r"""
resources:
  description: One entry for each storage of the call, in its order.
  type: list
  elements: dict
  returned: when the task got as far as reading the hypervisor
  contains:
    name:
      description: Name of the storage, as it was asked for.
      type: str
    changed:
      description: Whether something was done, or in check mode would be.
      type: bool
    steps:
      description: What was done, or in check mode would be, in this order.
      type: list
      elements: dict
      sample: [{verb: format, name: device, risk: live}]
    pending:
      description: What could not be applied yet, as dictionaries of name, have and want.
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
      description: The storage as it is now, as in RV(storage); null when there is none.
      type: dict
storage:
  description: The storage as it is now; null when there is none.
  type: dict
  returned: when one storage was asked for
  contains:
    name:
      description: Name of the storage, which is libvirt's pool name.
      type: str
      sample: fast
    type:
      description: The kind of storage; for a libvirt pool that these modules do not keep, libvirt's pool type.
      type: str
      sample: localfs
    uuid:
      description: UUID of the libvirt pool.
      type: str
    state:
      description: V(active) or V(inactive).
      type: str
      sample: active
    persistent:
      description: Whether libvirt still knows it after a restart.
      type: bool
    autostart:
      description: Whether it starts with the host.
      type: bool
    path:
      description: The directory its files are in.
      type: str
      sample: /var/lib/intake/storages/fast
    device:
      description: The block device it is on, by filesystem UUID where this collection made it; null for a directory.
      type: str
      sample: /dev/disk/by-uuid/24ef1ac7-94eb-4c36-adea-fec0cb334722
    fs:
      description: The filesystem of its device; null for a directory.
      type: str
      sample: xfs
    server:
      description: The NFS server's name or address; null where there is none.
      type: str
      sample: nas.example.com
    export:
      description: The directory the server exports; null where there is none.
      type: str
      sample: /export/vms
    version:
      description: The version of NFS that is asked for; null where there is no server, or where libvirt is left to choose.
      type: str
      sample: '4.2'
    mount_options:
      description: Mount options beside those libvirt always gives (C(nodev), C(nosuid), C(noexec)).
      type: list
      elements: str
      sample: [noatime]
    mounted:
      description: What is mounted on its path now; null for a directory, and where nothing is mounted.
      type: dict
      contains:
        source:
          description: The device as the kernel names it.
          type: str
          sample: /dev/nvme0n1
        fs:
          description: The filesystem.
          type: str
          sample: xfs
        options:
          description: The options in force.
          type: list
          elements: str
    description:
      description: Its description; null where there is none, and while a device is not mounted.
      type: str
    labels:
      description: Its labels; empty while a device is not mounted.
      type: dict
      sample: {tier: ssd}
    pending:
      description: Options that come into force when it is mounted anew, as dictionaries of name, have and want.
      type: list
      elements: dict
    capacity:
      description: Bytes of its filesystem; for a directory, of the filesystem the directory is on.
      type: int
    allocation:
      description: Bytes in use on that filesystem, by whomever.
      type: int
    available:
      description: Bytes that can still be written.
      type: int
    health:
      description: Whether it can be used now.
      type: dict
      contains:
        status:
          description: V(ok), V(degraded) or V(inactive).
          type: str
          sample: ok
        text:
          description: The reason in words.
          type: str
          sample: answers
        probed:
          description: When it was looked at, ISO 8601 in UTC.
          type: str
          sample: '2026-01-31T12:00:00Z'
        hangs:
          description: Given and true where its directory did not answer in time.
          type: bool
diff:
  description: What changed, for each changed storage.
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
  sample: signature_found
"""

from ..module_utils.flow.runner import run_writing
from ..module_utils.resources.storage.storages import Storages


def main():
    run_writing(Storages)


if __name__ == "__main__":
    main()
