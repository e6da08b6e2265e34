# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from guests and hypervisors that Ansible must never take for a template or an expression.

Marked is only what could be one: in the output of ansible-inventory a marked text is a dictionary, which programs that read it,
AWX among them, do not take for a text.
"""

from __future__ import annotations

import re

from ansible import template

PLAIN = re.compile(r"[\w .:/@,+=-]*\Z")  # calls, filters and templates need other characters


def marked(value, trusted, untrusted):
    """A copy of plain data, with one of two functions applied to every text in it, keys included."""
    if isinstance(value, str):
        return trusted(value) if PLAIN.match(value) else untrusted(value)
    if isinstance(value, dict):
        return {marked(key, trusted, untrusted): marked(inner, trusted, untrusted) for key, inner in value.items()}
    if isinstance(value, list):
        return [marked(inner, trusted, untrusted) for inner in value]
    return value


def as_it_is(text):
    """The text."""
    return text


def literal(value):
    """The value, safe to be a variable: since ansible-core 2.19 text is not trusted unless that is said, before it is the other way round."""
    if hasattr(template, "trust_as_template"):
        return marked(value, template.trust_as_template, as_it_is)
    from ansible.utils.unsafe_proxy import wrap_var

    return marked(value, as_it_is, wrap_var)
