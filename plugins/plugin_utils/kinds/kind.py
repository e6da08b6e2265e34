# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory knows of a kind of resource: one description, from which it is recorded, asked for, compared and exported."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...module_utils.units import parse_size

UNITS = ("TiB", "GiB", "MiB", "KiB")
SIZES = ("size", "memory", "maximum_memory", "bandwidth", "read_bandwidth", "write_bandwidth")


@dataclass(frozen=True)
class Kind:
    """A kind of resource; what a host has of it stands on the kinds before it in the registry.

    resource: its Resource class, which says noun, plural and spec. write(records, kind, entries) writes entries into its tables;
    write_passing(records, states) what else a look at the whole host tells.
    rows: SELECT of (noun, storage or NULL, name, asked, recorded, recorded_at) of a host's id. relations: {name: Relation} that can be
    asked for. passing: fields of a state that change by themselves, or are said by the info module alone. arguments: of the info
    module, when the inventory asks. kept: options that say how a resource is, and not what to do with it; options(said, found, storages)
    completes what an export says of one, is_kept(found) is False for one that no module keeps. in_storage: names are of a storage.
    stands_on_storages(found): True where a state names files, whose storages are recorded first. report: {heading: key} of a table.
    """

    resource: type
    write: object
    rows: str
    relations: dict
    passing: tuple
    kept: tuple
    report: dict
    arguments: dict = field(default_factory=dict)
    options: object = lambda said, found, storages: said
    is_kept: object = lambda found: True
    in_storage: bool = False
    write_passing: object = lambda records, states: None
    stands_on_storages: object = lambda found: False

    @property
    def noun(self):
        """The word for one of them."""
        return self.resource.noun

    @property
    def plural(self):
        """The word for many, which is also the key of the info module's result."""
        return self.resource.plural

    @property
    def info(self):
        """The module that lists them."""
        return f"intake_{self.noun}_info"

    def lasting(self, found):
        """A state without what passes, as it is kept and compared."""
        return {key: value for key, value in found.items() if key not in self.passing}

    def as_options(self, found, storages=()):
        """One as the info module lists it, as options of the module that keeps it; `storages`, likewise, name the volumes of disks."""
        said = self.options(chosen(self.resource.spec, {key: found.get(key) for key in self.kept}), found, storages)
        return {key: value for key, value in said.items() if value not in ([], {})}


def entry(kind, name, storage=None, found=None, asked=None):
    """What is told of one resource: `kind`, `name` and `storage` as they were asked for, `asked` (options without secrets, or None)
    and `found`, the state that the module reported, None where nothing is there.
    """
    return {"kind": kind, "name": name, "storage": storage, "asked": asked, "found": found}


def row(kind, entry):
    """The columns that every kind has; `found` gives the others."""
    return {"asked": entry["asked"], "recorded": kind.lasting(entry["found"]), "labels": entry["found"].get("labels") or {}}


def writer(table):
    """A writer for resources that a host has by their name, in a table of their own with the key (host_id, name)."""

    def write(records, kind, entries):
        gone = [one["name"] for one in entries if not one["found"]]
        if gone:
            records.connection.execute(f"DELETE FROM {table.name} WHERE host_id = %s AND name = ANY(%s)", (records.host.id, gone))
        rows = [{**one["found"], **row(kind, one), "host_id": records.host.id} for one in entries if one["found"]]
        table.write(records.connection, rows)

    return write


def chosen(spec, found):
    """The values that an option can say: what is not there, and what is none of its choices, is left out."""
    said = {key: value for key, value in found.items() if key in spec and value is not None and value in spec[key].get("choices", (value,))}
    return {key: sized(value) if key in SIZES else value for key, value in said.items()}


def sized(number):
    """Bytes as people write them, where that is exact."""
    return next((f"{number // parse_size(f'1{unit}')}{unit}" for unit in UNITS if number and number % parse_size(f"1{unit}") == 0), str(number))
