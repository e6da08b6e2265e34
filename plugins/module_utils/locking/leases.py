# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write a volume of a storage that many hosts share: one small file per volume, which a crash of its host outlives.

QEMU's own locks end with QEMU; a lease says also of a machine that is off, on whatever host it is, that the disk is its own.
Taking one is link(2), which an NFS server does once only, whoever else asks.
"""

from __future__ import annotations

import json
import os
import time
import uuid

from ..errors import Refused
from ..names import FOLDER

LEASES = "leases"


class Leases:
    """The leases of one storage. `root` is its mount point; an owner is {"vm", "uuid", "host", "hostname"}, host being a UUID."""

    def __init__(self, root):
        self.folder = os.path.join(root, FOLDER, LEASES)

    def path(self, name):
        """Where the lease of a volume is kept."""
        return os.path.join(self.folder, f"{name}.json")

    def holder(self, name):
        """The owner who has the volume, with `since`; None where nobody has."""
        try:
            with open(self.path(name), encoding="utf-8") as file:
                found = json.load(file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            found = None
        return found if isinstance(found, dict) and found.get("uuid") else {"vm": "unknown", "uuid": "", "host": "", "hostname": "unknown"}

    def all(self):
        """{volume: owner} of every lease."""
        try:
            names = sorted(os.listdir(self.folder))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        known = {name[: -len(".json")]: None for name in names if name.endswith(".json") and not name.startswith(".")}
        return {name: owner for name, owner in ((name, self.holder(name)) for name in known) if owner}

    def take(self, name, owner):
        """Make the volume the owner's. Raises Refused, reason `volume_leased`, where another has it; again by the same is no error."""
        partial = self.write(name, owner)
        try:
            os.link(partial, self.path(name))
        except FileExistsError as taken:
            there = self.holder(name)
            if there and not is_same(there, owner):
                raise Refused(words(name, there, owner), "volume_leased") from taken
        finally:
            os.unlink(partial)

    def give(self, name, owner, new_owner):
        """Hand it over, as after a migration or a takeover; `owner` None takes it from whoever has it."""
        there = self.holder(name)
        if owner is not None and there and not is_same(there, owner) and not is_same(there, new_owner):
            raise Refused(words(name, there, new_owner), "volume_leased")
        os.replace(self.write(name, new_owner), self.path(name))

    def release(self, name, owner):
        """Give it back; another's stays, and none is no error."""
        there = self.holder(name)
        if there and is_same(there, owner):
            try:
                os.unlink(self.path(name))
            except FileNotFoundError:
                pass

    def write(self, name, owner):
        """A complete lease under a name of its own."""
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        partial = os.path.join(self.folder, f".{uuid.uuid4().hex}")
        with open(partial, "x", encoding="utf-8") as file:
            json.dump({**owner, "since": int(time.time())}, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        return partial


def end_own(path, identity):
    """End the lease that a machine of this host, which is gone, left on a file that goes; `identity` is the host's."""
    folder, name = os.path.split(path)
    leases = Leases(folder)
    there = leases.holder(name)
    if there and there.get("host") == identity["host"]:
        leases.release(name, there)


def is_same(one, other):
    """True where two owners are the same machine on the same host."""
    return (one.get("uuid"), one.get("host")) == (other.get("uuid"), other.get("host"))


def words(name, owner, asking):
    """What is said to somebody who asks for a volume of another, or of the same machine before its host got another UUID."""
    if all(owner.get(key) == asking[key] for key in ("uuid", "hostname")):
        return (
            f"volume {name} belongs to this vm on a host {owner.get('hostname')} with the UUID {owner.get('host')}; this host has {asking['host']}. "
            f"When it is the same host, see that libvirt's host UUID stays (the role hypervisor does that), then takeover: true takes the volume once"
        )
    return (
        f"volume {name} belongs to vm {owner.get('vm')} on host {owner.get('hostname')}; two machines writing one disk destroy it. "
        f"Remove it there or migrate it; when that host is down for good, takeover: true takes the volume"
    )
