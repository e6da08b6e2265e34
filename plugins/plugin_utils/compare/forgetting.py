# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypervisors that are no more: their rows go, and what they alone had; the journal keeps what was done on them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ...module_utils.errors import Refused
from ..kinds import KINDS
from ..kinds.storage import drop_unused, hold_storages
from ..record.ledger import orphans

FIND = """SELECT word, hosts.id, uuid::text, hosts.name, hostname, synced_at FROM unnest(%s::text[]) AS word JOIN hosts ON hosts.name = word
    OR uuid::text = lower(word) OR EXISTS (SELECT FROM host_names WHERE host_id = hosts.id AND host_names.name = word) ORDER BY hosts.id"""
NAMES = "SELECT name FROM host_names WHERE host_id = %s UNION SELECT name FROM hosts WHERE id = %s ORDER BY name"
HOSTS = """SELECT name, uuid::text, (SELECT count(*) FROM vms WHERE host_id = hosts.id) AS vms,
    (SELECT count(*) FROM host_storages WHERE host_id = hosts.id) AS storages FROM hosts WHERE id = ANY(%s) ORDER BY name, uuid"""
STORAGES = """SELECT name, identity, (SELECT count(*) FROM volumes WHERE storage_id = storages.id) AS volumes,
    (SELECT count(*) FROM images WHERE storage_id = storages.id) AS images FROM storages
    WHERE id = ANY(%s) AND NOT EXISTS (SELECT FROM host_storages WHERE storage_id = storages.id) ORDER BY name, identity"""
ORPHANED = "its end was not seen; the host was forgotten"


@dataclass
class Gone:
    """Rows that go: hosts, storages that no other host has, and entries of the journal that nobody will end any more."""

    hosts: list = field(default_factory=list)
    storages: list = field(default_factory=list)
    operations: list = field(default_factory=list)

    def lines(self):
        """The same for people."""
        return [
            *("host {name} ({uuid}): {vms} vms, {storages} storages".format(**one) for one in self.hosts),
            *("storage {name} ({identity}), which no other host has: {volumes} volumes, {images} images".format(**one) for one in self.storages),
            *(f"open entry {one['id']} of the journal: {one['module']} {', '.join(one['names'])}" for one in self.operations),
        ]


def named(connection, words):
    """({id: (name, UUID)} of hosts by names or UUIDs, words that fit none). Refused for a name that fits several."""
    found = {}
    for word, *host in connection.execute(FIND, (sorted(set(words)),)):
        found.setdefault(word, []).append(host)
    for word, hosts in found.items():
        if len(hosts) > 1:
            which = ", ".join(f"{uuid} ({hostname or name}, {seen(synced_at)})" for _id, uuid, name, hostname, synced_at in hosts)
            raise Refused(f"{word} fits {len(hosts)} hosts of the inventory: {which}; name the one by its UUID", "ambiguous_host")
    hosts = {number: (name, uuid) for [[number, uuid, name, *_more]] in found.values()}
    return dict(sorted(hosts.items())), sorted(set(words) - set(found))


def seen(synced_at):
    """When all a host had was taken in."""
    return f"synced {synced_at:%Y-%m-%d %H:%M:%S %Z}" if synced_at else "never synced"


def lock(ledger, hosts, seconds):
    """Hold all of these hosts under each of their names, in the order of everybody else; at most so many seconds are waited for all."""
    deadline = time.monotonic() + seconds
    for number, (name, uuid) in hosts.items():
        words = [known for (known,) in ledger.connection.execute(NAMES, (number, number))]
        for kind in KINDS:
            try:
                ledger.lock([*words, uuid], kind, None, max(0, round(deadline - time.monotonic())))
            except Refused as error:
                raise Refused(f"{name} ({uuid}): {error}", error.reason) from None


def forget(connection, locked, words):
    """(Gone, words that fit no host); in a transaction of the caller's, who holds the locks of these hosts."""
    hosts, unknown = named(connection, words)
    fresh = [f"{name} ({uuid})" for number, (name, uuid) in hosts.items() if number not in locked]
    if fresh:
        raise Refused(f"{', '.join(fresh)} was recorded under a name that is to be forgotten, just now; look again", "changed_meanwhile")
    numbers = list(hosts)
    connection.execute("SELECT FROM hosts WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (numbers,))
    gone = Gone(dicts(connection.execute(HOSTS, (numbers,))), [], [one for number in numbers for one in orphans(connection, number, list(KINDS))])
    ended = [one["id"] for one in gone.operations]
    connection.execute("UPDATE operations SET status = 'unknown', ended_at = now(), message = %s WHERE id = ANY(%s)", (ORPHANED, ended))
    storages = [number for (number,) in connection.execute("SELECT DISTINCT storage_id FROM host_storages WHERE host_id = ANY(%s)", (numbers,))]
    connection.execute("DELETE FROM hosts WHERE id = ANY(%s)", (numbers,))
    gone.storages = forget_storages(connection, storages)
    return gone, unknown


def forget_storages(connection, numbers):
    """Those of these storages that no host has any more. They are held first: whoever takes one up or leaves it has then ended."""
    hold_storages(connection, [], numbers)
    gone = dicts(connection.execute(STORAGES, (numbers,)))
    drop_unused(connection, numbers)
    return gone


def dicts(cursor):
    """Rows by the names of their columns."""
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]
