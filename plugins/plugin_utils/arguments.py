# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that are checked on the controller, as a module checks its own."""

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.errors import Refused


def validated(spec, given, **rules):
    """The options with their types and defaults; Refused, with the validator's words, for those that are none."""
    try:
        outcome = ArgumentSpecValidator(spec, **rules).validate(given)
    except TypeError as error:  # Ansible's own validator, over a plain value where a dictionary has to be
        raise Refused(f"the arguments are not of the documented types: {error}", "invalid_options") from None
    if outcome.error_messages:
        raise Refused("; ".join(outcome.error_messages), "invalid_options")
    return outcome.validated_parameters
