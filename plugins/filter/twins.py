# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that are defined on several hosts, as a filter."""

from __future__ import annotations

DOCUMENTATION = r"""
name: twins
short_description: Machines that are defined on several hosts with the same storage
version_added: 0.1.0
description:
  - Finds names of machines that are defined on more than one host, with disks in a storage that those hosts share.
    Started on both they would destroy their disks.
author:
  - intake.vms contributors (@intake)
options:
  _input:
    description:
      - One dictionary for each host, with its name as C(host), its machines as C(vms) such as M(intake.vms.intake_vm_info) returns them,
        and its storages as C(storages) such as M(intake.vms.intake_storage_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show machines that are defined twice
  ansible.builtin.debug:
    msg: "{{ found | intake.vms.twins }}"
  vars:
    found:
      - {host: hv1, vms: "{{ first.vms }}", storages: "{{ first.storages }}"}
      - {host: hv2, vms: "{{ second.vms }}", storages: "{{ second.storages }}"}
"""

RETURN = r"""
_value:
  description: One dictionary for each machine and storage, sorted by name.
  type: list
  elements: dict
  sample: [{name: web1, storage: "nas.example.com:/export/vms", hosts: [hv1, hv2], running: [hv1]}]
"""

from collections import defaultdict

from ..module_utils.host.exports import source


def twins(reports):
    """Machines that more than one host has on the same storage."""
    hosts, running = defaultdict(set), defaultdict(set)
    for report in reports:
        for vm in report["vms"]:
            for storage in storages_of(vm, report["storages"]):
                hosts[vm["name"], storage].add(report["host"])
                if vm.get("state") == "running":
                    running[vm["name"], storage].add(report["host"])
    return [
        {"name": name, "storage": storage, "hosts": sorted(found), "running": sorted(running[name, storage])}
        for (name, storage), found in sorted(hosts.items())
        if len(found) > 1
    ]


def storages_of(vm, storages):
    """The shared storages in which it has files, as server:export, which is the same on every host however it is spelled there."""
    shared = {one["path"].rstrip("/") + "/": source(one["server"], one["export"]) for one in storages if one.get("server") and one.get("path")}
    paths = [disk["path"] for disk in (vm.get("disks") or {}).values() if disk.get("path")]
    return {export for root, export in shared.items() if any(path.startswith(root) for path in paths)}


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"twins": twins}
