# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of the inventory: numbered SQL files, each applied once, in order, by one process at a time."""

from __future__ import annotations

from pathlib import Path

from ...module_utils.errors import Refused
from .client import SCHEMA, quoted

FOLDER = Path(__file__).resolve().parent / "migrations"
LOCK = 0x1A7A4E  # the key of the advisory lock of migrations
VERSIONS = f"""CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.schema_versions (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE {SCHEMA}.schema_versions IS 'Which migrations were applied';"""
HAS_TABLE = f"SELECT to_regclass('{SCHEMA}.schema_versions') IS NOT NULL"
LATER = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT"  # tables of later migrations
READ = f"GRANT USAGE ON SCHEMA {SCHEMA} TO {{0}}; GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {{0}}; {LATER} SELECT ON TABLES TO {{0}};"
WRITE = f"""GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {{0}}; {LATER} INSERT, UPDATE, DELETE ON TABLES TO {{0}};
REVOKE INSERT, UPDATE, DELETE ON {SCHEMA}.schema_versions FROM {{0}};"""


def migrations():
    """[(number, name, path)] of the files, in order."""
    found = [(int(path.stem.split("_", 1)[0]), path.stem, path) for path in FOLDER.glob("[0-9]*.sql")]
    return sorted(found)


def newest():
    """The version that this code works with."""
    return migrations()[-1][0]


def version(connection):
    """The version of the database's schema, 0 where there is none."""
    if not connection.execute(HAS_TABLE).fetchone()[0]:
        return 0
    return connection.execute(f"SELECT coalesce(max(version), 0) FROM {SCHEMA}.schema_versions").fetchone()[0]


def require(connection):
    """Refused unless the schema is the one this code works with."""
    found, wanted = version(connection), newest()
    refuse_newer(found)
    if found < wanted:
        there = f"has version {found} of the inventory's schema" if found else "has no inventory yet"
        raise Refused(f"the database {connection.info.dbname} {there}, needed is {wanted}; run intake_inventory with state: present", "schema_old")


def refuse_newer(found):
    """Refused for a schema that a newer collection made."""
    if found > newest():
        raise Refused(f"the inventory's schema has version {found}, this collection knows {newest()}; use the newer collection", "schema_newer")


def pending(connection):
    """The migrations that the database lacks."""
    found = version(connection)
    refuse_newer(found)
    return [migration for migration in migrations() if migration[0] > found]


def migrate(connection):
    """Apply what is missing, all or nothing; the names of the migrations that were applied."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(VERSIONS)
        connection.execute(f"SET LOCAL search_path = {SCHEMA}")
        applied = pending(connection)
        for number, name, path in applied:
            connection.execute(path.read_text(encoding="utf-8"))
            connection.execute(f"INSERT INTO {SCHEMA}.schema_versions (version, name) VALUES (%s, %s)", (number, name))
        return [name for _number, name, _path in applied]


def require_roles(connection, roles):
    """Refused unless all roles exist."""
    known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (roles,))}
    missing = sorted(set(roles) - known)
    if missing:
        raise Refused(f"the role {', '.join(missing)} does not exist in the database; make it first (role inventory_db does)", "role_missing")


def grants(connection, readers, writers):
    """{role: what it lacks}."""
    wanted = {**dict.fromkeys(readers, ("SELECT",)), **dict.fromkeys(writers, ("SELECT", "INSERT", "UPDATE", "DELETE"))}
    lacking = {}
    for role, rights in wanted.items():
        missing = [right for right in rights if not may(connection, role, right)]
        if missing:
            lacking[role] = missing
    return lacking


def may(connection, role, right):
    """True where a role has a right on every table and view (views and the list of versions are only read)."""
    kinds = ["r", "v"] if right == "SELECT" else ["r"]
    found = connection.execute(
        """SELECT bool_and(has_table_privilege(%s, pg_class.oid, %s) AND has_schema_privilege(%s, relnamespace, 'USAGE')) FROM pg_class
        WHERE relnamespace = to_regnamespace(%s) AND relkind = ANY(%s) AND (relname <> 'schema_versions' OR %s = 'SELECT')""",
        (role, right, role, SCHEMA, kinds, right),
    ).fetchone()[0]
    return bool(found)


def grant(connection, role, rights):
    """Give a role what it lacks."""
    for text in (READ, WRITE) if set(rights) - {"SELECT"} else (READ,):
        connection.execute(quoted(text, role))


def drop(connection):
    """Everything of the inventory, and nothing else in the database."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
