# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One existing domain, as it is read: once, and for writing and listing alike."""

from __future__ import annotations

from ... import lens
from ...host.hypervisor import libvirt, unless_gone
from . import description, power


class Domain:
    """A handle, a state, and the persistent XML, each read at most once."""

    def __init__(self, domain, autostart, state):
        self.domain, self.autostart = domain, autostart
        self.state, self.reason = state
        self.name, self.uuid = domain.name(), domain.UUIDString()
        self.is_active = self.state not in ("stopped", "crashed")
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        self.root = lens.parse(domain.XMLDesc(flags))
        self.description = description.read(self.root)

    def running(self):
        """The XML of the running machine."""
        return lens.parse(self.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))

    def show(self):
        """What a playbook sees: the options as they are, the state, the UUID; no secrets."""
        shown = {key: description.hide(key, value) for key, value in self.description.items()}
        return {"name": self.name, "uuid": self.uuid, "state": self.state, "autostart": self.autostart, **shown}


def domain_if_there(hypervisor, domain):
    """A Domain, or None where it went away while the list was read."""
    return unless_gone(lambda: Domain(domain, domain.name() in hypervisor.autostarting(), power.words_of(*hypervisor.domain_state(domain))))
