#!/usr/bin/python
# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: intake_image
short_description: Keep disk and ISO images in a storage as described
version_added: 0.1.0
description:
  - Brings images into a storage of the hypervisor the task runs on, keeps their content, name, description and labels as described, and removes them.
  - An image is what volumes and virtual machines start from (a golden disk image), or the medium of a CD-ROM drive (an ISO image).
  - An image appears under its name at once, whole and verified. Until then it is a hidden file in the same storage.
    A run that was killed leaves such a file; the next run of the same task goes on with it or clears it away.
  - Content from outside is never trusted. A qcow2 image whose header names a backing file or an external data file is refused,
    since it would read files of the hypervisor.
author:
  - intake.vms contributors (@intake)
extends_documentation_fragment:
  - intake.vms.connection.writing
  - intake.vms.adoption
options:
  images:
    description:
      - Images as a list; each item takes the options of this module, and what is said beside the list is the default of every item.
      - Up to four are brought at a time. One that fails does not stop the others.
    type: list
    elements: dict
  name:
    description: Name of the image, which is libvirt's volume name and the name of the file, exactly as given.
    type: str
  storage:
    description: The storage it is in. It must be active.
    type: str
  state:
    description:
      - V(present) brings the image where there is none, and changes what is there as asked.
      - V(absent) removes it, and what an unfinished transfer of it has left.
        Refused while a virtual machine uses it, as a disk or in a CD-ROM drive, or an overlay depends on it.
    type: str
    choices: [present, absent]
    default: present
  url:
    description:
      - Where the hypervisor downloads it from, by http or https, with the proxies of its environment. Redirects are followed,
        from https to http only where O(checksum) is given.
      - A broken download is gone on from where it ended, if the server supports ranges and tells by C(ETag) or C(Last-Modified) that the
        content is still the same, or if O(checksum) is given.
      - Items of one call with the same O(url) and O(checksum) are downloaded once. Nothing is downloaded where an image of the same
        storage is recorded with the O(checksum) asked for; it is copied instead, which takes no space on XFS and btrfs.
      - Without O(checksum) an image that exists is never downloaded again, even if the server has a newer one.
    type: str
  path:
    description: A file on the hypervisor it is copied from. Like O(url), it is looked at again only where O(checksum) is given.
    type: path
  src:
    description:
      - A file on the controller. It is transferred only where the hypervisor lacks its content; its SHA-256 sum, computed on the controller
        in every run, tells, so an image follows the file without O(checksum).
      - A relative path is looked up in C(files), as by M(ansible.builtin.copy).
      - The file passes through Ansible's temporary directory on the hypervisor (C(ansible_remote_tmp)), which needs room for it;
        with a local connection it is read where it is.
      - Not for tasks with C(async); use O(url) there.
    type: path
  volume:
    description:
      - A volume it is made from, flattened, so the image stands alone. Refused while a running virtual machine has the volume open.
      - An image that exists is not made again.
    type: str
  volume_storage:
    description: The storage of O(volume); O(storage) unless said.
    type: str
  checksum:
    description:
      - The sum the content must have, C(sha256:<hex>) or C(sha512:<hex>), over the bytes as the source gives them, before they are unpacked or converted.
      - With C(sha256:<URL>) the sum is looked up in a file such as C(SHA256SUMS), of GNU or BSD format, by the file name at the end of O(url), O(path)
        or O(src), or by O(name) without these. The list is fetched once per call.
      - Where the image exists, its recorded sum is compared; that of a file nobody recorded is computed.
        New content is brought and swapped in at once, which is refused while something uses the old one.
    type: str
  format:
    description:
      - What the image shall be. V(qcow2) and V(raw) convert where the content, or the image that exists, is another; V(iso) refuses what is no ISO image.
      - As it came unless said. The formats V(vdi), V(vhdx) and V(vpc) are only taken where this asks for a conversion. ISO images are never converted.
    type: str
    choices: [qcow2, raw, iso]
  decompress:
    description:
      - V(auto) unpacks what is packed with gzip, xz or zstd, told by its first bytes and not by its name. For zstd the hypervisor needs the program C(zstd).
      - V(none) keeps the content as it is.
      - An image that exists is brought again for it only where O(checksum) is given too.
    type: str
    choices: [auto, none]
    default: auto
  description:
    description: Text about the image. An empty text takes it away.
    type: str
  labels:
    description: Words about the image, as a dictionary; all of them at once, so what is not listed is taken away.
    type: dict
  new_name:
    description:
      - Renames the image. Where it bears this name already, that is taken for O(name), so the task can stay.
      - Refused while a virtual machine or an overlay uses it, since they know it by its path.
    type: str
  timeout:
    description: How many seconds, from 1 to 604800, a server may send nothing. The whole download may take as long as it takes.
    type: int
    default: 60
  url_username:
    description:
      - User for O(url), and for the list of sums in O(checksum) if it is on the same server. Only sent when the server asks for it, and never to
        another one it redirects to.
      - User and password may also stand inside the URL; they are never shown or stored.
    type: str
  url_password:
    description: Password for O(url_username).
    type: str
  validate_certs:
    description: Whether the certificate of a https server is checked.
    type: bool
    default: true
  _content:
    description: Said by the action plugin and never by hand; the sum of what O(src) holds, and where that lies on the hypervisor once it was transferred.
    type: dict
