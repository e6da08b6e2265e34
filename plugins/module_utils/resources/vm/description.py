# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's XML as one plain dict of all options we own, and back; and the differences of two such dicts."""

from __future__ import annotations

from . import definition, device, disks, extras, interfaces

DEVICES = {"disks": disks, "interfaces": interfaces}
HIDDEN = "(not shown)"
SECRETS = frozenset({"graphics.password"})
UNCOMPARED = {"interfaces": ("target",)}  # libvirt names the host's side anew at every start


def read(root):
    """Everything we own in a domain's XML."""
    found = definition.read(root)
    found.update(extras.read(root))
    found.update((kind, room.read(root)) for kind, room in DEVICES.items())
    return found


def write(root, want):
    """Bring everything that is said into the XML. Disks and interfaces not listed stay, unless `purge`."""
    definition.write(root, want)
    extras.write(root, want)
    for kind, room in DEVICES.items():
        if want.get("purge") and want.get(kind) is not None:
            room.purge(root, want[kind])
        for one in want.get(kind) or ():
            room.write(root, one, want["name"])


def differences(before, after):
    """{field: (value before, value after)}; devices that are in both are compared field by field: disks.root.cache."""
    found = {}
    for key in sorted(set(before) | set(after)):
        one, other = before.get(key), after.get(key)
        if key in DEVICES:
            found.update(device_differences(key, one or {}, other or {}))
        elif key == "graphics" and one and other:
            found.update(field_differences(key, one, other))
        elif one != other:
            found[key] = (one, other)
    return found


def device_differences(kind, before, after):
    """The differences of named devices of one kind."""
    found = {}
    for name in sorted(set(before) | set(after)):
        one, other = before.get(name), after.get(name)
        if one and other:
            found.update(field_differences(f"{kind}.{name}", one, other, UNCOMPARED.get(kind, ())))
        elif one != other:
            found[f"{kind}.{name}"] = (one, other)
    return found


def field_differences(prefix, before, after, uncompared=()):
    """The differences of two flat dicts, their keys prefixed."""
    return {
        f"{prefix}.{key}": (before.get(key), after.get(key))
        for key in after
        if key not in uncompared and before.get(key) != after.get(key)
    }


def shown(differences_found):
    """The same without secrets: a password only says that it is there."""
    return {key: tuple(hide(key, value) for value in values) for key, values in differences_found.items()}


def hide(key, value):
    """One value as it may be shown."""
    if isinstance(value, dict):
        return {part: hide(f"{key}.{part}", inner) for part, inner in value.items() if inner is not None}
    return HIDDEN if key in SECRETS and value else value


def align(live, config):
    """Give the devices of a running domain the names that the definition gives them.

    A name given while the domain runs is only in the definition. An interface is known by its MAC address, a disk by its
    file, since one that waits for another bus has another target, and a drive without a file of its own by the target.
    """
    for room in (disks, interfaces):
        known, there = room.elements(config), room.elements(live)
        names = {room.identity(element): name for name, element in known.items() if name not in there}
        for name, element in there.items():
            found = None if name in known else names.get(room.identity(element))
            if found:
                device.set_name(element, found)
