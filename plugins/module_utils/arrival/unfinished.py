# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of an unfinished transfer, in a small hidden file beside its partial: where from, how much, since when.

It outlives a killed run: the next one resumes from it or clears it away, and info modules show it meanwhile.
"""

from __future__ import annotations

import json
import os
import time

FACTS = ".intake-transfer-"
DOWNLOAD = ".intake-download-"
UNPACKED = ".intake-unpacked-"
TYPES = {"since": int, "total": int, **dict.fromkeys(("boot", "url", "source", "etag", "last_modified", "asked"), str)}
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def facts_path(root, name):
    """Where the facts of a transfer to the file `name` is kept."""
    return os.path.join(root, FACTS + name)


def download_path(root, name):
    """Where bytes are kept exactly as the source gives them."""
    return os.path.join(root, DOWNLOAD + name)


def unpacked_path(root, name):
    """Where bytes are unpacked to before they are converted."""
    return os.path.join(root, UNPACKED + name)


class Unfinished:
    """The facts of one transfer."""

    def __init__(self, path):
        self.path = path

    def read(self):
        """Its facts; {} where there is none, or where a run was killed while it wrote."""
        try:
            with open(self.path, encoding="utf-8") as file:
                facts = json.load(file)
        except (OSError, ValueError, RecursionError):
            return {}
        return {key: value for key, value in facts.items() if isinstance(value, TYPES.get(key, object))} if isinstance(facts, dict) else {}

    def write(self, **facts):
        """Replace the facts; `since` stays that of the first writing."""
        facts = {"since": self.read().get("since") or int(time.time()), "boot": boot_id(), **facts}
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({key: value for key, value in facts.items() if value is not None}, file)

    def remove(self):
        """The transfer is over."""
        forget(self.path)


def boot_id():
    """Changes with every start of the host: what was not synced before is not trusted after."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def forget(path):
    """Unlink a file that may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def names(root):
    """The names of the files of a storage that have an unfinished transfer, sorted."""
    return sorted(entry[len(FACTS) :] for entry in os.listdir(root) if entry.startswith(FACTS))
