# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks of a writing module, as the inventory keeps it: items by name, without secrets."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ...module_utils.errors import Refused
from ...module_utils.flow.runner import HIDDEN, hidden, said, secrets_of, writing_spec
from ..arguments import validated
from ..kinds.kind import entry


@dataclass
class Order:
    """The items of a call: dicts with `name`, `storage` (None where the kind has none) and `asked`."""

    kind: str
    items: list
    arguments: dict
    lock_timeout: int = 60
    uri: str = ""

    @property
    def names(self):
        """What the call is about, as words for people and for locks."""
        return ["/".join(filter(None, (item["storage"], item["name"]))) for item in self.items]


def order_of(resource, args, secret=False):
    """The Order of a task's arguments; Refused for those that the module would refuse before it looks at anything.

    The items themselves are left to the module, which knows their options.
    """
    given = said(json.loads(json.dumps(args, default=str)))
    known = said(validated(writing_spec(resource), given))
    params = {key: known[key] for key in given if key in known}
    flat = {key: value for key, value in params.items() if key in resource.spec}
    items = [{**flat, **said(item)} for item in params.get(resource.plural, [{}])]
    if not all(item.get("name") for item in items):
        raise Refused(f"every {resource.noun} needs a name", "name_missing")
    secrets = {str(value) for item in (flat, *items) for value in (*secrets_of(item, resource.spec), *resource.secrets(item)) if value}
    asked = [None if secret else without(hidden(item), secrets) for item in items]
    entries = [{"name": str(item["name"]), "storage": item.get("storage") and str(item["storage"]), "asked": kept} for item, kept in zip(items, asked)]
    arguments = None if secret else without(hidden({key: value for key, value in params.items() if key != resource.plural}), secrets)
    if arguments is not None and resource.plural in params:
        arguments[resource.plural] = asked
    return Order(resource.noun, entries, arguments, known["lock_timeout"], known["uri"])


def without(value, secrets):
    """A copy in which no secret is left, wherever it stands."""
    if isinstance(value, dict):
        return {key: without(inner, secrets) for key, inner in value.items() if not key.startswith("_")}
    if isinstance(value, list):
        return [without(inner, secrets) for inner in value]
    return HIDDEN if isinstance(value, str) and any(secret in value for secret in secrets) else value


def entries_of(order, result, describes=True):
    """The entries that a module's result tells of: what was found where, beside what was asked for."""
    entries = []
    for item, report in zip(order.items, result.get("resources") or ()):  # in the order of the call
        asked = item["asked"] if describes and report["state"] and not report["error"] else None
        entries.append(entry(order.kind, item["name"], item["storage"], report["state"], asked))
    return entries
