# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventories of a lab: by SSH, and by the forks of far.py."""

from __future__ import annotations

TOP = """# Written by lab.py: the hosts of one lab, reached through loopback. {note}
all:
  vars:
    ansible_host: 127.0.0.1
    ansible_user: root
    ansible_python_interpreter: /usr/bin/python3
{way}  children:
    hypervisors:
      hosts:
"""
SSH = """    ansible_ssh_private_key_file: {key}
    ansible_ssh_args: {options}
    ansible_ssh_pipelining: true
    ansible_timeout: 120
"""
FORKS = """    ansible_connection: forks
    ansible_pipelining: true
"""
HOST = """        {host.name}:
          ansible_port: {host.port}
          ansible_forks_socket: {host.folder}/{host.name}.far
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
    way = SSH.format(key=f"{first.image}/key", options=" ".join(first.ssh_options()))
    return whole(hosts, "For the unprivileged user: -e ansible_user=ops --become", way)


def forks(hosts):
    """The same hosts after `lab.py forks`, with the connection plugin that is beside this file."""
    return whole(hosts, "For ANSIBLE_CONNECTION_PLUGINS=tests/lab/connection", FORKS)


def whole(hosts, note, way):
    """YAML: the hosts and the way to them."""
    first, top = hosts[0], TOP.format(note=note, way=way)
    return top + "".join(HOST.format(host=host) for host in hosts) + SERVER.format(host=first)
