# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages: libvirt pools of directories and filesystems, with a description and labels in their own catalogue."""

from __future__ import annotations

import contextlib

from ...drivers import DRIVERS, driver_of
from ...drivers import pool as documents
from ...errors import IntakeError, NotFound, NotReachable, Refused
from ...files.catalogue import Catalogue
from ...flow.converge import Plan, Resource, Step
from ...host.hypervisor import faults
from ...locking import locks
from ...names import check_name
from ...units import check_seconds
from . import changes, figures, removal
from .creation import plan_new
from .looking import RECORD, TIMEOUT, look
from .usage import pool_documents

SPEC = {
    "name": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent", "empty"], "default": "present"},
    "type": {"type": "str", "choices": sorted(DRIVERS)},
    "path": {"type": "str"},
    "device": {"type": "str"},
    "fs": {"type": "str", "choices": ["ext4", "xfs", "btrfs"]},
    "server": {"type": "str"},
    "export": {"type": "str"},
    "version": {"type": "str", "choices": ["3", "4", "4.0", "4.1", "4.2"]},
    "timeout": {"type": "int", "default": TIMEOUT},
    "mount_options": {"type": "list", "elements": "str"},
    "overwrite": {"type": "bool", "default": False},
    "autostart": {"type": "bool"},
    "description": {"type": "str"},
    "labels": {"type": "dict"},
    "confirm": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
}
INFO_SPEC = {
    "names": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "state": {"type": "str", "choices": ["active", "inactive"]},
    "timeout": {"type": "int", "default": TIMEOUT},
}


