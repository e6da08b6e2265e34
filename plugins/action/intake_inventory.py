# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""intake_inventory, which runs on the controller: tables made and removed here, hosts asked through their info modules."""

from __future__ import annotations

from ..module_utils.errors import Refused
from ..module_utils.flow.runner import WRITING
from ..plugin_utils.arguments import validated
from ..plugin_utils.compare import drift, forgetting, survey
from ..plugin_utils.controller import Controller
from ..plugin_utils.database import schema
from ..plugin_utils.database.client import connected, required, sentences
from ..plugin_utils.kinds import KINDS
from ..plugin_utils.record.ledger import Ledger, orphans
from ..plugin_utils.record.records import Records
from ..plugin_utils.table import table

SPEC = {
    "state": {"type": "str", "choices": ["present", "absent", "synced", "checked", "forgotten"], "default": "present"},
    "dsn": {"type": "str", "no_log": True},
    "confirm": {"type": "str"},
    "readers": {"type": "list", "elements": "str", "default": []},
    "writers": {"type": "list", "elements": "str", "default": []},
    "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "hosts": {"type": "list", "elements": "str"},
    **WRITING,
}
ORPHAN = {"OPEN ENTRY": "id", "MODULE": "module", "ABOUT": "names", "USER": "controller_user", "CONTROLLER": "controller", "SINCE": "started_at"}


class ActionModule(Controller):
    """The tables themselves, or the host of the play beside them."""

    def perform(self, task_vars):
        params = validated(SPEC, dict(self._task.args), required_if=[("state", "forgotten", ["hosts"])])
        dsn = required(params["dsn"] or self.dsn(task_vars))
        works = {"present": self.present, "absent": self.absent, "synced": self.compared, "checked": self.compared, "forgotten": self.forgotten}
        work = works[params["state"]]
        with sentences(dsn), connected(dsn, self.purpose(task_vars)) as connection:
            return work(connection, dsn, params, task_vars)

    def present(self, connection, dsn, params, task_vars):
        """Migrations, then rights."""
        pending = [name for _number, name, _path in schema.pending(connection)]
        schema.require_roles(connection, params["readers"] + params["writers"])
        if pending and self._task.check_mode:
            lacking = {role: ["SELECT"] for role in params["readers"] + params["writers"]}
        else:
            pending = schema.migrate(connection) if pending else []
            lacking = schema.grants(connection, params["readers"], params["writers"])
        for role, rights in lacking.items() if not self._task.check_mode else ():
            schema.grant(connection, role, rights)
        after = [f"migration {name}" for name in pending] + [f"rights of {role}: {', '.join(rights)}" for role, rights in sorted(lacking.items())]
        diff = {"before": "", "after": "".join(f"{line}\n" for line in after)}
        return {"changed": bool(after), "migrations": pending, "version": schema.newest(), "diff": diff}

    def absent(self, connection, dsn, params, task_vars):
        """All tables, with the database's name as consent."""
        found, name = schema.version(connection), connection.info.dbname
        if found and params["confirm"] != name:
            raise Refused(f"state: absent removes all that was recorded in the database {name}; confirm: {name} consents to that", "confirm_missing")
        if found and not self._task.check_mode:
            schema.drop(connection)
        diff = {"before": f"version {found}\n" if found else "", "after": ""}
        return {"changed": bool(found), "version": 0 if not self._task.check_mode else found, "diff": diff}

    def compared(self, connection, dsn, params, task_vars):
        """The record beside what the host has; taken in where it shall be. Nobody else works on the host meanwhile."""
        ledger = Ledger(connection, dsn)
        hosts = ledger.hosts(self.names(params["uri"], task_vars)[0])
        kinds = [kind for kind in KINDS if kind in ("storage", *params["kinds"])]
        for kind in kinds:
            ledger.lock(hosts, kind, None, params["lock_timeout"])
        seen = survey.survey(lambda module, arguments: self.call(module, arguments, task_vars), kinds, params["uri"])
        with connection.transaction(force_rollback=params["state"] == "checked" or self._task.check_mode):
            records = Records(connection, self.host(seen.hypervisor, params["uri"], task_vars))
            rows = survey.rows_of(connection, records.host.id, kinds)
            found, left = survey.differences(rows, seen, params["ignore"]), orphans(connection, records.host.id, kinds)
            survey.take_in(records, rows, seen, kinds, left)
        return told(params["state"], survey.plain(found), survey.plain(left), seen.missed())

    def forgotten(self, connection, dsn, params, task_vars):
        """Hosts by their names or UUIDs, whatever the host of the play. Nobody works on them meanwhile, and nothing is asked of them."""
        ledger = Ledger(connection, dsn)
        hosts, _unknown = forgetting.named(connection, params["hosts"])
        forgetting.lock(ledger, hosts, params["lock_timeout"])
        with connection.transaction(force_rollback=self._task.check_mode):
            gone, unknown = forgetting.forget(connection, hosts, params["hosts"])
        said = {"msg": f"the inventory knows no host {', '.join(unknown)}"} if unknown else {}
        found = {"hosts": gone.hosts, "storages": gone.storages, "operations": survey.plain(gone.operations), "unknown": unknown, "table": gone.lines()}
        return {**said, **found, "changed": bool(gone.hosts), "diff": {"before": "".join(f"{line}\n" for line in gone.lines()), "after": ""}}


def told(state, found, left, unseen):
    """The result: differences and open entries, as data and as lines."""
    lines = [*(table(found, drift.COLUMNS) if found else []), *(table(left, ORPHAN) if left else [])]
    result = {"changed": state == "synced" and bool(found or left), "drift": found, "operations": left, "unseen": unseen, "table": lines}
    return {**result, "diff": {"before": "", "after": "".join(f"{line}\n" for line in lines)}} if state == "synced" else result
