# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of intake_vm: records in the inventory what the module does, where there is one."""

from __future__ import annotations

import os
from collections import defaultdict

from ..module_utils.resources.vm.vms import Vms
from ..plugin_utils.kinds.kind import entry
from ..plugin_utils.kinds.machines import disk_paths
from ..plugin_utils.record.recording import Recording


class ActionModule(Recording):
    """The module, recorded, with the volumes that it made, grew or deleted."""

    resource = Vms

    def companions(self, records, entries, result, task_vars):
        machines = [report["name"] for report in result["resources"] if any(is_of_volume(step) for step in report["steps"])]
        if not machines:
            return []
        found = [one["found"] for one in entries if one["kind"] == "vm" and one["found"] and one["name"] in machines]
        paths = {disk["path"] for one in found for disk in one["disks"].values() if disk.get("path")} | set(disk_paths(records, machines))
        folders = {path: name for name, (_id, path) in records.known.items()}
        folders.update({one["found"]["path"]: one["name"] for one in entries if one["kind"] == "storage" and one["found"]})
        volumes = defaultdict(list)
        for path in sorted(paths):
            if os.path.dirname(path) in folders:
                volumes[folders[os.path.dirname(path)]].append(os.path.basename(path))
        return [one for storage, names in volumes.items() for one in self.volumes(storage, names, task_vars)]

    def volumes(self, storage, names, task_vars):
        """Entries of volumes of a storage, whether they are there or not, but for those that cannot be read."""
        told = self.info("volume", {"storage": storage, "names": names}, task_vars)
        there, unread = {one["name"]: one for one in told["volumes"]}, {one["name"] for one in told["unreadable"]}
        return [] if None in unread else [entry("volume", name, storage, there.get(name)) for name in names if name not in unread]


def is_of_volume(step):
    """True for a step that makes, grows or deletes the file of a disk, or writes the cloud-init seed."""
    return step["name"].endswith(".volume") or step["name"] == "cloud_init"
