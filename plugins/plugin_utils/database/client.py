# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only importer of psycopg: a connection to the database of the inventory, and its errors in sentences without passwords."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json as encoder
import os
import re
from urllib.parse import unquote

from ...module_utils.errors import IntakeError, NotReachable, Refused

VARIABLE = "intake_inventory_dsn"
SCHEMA = "intake"
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30000}  # seconds, and ms for the last
CONNECT = 10  # seconds to wait for the database, all addresses together
PASSWORDS = re.compile(r"(?P<user>://[^:/@\s]*:)\S*(?=@)|(?P<word>password\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&]+)", re.I)


if os.environ.get(VARIABLE.upper()):  # the process that starts the workers pays for the import, once
    with contextlib.suppress(ImportError):
        importlib.import_module("psycopg")


def dsn_of(value):
    """The DSN of a task: the value of its variable, else of the environment; None where there is no inventory."""
    return str(value or os.environ.get(VARIABLE.upper()) or "").strip() or None


def required(dsn):
    """The same DSN; Refused where there is none."""
    if not dsn:
        raise Refused(f"there is no inventory; set {VARIABLE} to the connection string of its database", "dsn_missing")
    return dsn


@contextlib.contextmanager
def connected(dsn, purpose="intake.vms"):
    """A connection in autocommit mode, closed at the end. Raises NotReachable, and Refused for a DSN that is none."""
    psycopg = binding()
    try:
        words = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error as error:
        raise Refused(f"{VARIABLE} is not a connection string of PostgreSQL: {plain(error, dsn)}", "invalid_dsn") from None
    defaults = {"connect_timeout": CONNECT, "application_name": purpose[:63], **ALIVE}
    try:
        connection = psycopg.connect(**{**defaults, **words, "autocommit": True})
    except psycopg.Error as error:
        raise NotReachable(f"the inventory's database is not reached: {plain(error, dsn)}", "inventory_unreachable") from None
    connection.adapters.register_dumper(str, text_dumper())
    with connection:
        connection.execute(f"SET search_path = {SCHEMA}")
        yield connection


@contextlib.contextmanager
def sentences(dsn):
    """Turns errors of the database into ours."""
    psycopg = binding()
    try:
        yield
    except psycopg.OperationalError as error:
        raise NotReachable(f"the inventory's database went away: {plain(error, dsn)}", "inventory_unreachable") from None
    except psycopg.errors.ReadOnlySqlTransaction:
        raise NotReachable("the inventory's database cannot be written; is it a standby?", "inventory_read_only") from None
    except psycopg.Error as error:
        raise IntakeError(f"the inventory's database said: {plain(error, dsn)}", "inventory_error") from None


def binding():
    """psycopg, imported at the first use: it takes a tenth of a second, and most calls have no inventory."""
    try:
        import psycopg
    except ImportError:
        raise Refused("the inventory needs the Python package psycopg (version 3) where Ansible runs; install psycopg[binary]", "psycopg_missing") from None
    return psycopg


def json(value):
    """A value as a parameter of type jsonb."""
    from psycopg.types.json import Jsonb

    return Jsonb(value, dumps=encoded)


def encoded(value):
    """JSON as PostgreSQL takes it."""
    text = encoder.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "replace").decode()
    return NUL.sub("\\1\ufffd", text) if "\\u0000" in text else text


def storable(text):
    """A text as PostgreSQL takes it: without NUL, and without halves of characters, which names of files may have."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


@functools.cache
def text_dumper():
    """What makes parameters of texts, the same as those in JSON."""
    from psycopg.types.string import StrDumperUnknown

    class Storable(StrDumperUnknown):
        def dump(self, obj):
            return super().dump(storable(obj))

    return Storable


def quoted(text, name):
    """A statement for the name of a role or table, which cannot be a parameter."""
    from psycopg import sql

    return sql.SQL(text).format(sql.Identifier(name))


def plain(error, dsn):
    """The first line of an error, without a password, in whatever form it stands there."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    for found in PASSWORDS.finditer(dsn):
        secret = found.group(0)[len(found.group("user") or found.group("word")) :]
        for form in (secret, secret.strip("'"), unquote(secret)):
            text = text.replace(form, "***") if len(form) > 3 else text
        rest = secret.rpartition("@")[2]  # with an @ that is not escaped, what follows it is taken for the host
        text = text.replace(f"{rest}@", "***@") if found.group("user") and rest else text
    return PASSWORDS.sub(lambda found: (found.group("user") or found.group("word")) + "***", text)
