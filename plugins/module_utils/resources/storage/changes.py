# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options and version of a storage that exists: changed in its definition, and at once where nothing is open on it."""

from __future__ import annotations

import os

from ...drivers import pool as documents
from ...errors import IntakeError
from ...flow.converge import RESTART, Step
from ...lens import parse
from .usage import machines_running_on


def waiting(driver, pool, words):
    """{option: (value in force, value of the definition)} of an active pool whose definition was changed since it was started."""
    if not driver or not driver.needs_new_mount or not pool.isActive() or not pool.isPersistent():
        return {}
    active = driver.words(parse(pool.XMLDesc(0)))
    return {key: (active[key], words[key]) for key in driver.changeable if differ(active[key], words[key])}


def differ(one, other):
    """Lists of options have no order."""
    return sorted(one) != sorted(other) if isinstance(one, list) and isinstance(other, list) else one != other


def plan(storages, plan_, driver, pool, have, want):
    """Steps for the options that are said and differ; what waits for a new mount is pending while something is open."""
    changes = {key: want[key] for key in driver.changeable if want.get(key) is not None and differ(want[key], have[key])}
    if changes:
        storages.refuse_remote()
        define = storages.hypervisor.connection.storagePoolDefineXML

        def change():
            driver.change(have, changes)
            define(documents.with_changes(pool.XMLDesc(1), changes), 0)

        fields = {key: (shown(have[key]), shown(changes[key], "")) for key in changes}
        plan_.steps.append(Step("set", ", ".join(sorted(changes)), change, fields=fields))
    if driver.needs_new_mount and have["state"] == "active" and storages.hypervisor.is_local:
        plan_new_mount(storages, plan_, driver, pool, have, changes)


def plan_new_mount(storages, plan_, driver, pool, have, changes):
    """Unmount and mount again, unless a machine or a process works there."""
    after = {**{key: values[1] for key, values in have["waiting"].items()}, **changes}
    before = {key: have["waiting"].get(key, (have[key],))[0] for key in after}
    new = {key: (before[key], after[key]) for key in after if differ(before[key], after[key])}
    if not new or driver.is_lost(have):
        return
    busy = machines_running_on(storages.hypervisor, have) or openers(have["path"])
    if busy:
        plan_.pending += pending(new)
        plan_.warnings.append(f"storage {plan_.name}: is mounted anew when nothing is open on it any more ({', '.join(busy)})")
        return

    def remount():
        driver.stop(have, pool.destroy)
        try:
            driver.start({**have, **after}, lambda: storages.hypervisor.start_pool(pool), pool.destroy)
        except storages.faults + (IntakeError,) as error:
            storages.hypervisor.connection.storagePoolDefineXML(documents.with_changes(pool.XMLDesc(1), before), 0)
            driver.start({**have, **before}, lambda: storages.hypervisor.start_pool(pool), pool.destroy)
            raise IntakeError(f"{error}; it is mounted as before", getattr(error, "reason", "mount_failed")) from error

    plan_.steps.append(Step("remount", "mount", remount, RESTART, fields={"mounted with": (shown_all(before), shown_all(after))}))


def pending(differences):
    """Options that wait for a new mount, as a playbook sees them."""
    return [{"name": key, "have": shown(values[0]), "want": shown(values[1])} for key, values in sorted(differences.items())]


def openers(path):
    """Words for the processes of this host that have a file below the path open or work there; links in /proc are read, never followed."""
    found = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [f"/proc/{process}/cwd"] + [f"/proc/{process}/fd/{name}" for name in os.listdir(f"/proc/{process}/fd")]
            if any(os.readlink(link).startswith(path + "/") or os.readlink(link) == path for link in links):
                found.add(f"process {process}")
        except OSError:
            continue
    return sorted(found)


def shown(value, nothing=None):
    """A list of options in one line."""
    return ", ".join(value) or nothing if isinstance(value, list) else value


def shown_all(values):
    """Several options in one line."""
    return "; ".join(f"{key} {shown(value)}" for key, value in sorted(values.items()))
