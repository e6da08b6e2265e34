# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration leaves that was killed on its way: one machine on two hosts, or one that is paused. Which is right, and how to go on."""

from __future__ import annotations

OFF = ("stopped", "crashed")


def is_stuck(one):
    """True for a machine whose processors a migration stopped, and nobody started again."""
    return (one["state"], one["reason"]) == ("paused", "migration")


def stuck(machine):
    """Words about one that is stuck on this host, while the destination has none of it."""
    to = machine["note"]["hostname"] if machine["note"] else "another host"
    return (
        f"it is paused here since a migration to {to} was interrupted; when it runs on no other host, let it go on "
        "(intake_vm with state: running) and run this again"
    )


def twice(machine, twin, hostname):
    """(words, reason) about a machine that this host and the destination have both."""
    name, here, there = machine["name"], machine["state"], twin["state"]
    both = f"is {here} on this host and {there} on {hostname}"
    if here in OFF and there in OFF:
        return f"{both}; look which one is right, and undefine the other (virsh undefine --keep-nvram {name} keeps its disks)", "defined_twice"
    if here in OFF or there in OFF:
        where = "on this host" if here in OFF else f"on {hostname}"
        return f"{both}; end the definition {where} (virsh undefine --keep-nvram {name} keeps its disks), then run this again", "defined_twice"
    if here == there == "running":
        return f"{both} AT ONCE, which destroys its disks; stop the one that is not to be (virsh destroy {name}) now", "runs_twice"
    if there == "running" and is_stuck(machine):
        return f"{both}, where it went before the migration was interrupted. {ending(name, 'on this host', f'on {hostname}')}", "interrupted"
    if here == "running" and is_stuck(twin):
        return f"{both}, where the interrupted migration did not end. {ending(name, f'on {hostname}', 'on this host')}", "interrupted"
    return f"{both}; find out where it ran last (virsh domstate --reason {name}), and never let both go on", "interrupted"


def ending(name, rest, right):
    """How the rest is ended; libvirt takes the disks from QEMU's user then, which the right one must not meet."""
    return (
        f"The one {right} is right. End the rest {rest} so: virsh suspend {name} {right}; virsh destroy {name} and "
        f"virsh undefine --keep-nvram {name} {rest}; give the disks back to QEMU's user (chown), as libvirt took them from it; "
        f"virsh resume {name} {right}. Then run this again"
    )
