# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a storage away with its data kept, and emptying one on purpose."""

from __future__ import annotations

import errno
import os

from ...arrival.unfinished import DOWNLOAD, FACTS, UNPACKED
from ...drivers import DRIVERS
from ...drivers.directory import DEFAULT_ROOT, within
from ...errors import NotFound, NotReachable, Refused
from ...files import qcow2
from ...files.catalogue import Catalogue
from ...flow.converge import DESTRUCTIVE, LIVE, Step
from ...host import silence
from ...locking.leases import Leases, end_own
from ...names import FOLDER
from .looking import RECORD
from .usage import files_in_use, overlays_on, pool_documents

FILE = 0  # libvirt's VIR_STORAGE_VOL_FILE
PARTIAL = (".intake-partial-", DOWNLOAD, UNPACKED, FACTS)  # what an unfinished copy or transfer leaves


def plan_absent(storages, plan, have, want):
    """Stop, undefine, and take away a mount point of our own; the data stays."""
    if have is None:
        return
    refuse_used(storages.hypervisor, have, "removed")
    refuse_inner(storages.hypervisor, have)
    pool = storages.hypervisor.pool(plan.name)
    if have["state"] == "active":
        driver = DRIVERS[have["type"]]
        plan.steps.append(Step("stop", "state", lambda: driver.stop(have, pool.destroy), before="active"))
    if have["persistent"]:
        fields = {key: (have[key], None) for key in ("type", "path", "device", "fs", "server", "export", "autostart", "description", "labels") if have[key]}
        plan.steps.append(Step("remove", "storage", lambda: undefine(pool, have), fields=fields))
    if storages.hypervisor.is_local and is_ours_to_remove(have):
        plan.steps.append(Step("remove", "path", lambda: remove_path(plan, have), before=have["path"]))


def undefine(pool, have):
    """Forget the pool and what stood in /dev for it."""
    pool.undefine()
    DRIVERS[have["type"]].forget(have)


def is_ours_to_remove(have):
    """True for a mount point that a run of ours made, and for a directory of ours in which nothing but our own record is."""
    made = have["made_path"] == have["path"]
    if DRIVERS[have["type"]].has_mount(have):
        return made or have["path"] == os.path.join(DEFAULT_ROOT, have["name"])
    return made and set(have["seen"].get("names", ["?"])) <= {FOLDER} and set(records_of(have)) <= {f"{RECORD}.json"}


def records_of(have):
    """The files of the catalogue."""
    try:
        return os.listdir(os.path.join(have["path"], FOLDER))
    except FileNotFoundError:
        return []


def remove_path(plan, have):
    """rmdir, never more: what is in the way stays, with a warning."""
    try:
        if not DRIVERS[have["type"]].has_mount(have):
            Catalogue(have["path"]).remove(RECORD)
            os.rmdir(os.path.join(have["path"], FOLDER))
        os.rmdir(have["path"])
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
            raise
        plan.warnings.append(f"storage {plan.name}: {have['path']} is not empty and stays")


def plan_empty(storages, plan, have, want):
    """Delete every file that libvirt lists as a volume, its record, and leftovers of killed runs; folders stay."""
    if have is None:
        raise NotFound("does not exist", "storage_not_found")
    if have["state"] != "active":
        raise Refused("is not active, so what is in it cannot be seen; state: present starts it", "storage_inactive")
    if want.get("confirm") != plan.name:
        raise Refused(f"state: empty deletes all its volumes and images; confirm: {plan.name} consents to that", "confirm_missing")
    storages.refuse_remote()
    if have["seen"].get("error"):
        raise NotReachable(f"cannot be looked at: {have['seen']['error']}", "storage_unreadable")
    refuse_used(storages.hypervisor, have, "emptied")
    refuse_leased(storages.hypervisor, have)
    storages.hypervisor.refresh(plan.name)
    catalogue = Catalogue(have["path"])
    volumes = [volume for volume in storages.hypervisor.pool(plan.name).listAllVolumes(0) if volume.info()[0] == FILE]
    files = {volume.name(): volume.path() for volume in volumes if not volume.name().startswith(".")}
    files.update({name: os.path.join(have["path"], name) for name in have["seen"]["names"] if name.startswith(PARTIAL)})
    refuse_open({name: path for name, path in files.items() if not name.startswith(PARTIAL)})
    identity = storages.hypervisor.identity()
    for name, path in sorted(files.items()):
        plan.steps.append(Step("delete", name, lambda name=name, path=path: delete(catalogue, name, path, identity), DESTRUCTIVE, size_of(path)))
    for name in sorted(set(catalogue.names()) - set(files)):
        plan.steps.append(Step("forget", name, lambda name=name: catalogue.remove(name), LIVE, "record without a file"))


def refuse_leased(hypervisor, have):
    """Refused while machines of other hosts have volumes in it."""
    own = hypervisor.identity()["host"]
    others = [owner for owner in Leases(have["path"]).all().values() if owner.get("host") != own]
    if others:
        uses = sorted({f"vm {owner.get('vm')} on host {owner.get('hostname')}" for owner in others})
        raise Refused(f"is used by {', '.join(uses)}; it can be emptied when nothing uses it any more", "storage_in_use")


def refuse_open(files):
    """Refused while a QEMU has a file open, of whatever host: what it shares or only reads bears no lease."""
    opened = [name for name, path in sorted(files.items()) if qcow2.is_in_use(path)]
    if opened:
        raise Refused(f"is used: {', '.join(opened)} open in a running QEMU or qemu-img; it can be emptied when nothing uses it any more", "storage_in_use")


def size_of(path):
    """For the diff."""
    return f"{os.lstat(path).st_size} bytes"


def delete(catalogue, name, path, identity):
    """The file first: a record without a file is found again, a file without a record is a volume."""
    os.unlink(path)
    catalogue.remove(name)
    end_own(path, identity)


def refuse_used(hypervisor, have, verb):
    """Refused while anything on the host needs a file of it."""
    uses = files_in_use(hypervisor, have) + overlays_on(hypervisor, have)
    if uses:
        raise Refused(f"is used by {', '.join(uses)}; it can be {verb} when nothing uses it any more", "storage_in_use")


def refuse_inner(hypervisor, have):
    """Refused while the directory of another storage is on the same mounted device, which would vanish with it."""
    paths = {name: root.findtext("target/path") for name, root in pool_documents(hypervisor).items() if name != have["name"]}
    inner = sorted(name for name, path in paths.items() if path and within(silence.real(path), silence.real(have["path"])))
    if have["device"] and inner:
        raise Refused(f"holds the storage {', '.join(inner)}, which has to be removed first", "storage_in_use")
