# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of a hypervisor for those who only look: filtered, with what they are doing."""

from __future__ import annotations

import os

from ...flow.converge import selected
from ...host import silence
from .domain import domain_if_there
from .monitor import Monitor


class Listing:
    """The info twin of `Vms`, through the same reader."""

    def __init__(self, hypervisor, options):
        self.hypervisor = hypervisor

    def list(self, params):
        """The machines that pass the filters, with what the asked groups tell of them."""
        root = params["storage"] and silence.real(self.hypervisor.storage_path(params["storage"]))
        haves = [have for have in self.read(params.get("names")) if selected(have.show(), params) and is_on(have, root)]
        facts = Monitor(self.hypervisor, params["gather"], params["timeout"]).facts(haves)
        return {"vms": [{**have.show(), **more} for have, more in zip(haves, facts)]}

    def read(self, names):
        """Every machine, or those of these names, sorted."""
        domains = self.hypervisor.domains()
        haves = [domain_if_there(self.hypervisor, domains[name]) for name in sorted(domains) if not names or name in names]
        return [have for have in haves if have]


def is_on(have, root):
    """True where a disk of the machine is in the storage at `root`, or no storage is asked for."""
    paths = [disk["path"] for disk in have.description["disks"].values() if disk["path"]]
    return not root or any(os.path.dirname(silence.real(path)) == root for path in paths)
