# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the info module tells: images that are ready, and transfers that are not."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from ...arrival import unfinished
from ...errors import IntakeError
from ...files import transfer
from ...flow.converge import selected, unreadable
from ...host.mounts import is_gone
from ...locking import shared_locks
from . import reading


def listed(images, params):
    """{"images": [...], "unfinished": [...], "unreadable": [...]}, the first two filtered and sorted by storage and name."""
    found = {"images": [], "unfinished": [], "unreadable": []}
    for storage, root in sorted(storages(images, params).items()):
        try:
            images.root(storage)  # it may be active with nothing mounted
            if params.get("state") != "unfinished":
                found["images"] += [shown for shown in ready(images, storage, root, found["unreadable"]) if selected(shown, params)]
            if params.get("state") != "ready" and not params.get("labels"):
                found["unfinished"] += [shown for shown in transfers(images, storage, root) if selected(shown, params)]
        except IntakeError as error:
            if error.reason != "storage_not_found":  # it was removed since it was listed
                found["unreadable"].append(unreadable(storage, None, str(error)))
        except OSError as error:
            found["unreadable"].append(unreadable(storage, None, f"storage {storage}: cannot be read: {error.strerror} ({root})"))
    return found


def storages(images, params):
    """The active storages that were asked for, and their directories."""
    if params.get("storage"):
        return {params["storage"]: images.root(params["storage"])}
    return images.hypervisor.storage_paths()


def ready(images, storage, root, unread):
    """Every image of a storage, with its users; one that cannot be read hides none of the others."""
    records = images.catalogue(root).read()
    for name in sorted(os.listdir(root)):
        path = os.path.join(root, name)
        if name.startswith(".") or not os.path.isfile(path) or os.path.islink(path):
            continue
        record = records.get(name, {})
        try:
            if record.get("kind") != "image" and (record or reading.format_of(path) != "iso"):
                continue
            have = reading.read_image(storage, root, name, record)
        except OSError as error:
            if not is_gone(error, root):
                unread.append(unreadable(storage, name, f"image {name}: cannot be read: {error.strerror} ({path})"))
            continue
        if have:
            yield {**reading.show(have), "changed_outside": have["outside"], "users": images.users(path)}


def transfers(images, storage, root):
    """Every transfer that did not end, or has not yet."""
    for name in unfinished.names(root):
        facts = unfinished.Unfinished(unfinished.facts_path(root, name)).read()
        stage, done = progress(root, name)
        yield {
            "name": name,
            "storage": storage,
            "state": "unfinished",
            "stage": stage,
            "source": facts.get("url") or facts.get("source"),
            "done": done,
            "total": facts.get("total") if stage == "transfer" else None,
            "since": iso_time(facts.get("since")),
            "process": shared_locks.holder(images.hypervisor, storage, name),  # None: the next run of the task goes on with it
        }


def progress(root, name):
    """(stage, bytes that are there): the last product that was begun tells how far it is."""
    stages = (("convert", transfer.partial_path(root, name)), ("unpack", unfinished.unpacked_path(root, name)))
    for stage, path in stages:
        if os.path.exists(path):
            return stage, os.stat(path).st_blocks * 512
    try:
        return "transfer", os.stat(unfinished.download_path(root, name)).st_size
    except FileNotFoundError:
        return "transfer", 0


def iso_time(seconds):
    """Seconds since 1970 as people read them, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
    except (OverflowError, ValueError):
        return None
