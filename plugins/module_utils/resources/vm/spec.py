# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of a virtual machine, and those rules that no table of types can say."""

from __future__ import annotations

from . import cloudinit

STATES = ["present", "absent", "running", "stopped", "paused", "restarted"]
SIZES = ("memory", "maximum_memory")

DISK = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "device": {"type": "str", "choices": ["disk", "cdrom"]},
    "volume": {"type": "str"},
    "storage": {"type": "str"},
    "image": {"type": "str"},
    "image_storage": {"type": "str"},
    "size": {"type": "str"},
    "format": {"type": "str", "choices": ["qcow2", "raw"]},
    "clone": {"type": "str", "choices": ["auto", "full", "linked"]},
    "bus": {"type": "str", "choices": ["virtio", "scsi", "sata", "ide", "usb"]},
    "cache": {"type": "str", "choices": ["default", "none", "writethrough", "writeback", "directsync", "unsafe"]},
    "discard": {"type": "str", "choices": ["unmap", "ignore"]},
    "serial": {"type": "str"},
    "read_only": {"type": "bool"},
    "shareable": {"type": "bool"},
    "boot_order": {"type": "int"},
    "iops": {"type": "int"},
    "read_iops": {"type": "int"},
    "write_iops": {"type": "int"},
    "bandwidth": {"type": "str"},
    "read_bandwidth": {"type": "str"},
    "write_bandwidth": {"type": "str"},
    "remove": {"type": "bool", "default": False},
}

INTERFACE = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "network": {"type": "str"},
    "bridge": {"type": "str"},
    "user": {"type": "bool"},
    "mac": {"type": "str"},
    "model": {"type": "str"},
    "vlan": {"type": "int"},
    "boot_order": {"type": "int"},
    "link": {"type": "str", "choices": ["up", "down"]},
}

GRAPHICS = {
    "type": {"type": "str", "choices": ["vnc", "spice", "none"]},
    "listen": {"type": "str"},
    "port": {"type": "int"},
    "password": {"type": "str", "no_log": True},
}

TOPOLOGY = {key: {"type": "int", "required": True} for key in ("sockets", "cores", "threads")}

SPEC = {
    "name": {"type": "str"},
    "state": {"type": "str", "choices": STATES, "default": "present"},
    "description": {"type": "str"},
    "labels": {"type": "dict"},
    "autostart": {"type": "bool"},
    "cpus": {"type": "int"},
    "maximum_cpus": {"type": "int"},
    "topology": {"type": "dict", "options": TOPOLOGY},
    "cpu_mode": {"type": "str", "choices": ["host-passthrough", "host-model", "maximum", "custom"]},
    "cpu_model": {"type": "str"},
    "memory": {"type": "str"},
    "maximum_memory": {"type": "str"},
    "machine": {"type": "str"},
    "virt_type": {"type": "str", "choices": ["auto", "kvm", "qemu"]},
    "firmware": {"type": "str", "choices": ["bios", "uefi"]},
    "secure_boot": {"type": "bool"},
    "tpm": {"type": "bool"},
    "kernel": {"type": "str"},
    "initrd": {"type": "str"},
    "cmdline": {"type": "str"},
    "disks": {"type": "list", "elements": "dict", "options": DISK},
    "interfaces": {"type": "list", "elements": "dict", "options": INTERFACE},
    "purge": {"type": "bool", "default": False},
    "graphics": {"type": "dict", "options": GRAPHICS},
    "console": {"type": "bool"},
    "agent": {"type": "bool"},
    "rng": {"type": "bool"},
    "cloud_init": {"type": "dict", "options": cloudinit.SPEC},
    "restart": {"type": "str", "choices": ["never", "if_needed"], "default": "never"},
    "force_stop": {"type": "bool", "default": False},
    "stop_timeout": {"type": "int", "default": 120},
    "takeover": {"type": "bool", "default": False},
    "remove_disks": {"type": "list", "elements": "str"},
    "wait_for": {"type": "str", "choices": ["none", "running", "ip", "agent"], "default": "none"},
    "wait_timeout": {"type": "int", "default": 300},
    "adopt": {"type": "bool", "default": False},
}

# What an order to a machine may be made of; anything else in a want describes the machine.
ORDERS = frozenset(
    ["name", "state", "purge", "restart", "force_stop", "stop_timeout", "takeover", "remove_disks", "wait_for", "wait_timeout", "adopt"]
)
