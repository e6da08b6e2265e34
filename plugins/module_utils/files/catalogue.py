# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt cannot store about a file: description, labels, read_only, kind, source, checksum.

One small JSON file per resource under `.intake/` in the storage itself, so it travels with the storage and
every host that mounts it sees the same. libvirt lists that folder as a volume of type dir: readers skip it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile

from ..names import FOLDER

SUFFIX = ".json"
TYPES = {  # of what readers take for granted; a value of another type, written by somebody else, counts as none
    **dict.fromkeys(("kind", "description", "source", "checksum", "format", "source_format", "compression", "made_path", "moving_from"), str),
    **dict.fromkeys(("labels", "digests"), dict),
}


class Catalogue:
    """The records of one storage. `root` is its mount point or directory."""

    def __init__(self, root):
        self.folder = os.path.join(root, FOLDER)

    def read(self):
        """All records by resource name; a record that cannot be read counts as none (its file is still there)."""
        return {name: record for name, record in ((name, self.get(name)) for name in self.names()) if record}

    def names(self):
        """The names that have a record, sorted."""
        try:
            found = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name[: -len(SUFFIX)] for name in found if name.endswith(SUFFIX) and not name.startswith("."))

    def get(self, name):
        """One record, or {}."""
        try:
            with open(self.path(name), encoding="utf-8") as file:
                record = json.load(file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, RecursionError):
            return {}
        return {key: value for key, value in record.items() if is_sound(key, value)} if isinstance(record, dict) else {}

    def put(self, name, record):
        """Replace one record by an atomic rename; empty values are not kept. A storage whose directory is gone is not made again."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.folder, mode=0o755)
        kept = {key: value for key, value in record.items() if value not in (None, "", {}, [])}
        descriptor, partial = tempfile.mkstemp(dir=self.folder, prefix=".partial-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(kept, file, sort_keys=True, ensure_ascii=False)
                os.fchmod(file.fileno(), 0o644)
            os.replace(partial, self.path(name))
        except BaseException:
            os.unlink(partial)
            raise

    def update(self, name, **changes):
        """Change some keys of one record."""
        self.put(name, {**self.get(name), **changes})

    def rename(self, name, new_name):
        """Let a record follow its file."""
        if os.path.exists(self.path(name)):
            os.replace(self.path(name), self.path(new_name))

    def remove(self, name):
        """Forget a record; no error if there is none."""
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            pass

    def path(self, name):
        """Where a record is kept."""
        return os.path.join(self.folder, name + SUFFIX)


def is_sound(key, value):
    """True for a value that can be what its key says: texts, and dictionaries of texts."""
    kind = TYPES.get(key)
    if kind is dict:
        return isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values())
    return kind is None or isinstance(value, kind)
