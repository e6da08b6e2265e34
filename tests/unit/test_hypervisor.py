# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a hypervisor while threads of one call read and change."""

from __future__ import annotations

from ansible_collections.intake.vms.plugins.module_utils.hypervisor import Hypervisor


def test_a_list_that_another_thread_forgets_while_it_is_read_is_still_answered():
    hypervisor = Hypervisor(None, "test:///default")

    def reader():
        hypervisor.forget()
        return ["web1"]

    assert hypervisor.once("domains", reader) == ["web1"]
    assert hypervisor.once("domains", lambda: ["web2"]) == ["web2"]
