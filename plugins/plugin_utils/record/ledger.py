# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal and the locks of one call: a row before the host is touched, and its end together with what the host has then."""

from __future__ import annotations

import hashlib
import time

from ...module_utils.errors import Refused
from ..database import schema
from ..database.client import binding, json

MANY = 100  # a call with more resources locks their kind on the host instead: the server's table of locks is not endless
CHANNEL = "intake_vms"
CALL = "SELECT key, shared, CASE WHEN shared THEN {0}_shared(key) ELSE {0}(key) END FROM unnest(%s::bigint[], %s::boolean[]) AS wanted (key, shared)"


ORPHANS = """SELECT id, module, names, controller_user, controller, started_at FROM operations
    WHERE status = 'started' AND kind = ANY(%s)
    AND (host_id = %s OR host_id IS NULL AND host_name IN (SELECT name FROM host_names WHERE host_names.host_id = %s))
    AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = session AND coalesce(backend_start <= started_at, true)) ORDER BY id"""


class Ledger:
    """One connection, for one call of one module on one host."""

    def __init__(self, connection, dsn, number=None):
        self.connection, self.dsn, self.number = connection, dsn, number
        schema.require(connection)

    def again(self, connection):
        """The same entry on another connection, without the locks."""
        return Ledger(connection, self.dsn, self.number)

    def hosts(self, name):
        """What a host is locked by: its name in the Ansible inventory, and its UUID where it was reached by that name before."""
        rows = self.connection.execute("SELECT uuid::text FROM hosts JOIN host_names ON host_id = id WHERE host_names.name = %s", (name,))
        return [name, *(uuid for (uuid,) in rows)]

    def lock(self, hosts, kind, names, seconds):
        """Hold these resources of a host, all of the kind without names, until the connection ends.

        Refused with who has them after so many seconds.
        """
        single = names if names and len(names) <= MANY else []
        keys = [(key_of(f"{host}/{kind}"), bool(single)) for host in hosts]
        keys += [(key, False) for key in sorted({key_of(f"{host}/{kind}/{name}") for host in hosts for name in single})]
        if self.taken(keys):
            return
        deadline = time.monotonic() + seconds
        for key, shared in keys:
            try:
                self.wait(key, shared, max(0.001, deadline - time.monotonic()))
            except binding().errors.LockNotAvailable:
                holder = self.holder(key) or "another run"
                which = f"{kind} {', '.join(sorted(names)[:3])}{', ...' if len(names) > 3 else ''}" if names else f"every {kind} of the host"
                raise Refused(f"{which}: {holder} works on it, after {seconds} s still; lock_timeout allows to wait longer", "locked") from None

    def taken(self, keys):
        """True where all locks were free and are ours now, by one question; else none of them is."""
        got = self.connection.execute(CALL.format("pg_try_advisory_lock"), ([key for key, _shared in keys], [shared for _key, shared in keys])).fetchall()
        if all(free for _key, _shared, free in got):
            return True
        ours = [(key, shared) for key, shared, free in got if free]
        self.connection.execute(CALL.format("pg_advisory_unlock"), ([key for key, _shared in ours], [shared for _key, shared in ours]))
        return False

    def wait(self, key, shared, seconds):
        """Wait for one lock; the locks are waited for in the same order by everyone."""
        with self.connection.transaction():
            self.connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{max(1, int(seconds * 1000))}ms",))
            self.connection.execute(CALL.format("pg_advisory_lock"), ([key], [shared]))

    def holder(self, key):
        """Who has a lock, from the journal, or what its session calls itself."""
        high, low = (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF
        found = self.connection.execute(
            """SELECT pg_stat_activity.application_name, operations.controller_user, operations.controller, operations.job, operations.started_at
            FROM pg_locks JOIN pg_stat_activity USING (pid)
            LEFT JOIN LATERAL (SELECT * FROM operations WHERE session = pg_locks.pid AND status = 'started' ORDER BY id DESC LIMIT 1) AS operations ON true
            WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND pg_locks.pid <> pg_backend_pid() LIMIT 1""",
            (high, low),
        ).fetchone()
        if not found:
            return None
        name, user, controller, job, since = found
        if not user:
            return name
        return f"{user}@{controller}{f', job {job},' if job else ''} (since {since:%Y-%m-%d %H:%M:%S %Z})"

    def begin(self, entry):
        """The journal's row of a call that starts now."""
        columns = ("host_name", "module", "kind", "names", "controller", "controller_user", "play", "task", "job")
        values = [entry.get(column) for column in columns] + [json(entry.get("arguments"))]
        host = "(SELECT host_id FROM host_names WHERE name = %s)"
        self.number = self.connection.execute(
            f"INSERT INTO operations ({', '.join(columns)}, arguments, host_id) VALUES ({', '.join(['%s'] * len(values))}, {host}) RETURNING id",
            [*values, entry["host_name"]],
        ).fetchone()[0]

    def end(self, status, host_id=None, changed=(), message=None):
        """The end of it, and word to whoever listens."""
        self.connection.execute(
            """WITH ended AS (UPDATE operations SET status = %s, ended_at = now(), host_id = coalesce(%s, host_id), changed = %s, message = %s
            WHERE id = %s RETURNING id, host_name, kind, status)
            SELECT pg_notify(%s, to_jsonb(ended)::text) FROM ended""",
            (status, host_id, list(changed), message, self.number, CHANNEL),
        )


def key_of(words):
    """A signed 64-bit number for a lock."""
    return int.from_bytes(hashlib.sha256(f"intake.vms/{words}".encode()).digest()[:8], "big", signed=True)


def orphans(connection, host_id, kinds):
    """The journal's entries of a host, about these kinds, whose end nobody saw: their session with the database is gone.

    The times of other users' sessions are hidden from a role without pg_read_all_stats: those count as being there.
    """
    names = ("id", "module", "names", "controller_user", "controller", "started_at")
    return [dict(zip(names, row)) for row in connection.execute(ORPHANS, (kinds, host_id, host_id))]
