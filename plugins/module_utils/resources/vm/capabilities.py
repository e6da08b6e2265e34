# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hypervisor offers to a machine, asked before a definition that needs it is written."""

from __future__ import annotations

from ... import lens
from ...errors import NotFound, Refused
from ...host.hypervisor import libvirt

ASKED_OF = frozenset(["machine", "virt_type", "cpu_mode", "cpu_model", "firmware", "tpm"])


class Capabilities:
    """libvirt's domain capabilities, read once for each kind of machine (a millisecond each)."""

    def __init__(self, hypervisor):
        self.hypervisor, self.connection, self.known = hypervisor, hypervisor.connection, {}
        self.are_known = self.connection.getType() == "QEMU"

    def check(self, where, draft, after, changes):
        """Refuse what is not offered, among those fields that change. `after` is the description of `draft`.

        A machine type such as q35 becomes, in all three, the exact version that libvirt would write in its place.
        """
        changing = ASKED_OF & {field for field, (_before, value) in changes.items() if value}
        if self.are_known:
            self.check_networks(where, after["interfaces"], changes)
        if self.are_known and changing:
            offered = self.offered(where, draft, after)
            exact = offered.findtext("machine")
            if "machine" in changing and exact:
                draft.find("os/type").set("machine", exact)
                after["machine"], changes["machine"] = exact, (changes["machine"][0], exact)
            self.check_kind(where, offered, after, changing)

    def check_kind(self, where, offered, after, changing):
        """Firmware, TPM and CPU."""
        mode, model = after["cpu_mode"], after["cpu_model"]
        if "firmware" in changing and after["firmware"] == "uefi" and "efi" not in texts(offered, "os/enum[@name='firmware']/value"):
            raise Refused(f"{where}: the hypervisor has no UEFI firmware; install OVMF (package ovmf or edk2-ovmf)", "firmware_missing")
        if "tpm" in changing and not supported(offered, "devices/tpm"):
            raise Refused(f"{where}: the hypervisor cannot emulate a TPM; install swtpm", "tpm_missing")
        if mode and {"cpu_mode", "virt_type"} & changing and not supported(offered, f"cpu/mode[@name='{mode}']"):
            raise Refused(f"{where}: cpu_mode {mode} is not offered for {after['virt_type']}", "invalid_cpu")
        if "cpu_model" in changing and mode == "custom" and model not in texts(offered, "cpu/mode[@name='custom']/model"):
            raise Refused(f"{where}: cpu_model {model} is unknown; virsh domcapabilities lists those there are", "invalid_cpu")

    def check_networks(self, where, interfaces, changes):
        """A new connection is to a network there is; it may be inactive until the machine starts."""
        new = {name: one for name, one in interfaces.items() if {f"interfaces.{name}", f"interfaces.{name}.source"} & changes.keys()}
        for name, interface in new.items():
            if interface["type"] == "network" and interface["source"] not in self.hypervisor.networks():
                there = ", ".join(sorted(self.hypervisor.networks())) or "none"
                raise NotFound(f"{where}: interface {name}: the hypervisor has no network {interface['source']} (there are: {there})", "network_not_found")

    def offered(self, where, draft, after):
        """The root of the capabilities for this emulator, architecture, machine type and virtualization."""
        key = (draft.findtext("devices/emulator"), draft.find("os/type").get("arch"), after["machine"], after["virt_type"])
        if key not in self.known:
            try:
                self.known[key] = lens.parse(self.connection.getDomainCapabilities(*key, 0))
            except libvirt.libvirtError as error:
                raise Refused(f"{where}: {error.get_error_message()}", "invalid_machine") from error
        return self.known[key]


def supported(offered, path):
    """True where libvirt says so; what this version of it does not speak of is left to it."""
    element = offered.find(path)
    return element is None or element.get("supported") != "no"


def texts(offered, path):
    """The values of a list."""
    return {element.text for element in offered.iterfind(path)}
