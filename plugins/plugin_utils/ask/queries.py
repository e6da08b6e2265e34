# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the inventory: what a task or a lookup asks for, as one statement that reads, and its rows as plain values."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from json import loads as json_of

from ansible.module_utils.common.validation import check_type_dict, check_type_list

from ...module_utils.errors import IntakeError, Refused
from ...module_utils.units import check_seconds
from ..arguments import validated
from ..database import schema
from ..database.client import binding, connected, json, plain, required, sentences
from ..kinds.columns import BYTES
from ..table import table
from .conditions import Parameters, conditions
from .relations import column, relations

LIMIT, MOST = 1000, 1_000_000  # rows
WIDEST = 60  # characters of a cell in the table for people
SPEC = {
    "dsn": {"type": "str", "no_log": True},
    "kind": {"type": "str"},
    "filters": {"type": "dict"},
    "fields": {"type": "list", "elements": "str"},
    "sort": {"type": "list", "elements": "str"},
    "sql": {"type": "str"},
    "params": {"type": "raw"},
    "limit": {"type": "int", "default": LIMIT},
    "timeout": {"type": "int", "default": 30},
}
OF_KIND = ("filters", "fields", "sort")
RULES = {
    "mutually_exclusive": [["sql", name] for name in ("kind", *OF_KIND)],
    "required_one_of": [["kind", "sql"]],
    "required_by": {**dict.fromkeys(OF_KIND, ["kind"]), "params": ["sql"]},
}


def options(given):
    """The options of a task or a lookup, with defaults; Refused for those that are none."""
    asked = validated(SPEC, given, **RULES)
    if asked["kind"] is not None and asked["kind"] not in relations():
        raise Refused(f"kind: there is no {asked['kind']!r}; there are {', '.join(relations())}", "unknown_kind")
    if not 1 <= asked["limit"] <= MOST:
        raise Refused(f"limit: {asked['limit']} is out of range; it is 1 to {MOST} rows", "invalid_limit")
    check_seconds(asked["timeout"])
    return asked


def ask(dsn, asked, purpose):
    """{"rows", "count", "truncated", "table"} of validated options. Raises IntakeError."""
    required(dsn)
    if asked["sql"] is None:
        text, parameters = statement(asked)
    else:
        text, parameters = asked["sql"], parameters_of(asked["params"])
    with sentences(dsn), connected(dsn, purpose) as connection:
        names, rows = read(connection, text, parameters, asked, dsn)
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise Refused(f"sql: more than one column is called {', '.join(twice)}; name them apart with AS", "invalid_sql")
    told, truncated = rows[: asked["limit"]], len(rows) > asked["limit"]
    more = [f"(the first {len(told)} rows; limit allows more)"] if truncated else []
    found = [dict(zip(names, map(value, row))) for row in told]
    return {"rows": found, "count": len(found), "truncated": truncated, "table": lines(names, told, asked["kind"]) + more}


def statement(asked):
    """(SELECT of a kind, parameters)."""
    kind, parameters = asked["kind"], Parameters()
    known = relations()[kind]
    fields = list(dict.fromkeys(asked["fields"] or known.fields))
    chosen = ", ".join(f'{column(kind, name, "fields")[1]} AS "{name}"' for name in fields)
    wanted = " AND ".join(conditions(kind, asked["filters"] or {}, parameters))
    order = [*(asked["sort"] or ()), *known.sort]
    sort = ", ".join(f"{column(kind, name.removeprefix('-'), 'sort')[1]} {'DESC' if name.startswith('-') else 'ASC'} NULLS LAST" for name in order)
    where = f" WHERE {wanted}" if wanted else ""
    return f"SELECT {chosen} FROM {known.source}{where} ORDER BY {sort} LIMIT {parameters.add(asked['limit'] + 1)}", parameters


PARAMETERS = "params: write a list of values for %s, or a dictionary for %(name)s"


