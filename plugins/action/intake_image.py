# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of intake_image: a file of the controller (`src`) travels only when the hypervisor lacks its content.

First the module is asked in check mode, given the sum of each file, what it would do; in check mode that is the answer.
Only then the files it wants are transferred, the module runs, and the transferred files are removed.
Where there is an inventory, it records what the module does.
"""

from __future__ import annotations

import hashlib
import os

from ansible.errors import AnsibleError

from ..module_utils.resources.image.images import Images
from ..plugin_utils.record.recording import Recording

CHUNK = 1024 * 1024


class ActionModule(Recording):
    """Runs the module once where no item has a `src`, else twice."""

    resource = Images

    def work(self, task_vars):
        args = dict(self._task.args)
        if args.get("images") and isinstance(args["images"], list):
            args["images"] = [dict(item) if isinstance(item, dict) else item for item in args["images"]]
        items = src_items(args)
        if not items:
            return self.execute(args, task_vars, wrap_async=self._task.async_val)
        try:
            return self.bring(args, items, task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def bring(self, args, items, task_vars):
        """Ask, transfer, do."""
        if self._task.async_val:
            return {"failed": True, "msg": "src cannot be brought by an async task; use url, or async: 0", "reason": "src_async"}
        try:
            files = {src: self.file_of(src) for src in sorted({src_of(item, args) for item in items})}
        except (AnsibleError, OSError) as error:
            return {"failed": True, "msg": f"src: {error}", "reason": "source_not_found"}
        for item in items:
            item["_content"] = {"sha256": files[src_of(item, args)][1]}
        said = self.execute(args, task_vars, check=True)
        if self._task.check_mode or said.get("failed") or not said.get("changed"):
            return said
        wanted = [entry["name"] for entry in said["resources"] if any(step["verb"] == "upload" for step in entry["steps"])]
        places = {}
        for item in items:
            src = src_of(item, args)
            if item.get("name", args.get("name")) in wanted:
                if src not in places:
                    places[src] = self.reachable(files[src][0], len(places))
                item["_content"]["path"] = places[src]
        return self.execute(args, task_vars)

    def file_of(self, src):
        """(path on the controller, its SHA-256)."""
        path = self._find_needle("files", src)
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for data in iter(lambda: file.read(CHUNK), b""):
                digest.update(data)
        return path, digest.hexdigest()

    def reachable(self, path, number):
        """Where the module can read a file: itself where the controller is the hypervisor, else a transferred copy."""
        if self._connection.transport == "local":
            return path
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, f"image{number}")
        self._transfer_file(path, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote


def src_items(args):
    """The items of a call whose content is a file of the controller and that shall exist."""
    items = args["images"] if isinstance(args.get("images"), list) else [args]
    items = [item for item in items if isinstance(item, dict)]
    return [item for item in items if src_of(item, args) and item.get("state", args.get("state", "present")) != "absent"]


def src_of(item, args):
    """An item's src, or the one beside the list."""
    found = item.get("src") or args.get("src")
    return os.path.expanduser(str(found)) if found else None
