# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and the picture of the architecture say what the code says."""

from __future__ import annotations

import re

import pytest
from arrows import Box, ways
from draw_architecture import COMMAND, HOUSE, PICTURE, ROOT, edges, picture, reduced

from ansible_collections.intake.vms.plugins.plugin_utils.kinds import KINDS

PAGES = ("docs/architecture.md", "CONTRIBUTING.md", "SECURITY.md")
TREES = ("docs/", "extensions/", "meta/", "playbooks/", "plugins/", "roles/", "scripts/", "tests/")


def test_the_picture_is_of_this_code():
    assert PICTURE.read_text(encoding="utf-8") == picture(), f"the imports are others now; renew the picture: {COMMAND}"


def test_no_arrow_leads_upwards():
    places = {name: box for name, (box, _side, _words) in HOUSE.items()}
    assert not [edge for edge, way in ways(edges(), places).items() if way[-1][1] < way[0][1]]


def test_what_longer_ways_imply_is_left_out():
    assert reduced({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == [("a", "b"), ("a", "d"), ("b", "c")]


def test_an_arrow_is_straight_where_it_can_be_and_goes_around_a_box():
    boxes = {"top": Box(0, 0, 6, 2), "below": Box(0, 6, 6, 2)}
    assert ways([("top", "below")], boxes) == {("top", "below"): [(3, 2), (3, 6)]}
    wall = Box(0, 3, 6, 2)
    way = ways([("top", "below")], {**boxes, "wall": wall})["top", "below"]
    assert len(way) > 2 and not set(way) & wall.inside()


def test_two_arrows_share_no_line_and_cross_straight():
    boxes = {"a": Box(0, 0, 4, 2), "b": Box(8, 0, 4, 2), "c": Box(0, 8, 4, 2), "d": Box(8, 8, 4, 2)}
    one, other = ways([("a", "d"), ("b", "c")], boxes).values()
    assert one[0] in boxes["a"].inside() and one[-1] in boxes["d"].inside()
    assert not set(one) & set(other)


def test_where_no_way_is_left_it_says_so():
    boxes = {"a": Box(1, 1, 2, 2), "b": Box(6, 6, 2, 2)}
    walls = {"above": Box(5, 4, 4, 2), "below": Box(5, 8, 4, 2), "left": Box(4, 4, 2, 6), "right": Box(8, 4, 2, 6)}
    with pytest.raises(ValueError, match="too near"):
        ways([("a", "b")], {**boxes, **walls})


def named(page):
    """The files and folders that a page names in backticks; NOUN and PLURAL stand for each kind of the registry."""
    words = set(re.findall(r"`([^`\s]+)`", (ROOT / page).read_text(encoding="utf-8")))
    paths = {word for word in words if word.startswith(TREES) and "*" not in word}
    return {path.replace("NOUN", kind.noun).replace("PLURAL", kind.plural) for path in paths for kind in KINDS.values()}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page):
    assert not sorted(path for path in named(page) if not (ROOT / path).exists())


def test_the_page_names_every_wing():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert not [name for name in HOUSE if name not in ("beside", "ground") and f"`{name}" not in text]
