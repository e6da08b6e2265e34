# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a lab."""

from __future__ import annotations

TOP = """# Written by lab.py: the hosts of one lab, reached through loopback. For the unprivileged user: -e ansible_user=ops --become
all:
  vars:
    ansible_host: 127.0.0.1
    ansible_user: root
    ansible_ssh_private_key_file: {key}
    ansible_ssh_args: {options}
    ansible_ssh_pipelining: true
    ansible_timeout: 120
    ansible_python_interpreter: /usr/bin/python3
  children:
    hypervisors:
      hosts:
"""
HOST = """        {host.name}:
          ansible_port: {host.port}
          private_address: {host.address}
          private_address6: fd77::{host.number}
"""
SERVER = """    nfs_servers:
      hosts:
        {host.name}:
          nfs_exports: [/srv/vms, /srv/squashed]
"""


def inventory(hosts):
    """YAML; the first host is the NFS server."""
    first = hosts[0]
    top = TOP.format(key=f"{first.image}/key", options=" ".join(first.ssh_options()))
    return top + "".join(HOST.format(host=host) for host in hosts) + SERVER.format(host=first)