def parameters_of(given):
    """The parameters of a statement of the user's, None without; ad hoc they are JSON."""
    try:
        if isinstance(given, str):
            given = json_of(given) if given.lstrip().startswith("[") else check_type_dict(given)
        if isinstance(given, dict):
            return {str(name): parameter(one) for name, one in given.items()}
        return given if given is None else [parameter(one) for one in check_type_list(given)]
    except (TypeError, ValueError):
        raise Refused(PARAMETERS, "invalid_params") from None


def parameter(given):
    """A value as a parameter; dictionaries are JSON."""
    return json(given) if isinstance(given, dict) else given


def read(connection, text, parameters, asked, dsn):
    """(names, rows) of one statement, one row more than asked for where there are more.

    The cursor takes only what reads, the protocol only one statement, and the transaction writes nothing and is rolled back.
    """
    connection.read_only = True
    with connection.transaction(force_rollback=True), refusals(asked, dsn):
        connection.execute("SELECT set_config('TimeZone', 'UTC', true), set_config('statement_timeout', %s, true)", (f"{asked['timeout']}s",))
        schema.require(connection)
        with connection.cursor("intake_query") as cursor:
            cursor.execute(text, parameters)
            return [about.name for about in cursor.description], cursor.fetchmany(asked["limit"] + 1)


@contextlib.contextmanager
def refusals(asked, dsn):
    """Turns errors of the statement into ours; those of the connection pass."""
    errors = binding().errors
    try:
        yield
    except errors.QueryCanceled:
        raise IntakeError(f"the query took longer than {asked['timeout']} s; timeout allows more", "query_timeout") from None
    except errors.OperationalError:
        raise
    except (errors.Error, TypeError) as error:
        if asked["sql"] is None or isinstance(error, errors.InsufficientPrivilege):
            raise
        advice = "; it takes one statement that reads: SELECT, WITH, VALUES or TABLE" if isinstance(error, errors.SyntaxError) else ""
        raise Refused(f"sql: {plain(error, dsn)}{advice}", "invalid_sql") from None


def value(found):
    """A value of the database as JSON has it: times ISO 8601 and in UTC, intervals as seconds."""
    if found is None or isinstance(found, (bool, int, str)):
        return found
    if isinstance(found, Decimal):
        return int(found) if found.is_finite() and found == found.to_integral_value() else value(float(found))
    if isinstance(found, float):
        return found if math.isfinite(found) else str(found)
    if isinstance(found, dict):
        return {str(key): value(inner) for key, inner in found.items()}
    if isinstance(found, (list, tuple)):
        return [value(inner) for inner in found]
    if isinstance(found, datetime):
        return (found.astimezone(timezone.utc) if found.tzinfo else found).isoformat()
    if isinstance(found, timedelta):
        return found.total_seconds()
    if isinstance(found, bytes):
        return found.hex()
    return found.isoformat() if isinstance(found, (date, time)) else str(found)


def lines(names, rows, kind):
    """The rows as lines for people."""
    if not names:
        return []
    sizes = [bool(kind) and column(kind, name, "fields")[0] == BYTES for name in names]
    headings = [name.upper().replace("_", " ") if kind else name for name in names]
    keys = [f"{number}|size" if is_size else str(number) for number, is_size in enumerate(sizes)]
    cells = [{str(number): cell(found) for number, found in enumerate(row)} for row in rows]
    return table(cells, dict(zip(headings, keys)))


def cell(found):
    """A value as one line, and not too wide."""
    if isinstance(found, datetime):
        return f"{found:%Y-%m-%d %H:%M:%S}"
    found = value(found)
    if isinstance(found, float):
        return round(found, 2)
    if isinstance(found, (list, dict)):
        found = ", ".join(str(one) if isinstance(found, list) else f"{one}={found[one]}" for one in found)
    if not isinstance(found, str):
        return found
    text = "".join(one if one.isprintable() else " " for one in found)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."
