# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a document, each read, written and cleared."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.module_utils import lens
from ansible_collections.intake.vms.plugins.module_utils.lens import INTEGER, ON_OFF, YES_NO, Field, Presence, Size

EMPTY = "<root><kept a='1'>text</kept></root>"
FIELDS = [
    (Field("text", "a/b"), "x < y & z"),
    (Field("attribute", "a", "name"), 'quote " and more'),
    (Field("own", "", "type"), "kvm"),
    (Field("number", "a/c", None, INTEGER), 42),
    (Field("yes", "a", "flag", YES_NO), True),
    (Field("off", "a", "switch", ON_OFF), False),
    (Presence("there", "readonly"), True),
    (Size("size", "memory"), 3 << 20),
]


@pytest.mark.parametrize("field, value", FIELDS, ids=lambda value: getattr(value, "key", ""))
def test_a_field_comes_back_as_it_was_written_and_clears(field, value):
    root = lens.parse(EMPTY)
    lens.write(root, [field], {field.key: value})
    again = lens.parse(lens.dump(root))
    assert lens.read(again, [field]) == {field.key: value}
    assert again.find("kept").text == "text"
    field.clear(again)
    assert field.read(again) in (None, False)


def test_what_is_not_said_is_not_written():
    root = lens.parse(EMPTY)
    lens.write(root, [field for field, _value in FIELDS], {"unknown": 1, "text": None})
    assert lens.dump(root) == lens.dump(lens.parse(EMPTY))


@pytest.mark.parametrize("text, size", [("<memory>1024</memory>", 1 << 20), ("<memory unit='GiB'>2</memory>", 2 << 30), ("<memory unit='b'>7</memory>", 7)])
def test_sizes_have_units(text, size):
    assert Size("memory", "memory").read(lens.parse(f"<root>{text}</root>")) == size


def test_sizes_are_rounded_up_to_whole_kib():
    root = lens.parse(EMPTY)
    Size("memory", "memory").write(root, 1025)
    assert root.findtext("memory") == "2"
