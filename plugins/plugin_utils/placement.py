# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine goes to which host: by free memory, and apart from those that are not to fail together."""

from __future__ import annotations

from collections import Counter

from ..module_utils.errors import Refused
from ..module_utils.units import about

LABEL = "anti_affinity"
TRIES = 20000  # placements that are tried before one way of looking is given up


def place(vms, hosts, label=LABEL, is_hard=False):
    """{vm: host} for every machine, the same for the same question in whatever order. Raises Refused where they do not fit.

    vms: dicts with name, memory (bytes), labels and, where it is more than what is needed now, memory_later, by which they are only
    spread. hosts: dicts with name, free (bytes of memory), and vms, the machines that are there (name, labels). Machines with the
    same value of `label` go to different hosts: always where `is_hard`, else if possible.
    """
    todo = sorted(vms, key=lambda vm: (-vm["memory"], -later(vm), vm["name"]))
    refuse_twins(todo, hosts)
    faults = []
    for apart in (True,) if is_hard or not label else (True, False):
        for is_tight in (False, True):  # evenly first; filling hosts up leaves more room for what is large
            found = Search(todo, hosts, label, apart, is_tight).run()
            if isinstance(found, dict):
                return {name: found[name] for name in sorted(found)}
            faults.append(found)
    raise Refused(faults[-2], "no_room")


def refuse_twins(vms, hosts):
    """Names are what the answer is made of."""
    for what, named in (("vm", vms), ("host", hosts)):
        twins = [name for name, times in Counter(one["name"] for one in named).items() if times > 1]
        if twins:
            raise Refused(f"{what} {sorted(twins)[0]}: is listed twice", "duplicate_name")


class Search:
    """One way of looking: machine after machine on the best host, and back where there is none."""

    def __init__(self, vms, hosts, label, apart, is_tight):
        self.vms, self.label, self.apart, self.is_tight = vms, label, apart, is_tight
        self.names = sorted(host["name"] for host in hosts)
        self.free = {host["name"]: max(0, host["free"]) for host in hosts}  # what needs none, such as a stopped machine, has a place anywhere
        self.free_later = {host["name"]: host["free"] for host in hosts}
        self.groups = Counter((host["name"], group_of(vm, label)) for host in hosts for vm in host.get("vms") or ())

    def run(self):
        """{vm: host}, or the sentence about the first machine that found none."""
        chosen, waiting, fault = [], [], None
        for _try in range(TRIES + 2 * len(self.vms)):
            if len(chosen) == len(self.vms):
                return {vm["name"]: host for vm, host in zip(self.vms, chosen)}
            vm = self.vms[len(chosen)]
            if len(waiting) == len(chosen):
                waiting.append(self.candidates(vm))
            if waiting[-1]:
                chosen.append(waiting[-1].pop(0))
                self.move(vm, chosen[-1], 1)
                continue
            fault = fault or self.sentence(vm)
            waiting.pop()
            if not chosen:
                break
            self.move(self.vms[len(chosen) - 1], chosen.pop(), -1)
        return fault

    def move(self, vm, host, sign):
        """Give a machine to a host, or take it back."""
        self.free[host] -= sign * vm["memory"]
        self.free_later[host] -= sign * later(vm)
        self.groups[host, group_of(vm, self.label)] += sign

    def candidates(self, vm):
        """The hosts that can take it, the best first."""
        group = group_of(vm, self.label)
        able = [name for name in self.names if self.free[name] >= vm["memory"] and not (self.apart and self.others(name, group))]
        sign = 1 if self.is_tight else -1
        return sorted(able, key=lambda name: (self.others(name, group), sign * self.free_later[name], name))

    def others(self, host, group):
        """How many machines there are of the group."""
        return self.groups[host, group] if group is not None else 0

    def sentence(self, vm):
        """Why a machine found no host."""
        group = group_of(vm, self.label)
        if not self.names:
            return f"vm {vm['name']}: there is no host for it"
        roomy = [name for name in self.names if self.free[name] >= vm["memory"]]
        if roomy and self.apart and group is not None:
            return f"vm {vm['name']}: every host with {about(vm['memory'])} free ({', '.join(roomy)}) has a machine with {self.label}={group}"
        free = ", ".join(f"{name} {about(self.free[name])}" for name in self.names)
        placed = f" when {self.vms.index(vm)} larger ones have been placed" if self.vms.index(vm) else ""
        return f"vm {vm['name']}: needs {about(vm['memory'])} of memory, and free{placed} is: {free}"


def later(vm):
    """Bytes of memory that a machine takes in the end."""
    return vm.get("memory_later", vm["memory"])


def group_of(vm, label):
    """The value of the label, as text; None for none."""
    value = (vm.get("labels") or {}).get(label) if label else None
    return None if value is None or value == "" else str(value)
