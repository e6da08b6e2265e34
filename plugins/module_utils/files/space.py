# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room in a storage, so that a transfer that cannot fit is refused before its first byte."""

from __future__ import annotations

import errno
import os
import threading

from ..errors import IntakeError
from ..units import about

FULL = (errno.ENOSPC, errno.EDQUOT)


class Space:
    """What the transfers of one call still need, together; safe for threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.left = {}

    def claim(self, path, need):
        """Reserve `need` bytes for the file at path. Raises IntakeError, reason `no_space`, where there is less."""
        with self.lock:
            stat = os.statvfs(os.path.dirname(path))
            device = os.stat(os.path.dirname(path)).st_dev
            others = sum(left for other, (where, left) in self.left.items() if where == device and other != path)
            free = stat.f_bavail * stat.f_frsize - others
            if need > free:
                reserved = f" ({about(others)} of it is reserved by other transfers of this run)" if others else ""
                raise IntakeError(
                    f"needs {about(need)} more, the storage has {about(max(0, free + others))} free{reserved}; nothing was transferred",
                    "no_space",
                )
            self.left[path] = (device, need)

    def spend(self, path, amount):
        """So much of a claim is on the disk now."""
        with self.lock:
            if path in self.left:
                device, left = self.left[path]
                self.left[path] = (device, max(0, left - amount))

    def release(self, path):
        """The transfer ended."""
        with self.lock:
            self.left.pop(path, None)


def is_full(error):
    """True for an OSError that means: no room, or no quota, left."""
    return isinstance(error, OSError) and error.errno in FULL
