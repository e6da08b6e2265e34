# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of one call: what is at hand already, and what one item brings for several."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, NamedTuple

LEADER = 10  # seconds a follower waits for the first one to begin


class Twin(NamedTuple):
    """An image that has the content already."""

    path: str
    record: Any


class Shared:
    """One content that several items of a call want: the first planned brings it, the others copy."""

    def __init__(self):
        self.lock = threading.Lock()
        self.begun = threading.Event()
        self.path = None

    @contextlib.contextmanager
    def turn(self, leads):
        """One at a time; gives the path of the image that has the content by now, or None."""
        if not leads:
            self.begun.wait(LEADER)
        with self.lock:
            self.begun.set()
            yield self.path if self.path and os.path.exists(self.path) else None


class Share(NamedTuple):
    """One item's part in a Shared."""

    content: Shared
    mine: bool  # this item brings it

    def turn(self):
        """See Shared.turn."""
        return self.content.turn(self.mine)

    def has(self, path):
        """The content is there now."""
        self.content.path = path


class Contents:
    """All Shared of a call, by what identifies a content."""

    def __init__(self):
        self.known = {}

    def share(self, key):
        """A Share, or None where the content cannot be told (key None)."""
        if key is None:
            return None
        mine = key not in self.known
        return Share(self.known.setdefault(key, Shared()), mine)
