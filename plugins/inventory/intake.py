# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic inventory: virtual machines and hypervisors as hosts of Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: intake
short_description: Virtual machines and hypervisors as inventory hosts
version_added: 0.1.0
description:
  - Lists virtual machines, hypervisors, or both, from the PostgreSQL inventory of this collection or from libvirt itself.
    The variables and groups are the same either way.
  - The name of its file ends in C(intake.yml) or C(intake.yaml).
  - Names, labels, descriptions and addresses are data. A template in one of them is never evaluated.
  - Machines of the same name on several hypervisors are all listed. The hypervisors are gone through by name; the first machine has
    the name, others are called C(NAME_HYPERVISOR), with a warning. So are machines with a name that means something else to Ansible,
    as C(localhost) does.
  - A database that is away, or a source in which no hypervisor answers, is an error.
author:
  - intake.vms contributors (@intake)
requirements:
  - psycopg version 3 where Ansible runs, to read the database
  - python3-libvirt where Ansible runs, to read O(uris)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [intake.vms.intake]
  dsn:
    description:
      - Connection string of the PostgreSQL inventory, as words (C(host=db dbname=inventory)) or as a URI.
      - A user who may only read is enough. Keep the password out of the file, with the environment variable, C(~/.pgpass) or vault.
      - It cannot be given together with O(uris); where O(uris) is given, the environment is not looked at.
    type: str
    env:
      - name: INTAKE_INVENTORY_DSN
  uris:
    description:
      - libvirt connections to read from, without a database, such as V(qemu+ssh://root@hv1/system).
      - Sixteen of them are asked at the same time. A hypervisor that two of them lead to is listed once, with a warning.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that each of the O(uris) has to answer, guest agents included.
    type: int
    default: 30
  strict_sources:
    description:
      - Whether a hypervisor of O(uris) that does not answer is an error. Else it is a warning, and the others are listed.
      - By default as O(strict) says.
      - Say V(true) where hosts that are not listed are deleted, as AWX does with C(overwrite).
    type: bool
  strict:
    description:
      - Whether an invalid entry is an error; expressions of O(compose), O(groups) and O(keyed_groups), and labels that should say a port.
      - It is the default of O(strict_sources) too.
    type: bool
    default: false
  hosts:
    description: What the inventory hosts are.
    type: str
    choices: [vms, hypervisors, both]
    default: vms
  hostname:
    description:
      - What the hosts that are machines are called.
      - V(name_hypervisor) is the name of the machine and of its hypervisor, with an underscore between them. With it and with V(uuid), what
        a machine is called does not depend on which other machines there are.
    type: str
    choices: [name, name_hypervisor, uuid]
    default: name
  variable_prefix:
    description: Begins the names of all variables but C(ansible_host), C(ansible_port) and C(ansible_user).
    type: str
    default: intake_
  prefer:
    description:
      - Networks, the best first. C(ansible_host) is the first address in the first network that has one.
      - Without a match it is the first address. A machine without a known address has no C(ansible_host).
    type: list
    elements: str
    default: []
  port_label:
    description: Label of a machine that says C(ansible_port), a number from 1 to 65535. An empty text for none.
    type: str
    default: ansible_port
  user_label:
    description: Label of a machine that says C(ansible_user). An empty text for none.
    type: str
    default: ansible_user
  group_by:
    description:
      - The groups to make, with names that are made safe as Ansible does it (characters that are not allowed become underscores).
      - V(kind) makes C(vms) and C(hypervisors), V(state) C(state_running), V(hypervisor) C(hypervisor_NAME), V(storage) C(storage_NAME) for
        every storage in which there are disks, V(labels) C(label_KEY_VALUE), or C(label_KEY) for a label without a value.
    type: list
    elements: str
    choices: [kind, state, hypervisor, storage, labels]
    default: [kind, state, hypervisor, storage, labels]
  names:
    description: Only machines with a name that one of these shell patterns fits.
    type: list
    elements: str
    default: []
  states:
    description: Only machines in one of these states.
    type: list
    elements: str
    choices: [running, stopped, paused, crashed, suspended]
    default: []
  labels:
    description: Only machines that have all of these labels.
    type: dict
    default: {}
  hypervisors:
    description: Only hypervisors, and machines on hypervisors, with a name that one of these shell patterns fits.
    type: list
    elements: str
    default: []
  storages:
    description: Only machines that have a disk in a storage with a name that one of these shell patterns fits.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
# All machines, from the database that INTAKE_INVENTORY_DSN names
plugin: intake.vms.intake

---
# Running web servers from two hypervisors, without a database
plugin: intake.vms.intake
uris:
  - qemu+ssh://root@hv1.example.com/system
  - qemu+ssh://root@hv2.example.com/system
states: [running]
labels: {tier: web}
prefer: [10.0.0.0/8, 192.168.0.0/16]

---
# Hypervisors and machines, with groups and variables of one's own
plugin: intake.vms.intake
dsn: host=db.example.com dbname=inventory user=reader
hosts: both
group_by: [kind, state]
compose:
  memory_gib: intake_memory / 1024 ** 3
groups:
  large: intake_cpus | default(0) >= 8
keyed_groups:
  - key: intake_labels.site
    prefix: site
"""

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ..module_utils.errors import IntakeError, NotReachable, Refused
from ..plugin_utils.ask import hostvars, sources
from ..plugin_utils.database.client import plain
from ..plugin_utils.database.untrusted import literal

SUFFIXES = ("intake.yml", "intake.yaml")
FILTERS = ("names", "states", "labels", "hypervisors", "storages")
KINDS = {"vms": (hostvars.VM,), "hypervisors": (hostvars.HYPERVISOR,), "both": (hostvars.HYPERVISOR, hostvars.VM)}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads once, names all, then adds what passes the filters."""

    NAME = "intake.vms.intake"

    def verify_file(self, path):
        return path.endswith(SUFFIXES) and super().verify_file(path)

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        try:
            self.add_all(self.kept(path, cache, *self.source(config)))
        except IntakeError as error:
            raise AnsibleParserError(str(error)) from None

    def source(self, config):
        """(URIs, DSN), one of them empty."""
        uris, dsn = self.get_option("uris"), str(self.get_option("dsn") or "").strip()
        if uris and config.get("dsn"):
            raise Refused("dsn and uris are both given; an inventory file reads either the database or libvirt", "two_sources")
        if not uris and not dsn:
            raise Refused("there is nothing to read; give dsn (or INTAKE_INVENTORY_DSN) or uris", "no_source")
        return ([str(uri) for uri in uris], "") if uris else ([], dsn)

    def kept(self, path, cache, uris, dsn):
        """What was read, from the cache where that is allowed; what is not all of it is not kept."""
        if not self.get_option("cache"):
            return self.read(uris, dsn)[0]
        key = f"{self.get_cache_key(path)}_{hostvars.digest(uris, plain(dsn, dsn))}"
        if cache and key in self._cache:
            return self._cache[key]
        found, is_whole = self.read(uris, dsn)
        if is_whole:
            self._cache[key] = found
        return found

    def read(self, uris, dsn):
        """(hypervisors, whether all have answered)."""
        if dsn:
            return sources.from_database(dsn), True
        found, faults = sources.from_libvirt(uris, self.get_option("timeout"))
        strict = self.get_option("strict_sources")
        if faults and (not found or (self.get_option("strict") if strict is None else strict)):
            raise NotReachable("; ".join(faults.values()), "unreachable")
        for fault in faults.values():
            self.display.warning(f"{fault}; the others are listed")
        return found, not faults

    def add_all(self, hypervisors):
        """Add everything that passes the filters."""
        filters = {name: self.get_option(name) for name in FILTERS}
        self.prefix = hostvars.prefixed(self.get_option("variable_prefix"))
        self.preferred = hostvars.networks(self.get_option("prefer"))
        self.ways = (self.get_option("port_label"), self.get_option("user_label"))
        for name, wish, host, vm in hostvars.named(hypervisors, KINDS[self.get_option("hosts")], self.get_option("hostname")):
            if not hostvars.is_listed(host, vm, filters):
                continue
            if name != wish:
                kind = f"vm {wish} on {host['name']}" if vm else f"hypervisor {wish}"
                self.display.warning(f"{kind} is listed as {name}: the name is taken or means something else to Ansible")
            self.add(name, host, vm)

    def add(self, name, host, vm):
        """Add one host with its variables and groups."""
        self.inventory.add_host(literal(name))
        way, fault = hostvars.connection(host, vm, self.preferred, self.ways)
        if fault and self.get_option("strict"):
            raise Refused(fault, "invalid_port")
        if fault:
            self.display.warning(fault)
        for key, value in {**hostvars.variables(host, vm, self.prefix), **way}.items():
            self.inventory.set_variable(name, key, literal(value))
        for group in hostvars.groups(host, vm, self.get_option("group_by")):
            self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), name)
        self.construct(name)

    def construct(self, name):
        """The variables and groups that the file composes."""
        strict = self.get_option("strict")
        if self.get_option("compose"):
            self._set_composite_vars(self.get_option("compose"), self.inventory.get_host(name).get_vars(), name, strict)
            found = self.inventory.get_host(name).vars
            for key in set(found) & set(self.get_option("compose")):
                self.inventory.set_variable(name, key, literal(found[key]))
        if self.get_option("groups"):
            self._add_host_to_composed_groups(self.get_option("groups"), {}, name, strict)
        if self.get_option("keyed_groups"):
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, name, strict)