notes:
  - Images are readable by everybody on the hypervisor (mode 0644) within a storage that can only be passed through (0711).
  - A file in a storage that has no record is a volume, unless it is an ISO image. Naming it here makes it an image, unless something uses it.
  - Source, sums, description and labels are kept in the storage itself, in C(.intake), and travel with it.
seealso:
  - module: intake.vms.intake_image_info
  - module: intake.vms.intake_volume
"""

EXAMPLES = r"""
- name: A cloud image, verified against the distribution's list of sums
  intake.vms.intake_image:
    name: debian-12.qcow2
    storage: fast
    url: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2
    checksum: sha512:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS
    description: Debian 12
    labels:
      os: debian

- name: Several at once, from a server that wants a password
  intake.vms.intake_image:
    storage: fast
    url_username: mirror
    url_password: "{{ mirror_password }}"
    images:
      - {name: alma-9.qcow2, url: https://mirror.example.org/alma-9.qcow2}
      - {name: appliance.qcow2, url: https://mirror.example.org/appliance.raw.xz, format: qcow2}
      - {name: rescue.iso, url: https://mirror.example.org/rescue.iso, format: iso}

- name: A file of the controller, transferred only when the hypervisor lacks its content
  intake.vms.intake_image:
    name: golden.qcow2
    storage: fast
    src: golden.qcow2

- name: A file of the hypervisor
  intake.vms.intake_image:
    name: installer.iso
    storage: fast
    path: /root/installer.iso

- name: A golden image from the disk of a virtual machine that is off
  intake.vms.intake_image:
    name: template-1.qcow2
    storage: fast
    volume: builder-root.qcow2

- name: Another name and description
  intake.vms.intake_image:
    name: template-1.qcow2
    storage: fast
    new_name: template-2.qcow2
    description: With the agent

- name: Remove it
  intake.vms.intake_image:
    name: template-2.qcow2
    storage: fast
    state: absent
"""

RETURN = r"""
resources:
  description: One entry for each image of the call, in its order.
  type: list
  elements: dict
  returned: when the task got as far as reading the hypervisor
  contains:
    name:
      description: Name of the image, as it was asked for.
      type: str
    changed:
      description: Whether something was done, or in check mode would be.
      type: bool
    steps:
      description: What was done, or in check mode would be, in this order.
      type: list
      elements: dict
      sample: [{verb: download, name: content, risk: live}]
    pending:
      description: Always empty for images.
      type: list
      elements: dict
    error:
      description: Why it failed, or null.
      type: str
    reason:
      description: A stable word for the error, such as V(checksum_mismatch), V(in_use), V(no_space), V(timeout) or V(untrusted_backing).
      type: str
      returned: when there is an error
    state:
      description: The image as it is now, as in RV(image); null when there is none.
      type: dict
image:
  description: The image as it is now; null when there is none.
  type: dict
  returned: when one image was asked for
  contains:
    name:
      description: Name of the image.
      type: str
      sample: debian-12.qcow2
    storage:
      description: The storage it is in.
      type: str
      sample: fast
    path:
      description: Its file.
      type: str
      sample: /var/lib/intake/storages/fast/debian-12.qcow2
    state:
      description: V(ready).
      type: str
      sample: ready
    format:
      description: V(qcow2), V(raw) or V(iso).
      type: str
      sample: qcow2
    size:
      description: Bytes a disk made from it has.
      type: int
      sample: 2147483648
    allocation:
      description: Bytes it takes in the storage.
      type: int
      sample: 448790528
    checksum:
      description: The sum of its content as the source gave it; null where it is not known.
      type: str
      sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    source:
      description: Where its content came from; a URL without user, password and query, a file, or storage and name of a volume. Null where it is not known.
      type: str
      sample: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2
    description:
      description: Its description.
      type: str
      sample: Debian 12
    labels:
      description: Its labels.
      type: dict
      sample: {os: debian}
  sample: "image debian-12.qcow2: cannot be removed while it is used by volume web1-root.qcow2 (overlay, in storage fast)"
diff:
  description: What changed, for each changed image.
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
  sample: in_use
"""

from ..module_utils.flow.runner import run_writing
from ..module_utils.resources.image.images import Images


def main():
    run_writing(Images)


if __name__ == "__main__":
    main()
