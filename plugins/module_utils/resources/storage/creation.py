# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a storage that libvirt does not know: whole, or not at all."""

from __future__ import annotations

import os

from ...drivers import driver_for
from ...drivers.pool import places_of
from ...errors import Refused
from ...files.catalogue import Catalogue
from ...flow.converge import Step
from ...lens import parse
from .looking import RECORD
from .usage import refuse_taken


def plan_new(storages, plan, want):
    """The steps of a new storage; everything that can be refused is refused here."""
    storages.refuse_remote()
    driver = driver_for(want)
    where = driver.blueprint(want)
    refuse_taken(storages.hypervisor, plan.name, where)
    claim(storages.claimed, plan.name, where)
    before = driver.preparations(plan.name, where)
    made = any(step.name == "path" for step in before)
    fields = {
        "type": driver.kind,
        "path": where["path"],
        "device": want.get("device"),
        "fs": where["fs"],
        "server": where.get("server"),
        "export": where.get("export"),
        "version": where.get("version"),
        "mount_options": want.get("mount_options") or None,
        "autostart": want.get("autostart") is not False,
        "state": "active",
    }
    said = {key: (None, value) for key, value in fields.items() if value is not None}
    fields["timeout"] = want["timeout"]
    plan.steps += before + [Step("create", "storage", lambda: create(storages, driver, plan.name, where, fields, made), fields=said)]


def claim(claimed, name, where):
    """Refused where another item of the same call takes the same place."""
    device = where["device"] and where["device"].path
    for kind, place in places_of({**where, "device": device}).items():
        other = claimed.setdefault((kind, place), name)
        if other != name:
            raise Refused(f"has the same {kind} as the storage {other} in this call", f"{kind}_taken")


def create(storages, driver, name, where, fields, made):
    """Define and start; a pool that does not start is not left behind."""
    text = driver.document(name, where, fields["mount_options"] or [])
    try:
        pool = storages.hypervisor.connection.storagePoolDefineXML(text, 0)
    except BaseException:
        if made:
            os.rmdir(where["path"])
        raise
    have = {"name": name, "timeout": fields["timeout"], **driver.words(parse(pool.XMLDesc(1)))}
    try:
        pool.setAutostart(fields["autostart"])  # first: a run killed later leaves a storage that is only not started yet
        driver.start(have, lambda: storages.hypervisor.start_pool(pool), pool.destroy)
    except BaseException:
        undo(driver, pool, have, made)
        raise
    if where["device"] and not where["attach"]:
        driver.open_to_guests(have)
    read_only = os.statvfs(have["path"]).f_flag & os.ST_RDONLY
    if made and not read_only and not driver.needs_new_mount:  # a record that other hosts read says nothing of this one
        Catalogue(have["path"]).update(RECORD, kind=storages.noun, made_path=have["path"])


def undo(driver, pool, have, made):
    """Take away what `create` has made so far; a device stays formatted, and is recognized by the next run."""
    if pool.isActive():
        pool.destroy()
    pool.undefine()
    driver.forget(have)
    if made:
        os.rmdir(have["path"])
