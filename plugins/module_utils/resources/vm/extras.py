# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small devices a domain has or has not: graphics, console, guest agent, random numbers, TPM."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from ...errors import Refused
from . import device

AGENT = "org.qemu.guest_agent.0"
SWITCHES = ("console", "agent", "rng", "tpm")


def read(root):
    """Which of them there are, and how the graphics are reached; the password is a secret of the caller."""
    return {
        "console": root.find("devices/serial") is not None,
        "agent": agent_channel(root) is not None,
        "rng": root.find("devices/rng") is not None,
        "tpm": root.find("devices/tpm") is not None,
        "graphics": read_graphics(root),
    }


def agent_channel(root):
    """The channel the guest agent listens on, or None."""
    return next((one for one in root.iterfind("devices/channel") if one.find(f"target[@name='{AGENT}']") is not None), None)


def write(root, want):
    """Add or take away those that are said."""
    have = read(root)
    for name in SWITCHES:
        if want.get(name) is not None and want[name] != have[name]:
            (MAKERS[name] if want[name] else drop)(root, name)
    if want.get("graphics") is not None:
        write_graphics(root, want["graphics"])


def make_console(root, name):
    """A serial port that is also the console: `virsh console` and logs work without a screen."""
    serial = ET.Element("serial", type="pty")
    ET.SubElement(serial, "target", port="0")
    console = ET.Element("console", type="pty")
    ET.SubElement(console, "target", type="serial", port="0")
    device.insert(root, serial)
    device.insert(root, console)


def make_agent(root, name):
    """A virtio channel; libvirt chooses the socket."""
    channel = ET.Element("channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name=AGENT)
    device.insert(root, channel)


def make_rng(root, name):
    """Random numbers from the host, so that a fresh guest does not wait for entropy."""
    rng = ET.Element("rng", model="virtio")
    ET.SubElement(rng, "backend", model="random").text = "/dev/urandom"
    device.insert(root, rng)


def make_tpm(root, name):
    """An emulated TPM 2.0 (swtpm on the host)."""
    tpm = ET.Element("tpm", model="tpm-crb")
    ET.SubElement(tpm, "backend", type="emulator", version="2.0")
    device.insert(root, tpm)


MAKERS = {"console": make_console, "agent": make_agent, "rng": make_rng, "tpm": make_tpm}


def drop(root, name):
    """Take one of them away."""
    devices = root.find("devices")
    gone = [agent_channel(root)] if name == "agent" else list(devices.findall(name))
    if name == "console":
        gone += devices.findall("serial")
    for element in gone:
        devices.remove(element)


def read_graphics(root):
    """Type, address, port (None where libvirt chooses it) and password of the first graphics device, or None."""
    element = root.find("devices/graphics")
    if element is None:
        return None
    port = element.get("port")
    chosen = element.get("autoport") == "yes" or port in (None, "-1")
    return {
        "type": element.get("type"),
        "listen": element.get("listen") or "127.0.0.1",
        "port": None if chosen else int(port),
        "password": element.get("passwd"),
    }


def write_graphics(root, want):
    """One graphics device, a new one VNC on 127.0.0.1 unless said; type none takes it and its video card away."""
    devices = root.find("devices")
    element = devices.find("graphics")
    protocol = want.get("type") or (element.get("type") if element is not None else "vnc")
    if protocol == "none":
        for tag in ("graphics", "video", "audio") if element is not None else ():
            for one in devices.findall(tag):
                devices.remove(one)
        return
    if element is not None and element.get("type") != protocol:
        change_protocol(element, protocol)
    if element is None:
        element = ET.SubElement(devices, "graphics", type=protocol, autoport="yes", listen="127.0.0.1")
        if devices.find("video") is None:
            ET.SubElement(ET.SubElement(devices, "video"), "model", type="virtio")
    write_endpoint(element, want)


def change_protocol(element, protocol):
    """Address, port and password stay; what only the other protocol knows goes."""
    kept = {key: element.get(key) for key in ("port", "autoport", "listen", "passwd", "passwdValidTo") if element.get(key)}
    for child in list(element):
        if child.tag != "listen":
            element.remove(child)
    element.attrib.clear()
    element.attrib.update(type=protocol, **kept)


def write_endpoint(element, want):
    """Address, port and password, those that are said; port 0 lets libvirt choose, password "" takes it away."""
    if want.get("listen") and want["listen"] != element.get("listen"):
        for child in element.findall("listen"):
            element.remove(child)
        element.set("listen", want["listen"])
    if want.get("port") is not None:
        element.set("port", str(want["port"] or -1))
        element.set("autoport", "no" if want["port"] else "yes")
    if want.get("password") == "":
        element.attrib.pop("passwd", None)
    elif want.get("password") is not None:
        element.set("passwd", want["password"])


def check(vm, now, want):
    """Refuse what QEMU would cut or reject, before anything has moved."""
    graphics, there = want.get("graphics"), now.get("graphics") or {}
    if graphics is None:
        return
    password = graphics.get("password") or there.get("password") or ""
    if (graphics.get("type") or there.get("type", "vnc")) == "vnc" and graphics.get("password") != "" and len(password) > 8:
        raise Refused(f"vm {vm}: a VNC password has at most 8 characters; the rest would be ignored by the protocol", "invalid_password")
    port = graphics.get("port")
    if port and not 5900 <= port <= 65535:
        raise Refused(f"vm {vm}: graphics port {port} is not between 5900 and 65535 (0 lets libvirt choose)", "invalid_port")
