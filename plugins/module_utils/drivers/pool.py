# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of a libvirt pool: read into plain words, written for a new one, edited in place for an old one."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

from ..host import exports, silence
from ..lens import dump, ensure, parse

OPTIONS = "{http://libvirt.org/schemas/storagepool/fs/1.0}"  # libvirt 5.1 and newer
NAMED = ("ext4", "xfs")  # libvirt has no word for btrfs: mount(8) finds out
ET.register_namespace("fs", OPTIONS[1:-1])


def words_of(root):
    """path, device, fs, server, export, version and mount_options of a pool; None or [] where it has none. `auto` is not a filesystem."""
    device = root.find("source/device")
    form = root.find("source/format")
    fs = None if form is None or device is None or form.get("type") == "auto" else form.get("type")
    return {
        "path": root.findtext("target/path"),
        "device": None if device is None else device.get("path"),
        "fs": fs,
        "server": attribute(root, "source/host", "name"),
        "export": attribute(root, "source/dir", "path"),
        "version": attribute(root, "source/protocol", "ver"),
        "mount_options": options_of(root),
    }


def places_of(words):
    """{path, device, export}: what two storages cannot share, as far as their options or the words of their pools name it."""
    path, device, server, export = (words.get(key) for key in ("path", "device", "server", "export"))
    places = {
        "path": path and silence.real(path),
        "device": device and os.path.realpath(device),
        "export": server and export and f"{exports.clean('server', server)}:{exports.clean('export', export)}",
    }
    return {key: place for key, place in places.items() if place}


def attribute(root, path, name):
    """An attribute of an element, None where there is none."""
    element = root.find(path)
    return None if element is None else element.get(name)


def options_of(root):
    """The mount options beside those that libvirt always gives (nodev, nosuid, noexec)."""
    return [option.get("name") for option in root.iterfind(f"{OPTIONS}mount_opts/{OPTIONS}option")]


def document(name, path, device=None, fs=None, mount_options=None):
    """The XML of a new pool: `fs` for a device, else `dir`."""
    root = ET.Element("pool", {"type": "fs" if device else "dir"})
    ensure(root, "name").text = name
    if device:
        ensure(root, "source/device").set("path", device)
        ensure(root, "source/format").set("type", fs if fs in NAMED else "auto")
    ensure(root, "target/path").text = path
    write_options(root, mount_options or [])
    return dump(root)


def network_document(name, path, server, export, version, mount_options):
    """The XML of a new pool of type netfs."""
    root = ET.Element("pool", {"type": "netfs"})
    ensure(root, "name").text = name
    for place, key, value in (("host", "name", server), ("dir", "path", export), ("format", "type", "nfs"), ("protocol", "ver", version)):
        ensure(root, f"source/{place}").set(key, value)
    ensure(root, "target/path").text = path
    write_options(root, mount_options)
    return dump(root)


def with_changes(text, changes):
    """The document of a pool with other mount_options or another version, all else kept."""
    root = parse(text)
    if "mount_options" in changes:
        write_options(root, changes["mount_options"])
    if changes.get("version"):
        ensure(root, "source/protocol").set("ver", changes["version"])
    elif "version" in changes:  # libvirt is left to choose
        for old in root.findall("source/protocol"):
            root.find("source").remove(old)
    return dump(root)


def write_options(root, mount_options):
    """Replace the mount options of a document."""
    for old in root.findall(f"{OPTIONS}mount_opts"):
        root.remove(old)
    if mount_options:
        parent = ET.SubElement(root, f"{OPTIONS}mount_opts")
        for option in mount_options:
            ET.SubElement(parent, f"{OPTIONS}option").set("name", option)
