# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor does after a boot that libvirt does not: storages whose server comes late, and the machines on them.

boot.py mount    before libvirt starts: mounts exports within bounded time, and keeps libvirt from hanging with those that fail
boot.py recover  after libvirt started: starts what it could not start, until all is there
"""

from __future__ import annotations

import json
import os
import sys
import time

import machines
import programs
import storages
from programs import Failed, say

ROOM = "/run/intake-vms-boot"
FRESH, WAITING = os.path.join(ROOM, "fresh"), os.path.join(ROOM, "waiting.json")
LIBVIRT = "/run/libvirt"  # a driver that has started things on its own leaves `autostarted` in its folder, and does it once per boot
PATIENCE = 30  # seconds for servers, before libvirt starts without them
PAUSE, LONG_PAUSE, IMPATIENT = 10, 60, 600  # seconds between rounds: short ones for the first ten minutes
REMIND = 3600  # seconds


def mount():
    """Mount the exports that answer; where some do not, libvirt starts no storage on its own, and `recover` does it.

    libvirt knows nothing of leases: where one may be another host's, it starts no machine on its own either.
    """
    if any(os.path.exists(os.path.join(LIBVIRT, driver, "autostarted")) for driver in ("storage", "qemu")):
        return say("boot", "libvirt runs already: nothing is done before the next boot")
    os.makedirs(ROOM, mode=0o700, exist_ok=True)
    touch(FRESH)
    wanted, end = storages.configured(), time.monotonic() + PATIENCE
    problems = storages.mount_all(wanted, PATIENCE)
    while problems and time.monotonic() < end - 1:
        time.sleep(1)
        problems = storages.mount_all(wanted, max(1, end - time.monotonic()))
    for name, why in problems.items():
        say(f"storage {name}", why)
    if problems:
        hold("storage", "storages")
    if machines.doubtful():
        hold("qemu", "machines")


def hold(driver, what):
    """libvirt takes it that it has started these already."""
    folder = os.path.join(LIBVIRT, driver)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    touch(os.path.join(folder, "autostarted"))
    say("boot", f"libvirt starts without its {what}, they are started when it runs")


def touch(path):
    """An empty file that only root reads."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def recover():
    """Round after round until every storage and machine that was noted is there, or was taken away by somebody."""
    waiting = read()
    if waiting is None:
        return say("boot", "this was started after the boot: nothing is touched")
    begun = reminded = time.monotonic()
    while waiting["storages"] or waiting["vms"]:
        try:
            play(waiting)
            programs.SAID.pop("boot", None)
        except Failed as error:
            say("boot", f"libvirt failed: {error}")
        now = time.monotonic()
        if now - reminded > REMIND:
            reminded = now
            print(f"boot: {int(now - begun) // 60} minutes after the boot these are missing: {words(waiting)}", flush=True)
        if waiting["storages"] or waiting["vms"]:
            time.sleep(PAUSE if now - begun < IMPATIENT else LONG_PAUSE)
    say("boot", "nothing is left to do")


def words(waiting):
    """The names of what is missing."""
    return ", ".join([f"storage {name}" for name in waiting["storages"]] + [f"vm {name}" for name in waiting["vms"]])


def read():
    """{"storages": names, "vms": names} noted at this boot; noted now if it was not done. None where nobody saw this boot begin."""
    try:
        with open(WAITING, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return note() if os.path.exists(FRESH) else None


def note():
    """Write down, once per boot, what libvirt could not start. It answers when it has tried."""
    while True:
        try:
            waiting = {"storages": programs.names("pool-list", "--inactive", "--autostart"), "vms": machines.not_started()}
            break
        except Failed as error:
            say("boot", f"libvirt does not answer yet: {error}")
            time.sleep(PAUSE)
    write(waiting)
    os.unlink(FRESH)
    if waiting["storages"] or waiting["vms"]:
        print(f"boot: not started by libvirt: {words(waiting)}", flush=True)
    return waiting


def write(waiting):
    """Outlives a crash of ours; a new boot begins without."""
    with open(f"{WAITING}.new", "w", encoding="utf-8") as file:
        json.dump(waiting, file)
    os.replace(f"{WAITING}.new", WAITING)


def play(waiting):
    """One round: storages, then the machines that can be started now. What an administrator or a guest stopped is forgotten."""
    inactive = storages.start(waiting["storages"])
    waiting["storages"] = [name for name in waiting["storages"] if name in inactive]
    still = machines.not_started() if waiting["vms"] else []
    waiting["vms"] = [name for name in waiting["vms"] if name in still]
    write(waiting)
    if waiting.get("tried_without") == waiting["storages"]:
        return  # nothing has come since
    for name in list(waiting["vms"]):
        if machines.is_ready(name, inactive):
            try_once(waiting, name, inactive)
    waiting["tried_without"] = waiting["storages"]
    write(waiting)


def try_once(waiting, name, inactive):
    """Start a machine. One that fails is tried again when another storage has come: its backing files may be there."""
    waiting["vms"].remove(name)
    write(waiting)  # before the attempt: a crash of ours does not start it twice
    if not machines.start(name) and inactive:
        waiting["vms"].append(name)


if __name__ == "__main__":
    {"mount": mount, "recover": recover}[sys.argv[1]]()
