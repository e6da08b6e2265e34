# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters as SQL: every value is a parameter, every column and operator is one of those there are."""

from __future__ import annotations

import re
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

from ansible.module_utils.parsing.convert_bool import boolean

from ...module_utils.errors import Refused
from ...module_utils.units import parse_size
from ..database.client import json
from ..kinds.columns import BYTES, FLAG, INTEGER, JSON, LABELS, LIST, MAC, NUMBER, TEXT, TIME, UUID
from .relations import column

ORDERED = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
NEGATED = {"ne": "eq", "not_like": "like"}
WORDS = ("eq", "ne", "like", "not_like")
OPERATORS = {
    **dict.fromkeys((TEXT, UUID, MAC), (*WORDS, *ORDERED)),
    **dict.fromkeys((INTEGER, NUMBER, BYTES, TIME), ("eq", "ne", *ORDERED)),
    FLAG: ("eq", "ne"),
    LIST: WORDS,
}
AGO = re.compile(r"([0-9]{1,6}) *(second|minute|hour|day|week)s? ago\Z")
LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_", "*": "%", "?": "_"})


class Parameters(dict):
    """The parameters of a statement, each by a name of its own."""

    def add(self, value):
        """The placeholder of one more value."""
        name = f"p{len(self)}"
        self[name] = value
        return f"%({name})s"


def conditions(kind, filters, parameters):
    """SQL expressions, all of which a row has to fulfil; the values go to `parameters`."""
    found = []
    for name, wanted in filters.items():
        of, expression = column(kind, name, "filters")
        if of != LABELS:
            found += column_conditions(of, expression, wanted, f"filters: {name}", parameters)
            continue
        if not isinstance(wanted, dict):
            raise Refused(f"filters: {name}: write a dictionary of labels, such as {{tier: web}}", "invalid_filter")
        for label, value in wanted.items():
            of_label = f"({expression} ->> {parameters.add(text_of(label, name))})"
            found += column_conditions(TEXT, of_label, value, f"filters: {name}: {label}", parameters)
    return found


def column_conditions(of, expression, wanted, what, parameters):
    """The conditions of one column: a value, a list of values, or a dictionary of operators."""
    if of == JSON:
        return [contained(expression, wanted, what, parameters)]
    asked = wanted if isinstance(wanted, dict) else {"eq": wanted}
    for operator in asked:
        if operator not in OPERATORS[of]:
            raise Refused(f"{what}: there is no operator {operator!r} for a {of}; there are {', '.join(OPERATORS[of])}", "unknown_operator")
    one = of_list if of == LIST else of_value
    found = []
    for operator, value in asked.items():
        positive = one(of, expression, NEGATED.get(operator, operator), value, what, parameters)
        found.append(f"({positive}) IS NOT TRUE" if operator in NEGATED else f"({positive})")
    return found


def contained(expression, wanted, what, parameters):
    """JSON that has at least this in it."""
    if wanted is None:
        return f"{expression} IS NULL"
    if not isinstance(wanted, dict):
        raise Refused(f"{what}: write a dictionary, all of which must be in the column, or null", "invalid_filter")
    return f"{expression} @> {parameters.add(json(wanted))}"


def of_list(_of, expression, operator, value, what, parameters):
    """A list in which an element fulfils a condition; null is an empty one."""
    if value is None:
        return f"coalesce(cardinality({expression}), 0) = 0"
    return f"EXISTS (SELECT FROM unnest({expression}) AS one WHERE {of_value(TEXT, 'one', operator, value, what, parameters)})"


def of_value(of, expression, operator, value, what, parameters):
    """One value beside what is asked for; a list means any of it."""
    if operator in ORDERED:
        if value is None or isinstance(value, list):
            raise Refused(f"{what}: {operator} needs one value", "invalid_filter")
        return f"{expression} {ORDERED[operator]} {parameters.add(READERS[of](value, what))}"
    values = value if isinstance(value, list) else [value]
    read = pattern_of(of) if operator == "like" else READERS[of]
    given = [read(one, what) for one in values if one is not None]
    comparison = "LIKE" if operator == "like" else "="
    alternatives = [f"{expression} {comparison} {parameters.add(one)}" for one in given]
    alternatives += [f"{expression} IS NULL"] if None in values else []
    return " OR ".join(alternatives) or "false"


def pattern_of(of):
    """A reader of shell patterns of * and ?, which makes them patterns of LIKE."""

    def run(value, what):
        text = text_of(value, what).translate(LIKE)
        return text if of == TEXT else text.lower()

    return run


def text_of(value, what):
    """A text as it is kept."""
    if isinstance(value, (dict, list)):
        raise Refused(f"{what}: {value!r} is not a text", "invalid_filter")
    if "\0" in str(value):
        raise Refused(f"{what}: no text of the inventory has a NUL character", "invalid_filter")
    return str(value)


def reader(kind, example, read):
    """A reader of values of a type, with a sentence for those that are none."""

    def run(value, what):
        try:
            return read(text_of(value, what).strip())
        except (ValueError, TypeError, InvalidOperation, OverflowError):
            raise Refused(f"{what}: {value!r} is no {kind}; write for example {example}", "invalid_filter") from None

    return run


def finite(text):
    """A number."""
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def mac(text):
    """A MAC address as PostgreSQL writes it."""
    digits = re.sub(r"[:.-]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise ValueError(text)
    return ":".join(re.findall("..", digits))


def moment(text):
    """A time, in UTC where no zone is given."""
    ago = AGO.match(text)
    if ago:
        return datetime.now(timezone.utc) - timedelta(**{f"{ago.group(2)}s": int(ago.group(1))})
    if len(text) == len("2026-01-31"):
        parsed = datetime.combine(date.fromisoformat(text), datetime.min.time())
    else:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def size(value, what):
    """Bytes; unlike the size of a disk, nothing is a size too."""
    return 0 if str(value).strip() == "0" else parse_size(value, what)


READERS = {
    TEXT: text_of,
    UUID: reader(UUID, "6f2d1c1e-5d3f-4a65-9d5f-0c8f6a0b7a11", lambda text: str(uuid.UUID(text))),
    MAC: reader(MAC, "52:54:00:12:34:56", mac),
    INTEGER: reader(INTEGER, "2", int),
    NUMBER: reader(NUMBER, "12.5", finite),
    FLAG: reader(FLAG, "true", boolean),
    TIME: reader(TIME, "2026-01-31T12:00:00Z, 2026-01-31 or 2 hours ago", moment),
    BYTES: size,
}
