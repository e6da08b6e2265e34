# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' own code on the real hypervisor, without the second that Ansible's start costs; a child of it can be killed."""

from __future__ import annotations

import os
from types import SimpleNamespace

from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError
from ansible_collections.intake.vms.plugins.module_utils.flow.converge import converge, summary
from ansible_collections.intake.vms.plugins.module_utils.flow.runner import merged_items, writing_spec
from ansible_collections.intake.vms.plugins.module_utils.host import silence
from ansible_collections.intake.vms.plugins.module_utils.host.hypervisor import session


class Modules:
    """The writing module of a resource and its info twin, called as Ansible would call them."""

    def __init__(self, resource, info_spec):
        self.resource, self.info_spec = resource, info_spec

    def run(self, check=False, **options):
        """The result of the writing module."""
        params = {**{key: option.get("default") for key, option in writing_spec(self.resource).items()}, **options}
        entrypoint = SimpleNamespace(params=params, no_log_values=set())
        silence.FOUND.clear()  # a process asks once what is mounted
        try:
            with session("qemu:///system") as hypervisor:
                busy = self.resource(hypervisor, params)
                return summary(busy, converge(busy, merged_items(entrypoint, self.resource), check))
        except IntakeError as error:
            return {"failed": True, "changed": False, "msg": str(error), "reason": error.reason}

    def info(self, **options):
        """The result of the info module."""
        params = {**{key: option.get("default") for key, option in self.info_spec.items()}, **options}
        silence.FOUND.clear()
        with session("qemu:///system") as hypervisor:
            return self.resource(hypervisor, params).list(params)

    def ensure(self, changed=True, **options):
        """A check run, a real run that did what was predicted, a second run without change; the real run's result."""
        predicted, done, again = self.run(check=True, **options), self.run(**options), self.run(**options)
        assert not done.get("failed"), done["msg"]
        assert done["changed"] is predicted["changed"] is changed, (predicted, done)
        assert [entry["steps"] for entry in predicted["resources"]] == [entry["steps"] for entry in done["resources"]]
        assert predicted["diff"] == done["diff"]
        assert not again.get("failed") and not again["changed"], again
        return done

    def refuse(self, reason, **options):
        """The call fails with this reason, in check mode as well; the sentence."""
        for check in (True, False):
            result = self.run(check=check, **options)
            assert result.get("failed"), result
            assert result["reason"] == reason, result["msg"]
            assert not result["changed"]
        return result["msg"]

    def killed(self, monkeypatch, place, word, how, **options):
        """A run in which a function is replaced by one that ends the process without any clean-up."""
        child = os.fork()
        if not child:
            try:
                monkeypatch.setattr(place, word, how)
                self.run(**options)
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, "it ran to its end"


def die(*args, **kwargs):
    """What kill -9 does: no clean-up of any kind."""
    os._exit(9)


def after(work):
    """The same work, and killed right behind it."""

    def run(*args, **kwargs):
        work(*args, **kwargs)
        os._exit(9)

    return run
