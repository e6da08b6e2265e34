# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data as the text of a variable file, in which nothing is a template: Ansible trusts every text of such a file that is not tagged."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from ..database.untrusted import PLAIN

UNSAFE = "!unsafe"
TEXT = "tag:yaml.org,2002:str"
WIDTH = 140


class Dumper(yaml.SafeDumper):
    """YAML of plain data and of what Ansible makes of it: subclasses of text, numbers, dictionaries and lists."""

    def ignore_aliases(self, data):
        """Anchors say nothing to people."""
        return True

    def increase_indent(self, flow=False, indentless=False):
        """Items of a list stand deeper than its name."""
        return super().increase_indent(flow, False)

    def text(self, data):
        """A text, tagged unless nothing in it can be a template; keys too, since filters make values of keys."""
        value = str.__str__(data)  # of a subclass, without what it adds
        tag = UNSAFE if not PLAIN.match(value) and self.resolved(value) == TEXT else TEXT
        return self.represent_scalar(tag, value, style(value))

    def resolved(self, value):
        """The type YAML sees in it: ansible-core 2.19 makes a number of !unsafe "12". What has another type than text is no template."""
        return self.resolve(yaml.ScalarNode, value, (True, False))

    def represent_undefined(self, data):
        """Anything else. What it is may be a secret, and is not said."""
        raise yaml.representer.RepresenterError(f"there is a {type(data).__name__}")


def style(value):
    """Lines as lines, other control characters and blanks that would be overlooked with a backslash, and the rest as YAML likes it."""
    if value.isprintable():
        return None
    as_lines = "\n" in value[:-1] and value[0] not in " \n" and all(line.isprintable() for line in value.split("\n"))
    return "|" if as_lines else '"'


WRITTEN = {  # a type and what is made of it
    str: Dumper.text,
    int: lambda dumper, data: dumper.represent_int(int(data)),
    float: lambda dumper, data: dumper.represent_float(float(data)),
    dict: Dumper.represent_dict,
    Mapping: Dumper.represent_dict,
    list: Dumper.represent_list,
    tuple: Dumper.represent_list,
}
Dumper.add_representer(str, Dumper.text)
Dumper.add_representer(None, Dumper.represent_undefined)
for _kind, _written in WRITTEN.items():
    Dumper.add_multi_representer(_kind, _written)


def text_of(variables):
    """The text of the file. Raises yaml.representer.RepresenterError where something is no plain data, such as an undefined variable."""
    return yaml.dump(variables, Dumper=Dumper, default_flow_style=False, sort_keys=False, width=WIDTH, allow_unicode=True)