class Storages(Resource):
    """The storages of one hypervisor."""

    noun, plural, spec = "storage", "storages", SPEC
    workers = 2  # mkfs waits for the disk

    def __init__(self, hypervisor=None, options=None):
        super().__init__(hypervisor, options)
        self.faults = (OSError,) + faults()
        self.claimed = {}

    def held(self, wants):
        """The storages by name, and their places, which no two may share."""
        keys = [f"storage/{want['name']}" for want in wants]
        keys += [f"storage-{kind}/{place}" for want in wants for kind, place in documents.places_of(want).items()]
        return locks.hold(exclusive=keys, timeout=self.options["lock_timeout"])

    def read(self, wants):
        """What libvirt has under these names, and what is in their directories."""
        haves = [self.describe(want["name"]) if want["name"] in self.hypervisor.pools() else None for want in wants]
        self.look_into([have for have in haves if have], max((want["timeout"] for want in wants), default=TIMEOUT))
        for have, want in zip(haves, wants):
            if have:
                have["timeout"] = want["timeout"]
        return haves

    def describe(self, name):
        """What libvirt says of one pool."""
        pool = self.hypervisor.pool(name)
        root = pool_documents(self.hypervisor)[name]
        driver = driver_of(root)
        words = driver.words(root) if driver else documents.words_of(root)
        capacity, allocation, available = pool.info()[1:]
        return {
            "name": name,
            "type": driver.kind if driver else root.get("type"),
            "uuid": pool.UUIDString(),
            "state": "active" if pool.isActive() else "inactive",
            "persistent": bool(pool.isPersistent()),
            "autostart": bool(pool.autostart()),
            **words,
            "waiting": changes.waiting(driver, pool, words),
            "description": None,
            "labels": {},
            "capacity": capacity,
            "allocation": allocation,
            "available": available,
        }

    def look_into(self, haves, timeout=TIMEOUT):
        """Add to each `have` what its directory tells, and its health."""
        visible = [have for have in haves if self.is_visible(have)]
        seen = look({have["path"] for have in visible}, timeout) if visible else {}
        for have in haves:
            found = seen.get(have["path"], {}) if have in visible else {}
            figures.add(have, found, DRIVERS.get(have["type"]))

    def is_visible(self, have):
        """True where a look tells something: a directory of ours on this host, or a device that is active."""
        known = have["type"] in DRIVERS and have["path"] and self.hypervisor.is_local
        return bool(known and (have["state"] == "active" or not DRIVERS[have["type"]].has_mount(have)))

    def plan(self, have, want):
        """What one storage needs."""
        name = check_name(self.noun, want["name"])
        with about(name):
            if have and have["type"] not in DRIVERS:
                raise Refused(f"is a libvirt pool of type {have['type']}, which this module does not change", "unsupported_type")
            plan = Plan(name)
            PLANNERS[want["state"]](self, plan, have, want)
        for step in plan.steps:
            step.apply = named_errors(name, step.apply)
        return plan

    def plan_present(self, plan, have, want):
        """Make it, or bring an existing one to what was asked."""
        if have is None:
            plan_new(self, plan, want)
        else:
            self.plan_existing(plan, have, want)
        self.plan_record(plan, have or {"description": None, "labels": {}}, want)

    def plan_existing(self, plan, have, want):
        """Adopt, mend, start and change what is there."""
        driver = DRIVERS[have["type"]]
        if have["health"].get("hangs"):
            raise NotReachable(f"{have['path']} {have['health']['text']}", "storage_hangs")
        if want.get("type") and want["type"] != have["type"]:
            raise Refused(f"is of type {have['type']}, asked for {want['type']}; make a new storage for it", "type_change")
        pool = self.hypervisor.pool(plan.name)
        if self.hypervisor.is_local:
            driver.refuse_change(have, want)
        self.plan_persistence(plan, pool, have)
        changes.plan(self, plan, driver, pool, have, want)
        self.plan_start(plan, driver, pool, have)
        if want.get("autostart") is not None and (want["autostart"] != have["autostart"]):
            plan.steps.append(
                Step("set", "autostart", lambda: pool.setAutostart(want["autostart"]), before=have["autostart"], after=want["autostart"])
            )

    def plan_persistence(self, plan, pool, have):
        """Make a transient pool last."""
        if not have["persistent"]:
            define = self.hypervisor.connection.storagePoolDefineXML
            plan.steps.append(Step("define", "persistent", lambda: define(pool.XMLDesc(0), 0), before=False, after=True))

    def plan_start(self, plan, driver, pool, have):
        """Start what is not active, and mount again what somebody unmounted below libvirt."""
        lost = have["state"] == "active" and self.hypervisor.is_local and driver.is_lost(have)
        if have["state"] == "active" and not lost:
            return
        if self.hypervisor.is_local:
            driver.refuse_start(have)

        def start():
            if pool.isActive() and not lost:
                return  # by somebody else meanwhile
            if pool.isActive():
                driver.stop(have, pool.destroy)
            driver.start(have, lambda: self.hypervisor.start_pool(pool), pool.destroy)

        plan.steps.append(Step("mount" if lost else "start", "state", start, before="not mounted" if lost else "inactive", after="active"))

    def plan_record(self, plan, have, want):
        """Description and labels, which live in the storage itself; written after it was started."""
        for key in ("description", "labels"):
            value = want.get(key)
            if key == "labels" and value is not None:
                value = {str(label): str(content) for label, content in value.items()}
            before = have[key] or None
            if value is None or (value or None) == before:
                continue
            self.refuse_remote()
            plan.steps.append(Step("set", key, lambda key=key, value=value: self.record(plan.name, key, value), before=before, after=value or None))

    def record(self, name, key, value):
        """Write one field of the storage's own record."""
        self.hypervisor.forget()
        Catalogue(self.hypervisor.storage_path(name)).update(RECORD, **{"kind": self.noun, key: value})

    def refuse_remote(self):
        """Directories and devices are touched on the host itself."""
        if not self.hypervisor.is_local:
            raise Refused(f"its files are not on this host ({self.hypervisor.uri}); run the task on the hypervisor itself", "not_local")

    def show(self, have):
        """Without what only planning needs."""
        shown = {key: value for key, value in have.items() if key not in ("seen", "made_path", "waiting", "timeout")}
        return {**shown, "pending": changes.pending(have["waiting"])}

    def list(self, params):
        """Every storage that passes the filters, with figures and health; one that is in trouble does not hide the others."""
        check_seconds(params["timeout"])
        names = [name for name in sorted(self.hypervisor.pools()) if not params["names"] or name in params["names"]]
        return figures.report(self, names, params)


@contextlib.contextmanager
def about(name):
    """Lets errors of the drivers begin with the storage they are about."""
    begin = f"storage {name}: "
    try:
        yield
    except IntakeError as error:
        if str(error).startswith(begin):
            raise
        kind = next((kind for kind in (Refused, NotFound, NotReachable) if isinstance(error, kind)), IntakeError)
        raise kind(begin + str(error), error.reason) from error


def named_errors(name, apply):
    """A step's work, with its errors named."""

    def work():
        with about(name):
            return apply()

    return work


PLANNERS = {"present": Storages.plan_present, "absent": removal.plan_absent, "empty": removal.plan_empty}
