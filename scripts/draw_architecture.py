# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws docs/architecture.svg, who imports whom in plugins/, from the imports themselves: python3 scripts/draw_architecture.py"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

from arrows import Box, ways  # noqa: E402
from wings import CONTROLLER_FLOORS, FOLDERS, GROUND, KINDS, PLUGINS, ROOMS, UTILS, controllers_wing, imports, wing  # noqa: E402

PICTURE = ROOT / "docs" / "architecture.svg"
COMMAND = "python3 scripts/draw_architecture.py"
UNIT = 20  # pixels of a step of the grid
WIDTH, HEIGHT = 72, 56
BESIDE = tuple(name for name, floor in CONTROLLER_FLOORS.items() if floor == 0)  # the files beside the controller's wings
HOST, CONTROLLER = "host", "controller"
BOLD, MIDDLE, END = ' font-weight="bold"', ' text-anchor="middle"', ' text-anchor="end"'
BLACK, GREY = "#222222", "#444444"
COLOURS = {HOST: ("#e6f0fa", "#2f6299"), CONTROLLER: ("#fdf0dd", "#a4681a")}  # of a box, and of its edge and its arrows

# {box: (place, side, words)}; what is imported stands lower. A wing that has no place here cannot be drawn.
HOUSE = {
    "modules": (Box(3, 7, 26, 3), HOST, "documentation and one call"),
    "resources": (Box(3, 13, 26, 15), HOST, ""),
    "migration": (Box(12, 14, 8, 3), HOST, "to another host"),
    "vm": (Box(12, 19, 8, 3), HOST, "libvirt domains"),
    "storage": (Box(4, 24, 7, 3), HOST, "libvirt pools"),
    "volume": (Box(12, 24, 8, 3), HOST, "qcow2, raw"),
    "image": (Box(21, 24, 7, 3), HOST, "disk and ISO"),
    "arrival": (Box(3, 31, 12, 3), HOST, "downloads, checksums"),
    "drivers": (Box(17, 31, 12, 3), HOST, "kinds of storage"),
    "files": (Box(3, 36, 12, 3), HOST, "what a file is, who needs it"),
    "locking": (Box(3, 41, 12, 3), HOST, "locks, leases"),
    "flow": (Box(17, 41, 12, 3), HOST, "read, plan, apply, report"),
    "host": (Box(3, 46, 26, 3), HOST, "libvirt, programs, mounts"),
    "ground": (Box(3, 52, 66, 3), HOST, "files beside the wings of module_utils: plain data, no host"),
    "lookup": (Box(35, 7, 6, 3), CONTROLLER, ""),
    "inventory": (Box(42, 7, 6, 3), CONTROLLER, ""),
    "action": (Box(49, 7, 6, 3), CONTROLLER, ""),
    "filter": (Box(56, 7, 6, 3), CONTROLLER, ""),
    "callback": (Box(63, 7, 6, 3), CONTROLLER, ""),
    "compare": (Box(50, 13, 10, 3), CONTROLLER, "drift, forgetting"),
    "ask": (Box(35, 19, 12, 3), CONTROLLER, "questions"),
    "record": (Box(50, 19, 10, 3), CONTROLLER, "journal, rows"),
    "kinds": (Box(35, 25, 18, 3), CONTROLLER, "the registry of kinds"),
    "controller": (Box(54, 25, 8, 3), CONTROLLER, "task, host, user"),
    "database": (Box(35, 36, 22, 3), CONTROLLER, "PostgreSQL, migrations"),
    "beside": (Box(51, 46, 18, 3), CONTROLLER, "small files beside the wings"),
}
TITLES = {"ground": ", ".join(sorted(GROUND)), "beside": ", ".join(sorted(BESIDE))}
FRAME = "resources"  # holds a box for each of its kinds
PANELS = (
    (Box(1, 4, 30, 46), "On the host", "plugins/modules and plugins/module_utils"),
    (Box(33, 4, 38, 46), "On the controller", "the other plugins and plugins/plugin_utils"),
)


def home(path):
    """The box that a file is in."""
    if UTILS in path.parents:
        return wing(path)
    if ROOMS in path.parents:
        found = controllers_wing(path)
        return "beside" if found in BESIDE else found
    return path.relative_to(PLUGINS).parts[0]


def kind_of(path):
    """The kind that a file of the resources belongs to, None for every other file."""
    parts = path.relative_to(PLUGINS).parts
    return parts[2] if parts[:2] == ("module_utils", FRAME) and parts[2] in KINDS else None


def edges():
    """[(importer, imported)] of wings, and of kinds among themselves, without those that longer ways imply."""
    folders = [UTILS, ROOMS, *(PLUGINS / name for name in ("modules", *FOLDERS))]
    pairs = [(path, other) for folder in folders for path in folder.rglob("*.py") for other in imports(path)[1]]
    outer = {(home(one), home(other)) for one, other in pairs}
    inner = {(kind_of(one), kind_of(other)) for one, other in pairs if kind_of(one) and kind_of(other)}
    return reduced({(one, other) for one, other in outer | inner if one != other})


def reduced(pairs):
    """The pairs that no longer way implies, sorted."""
    below = {}
    for one, other in pairs:
        below.setdefault(one, set()).add(other)

    def reach(start):
        found, waiting = set(), [start]
        while waiting:
            fresh = below.get(waiting.pop(), set()) - found
            found |= fresh
            waiting += fresh
        return found

    return sorted((one, other) for one, other in pairs if not any(other in reach(middle) for middle in below[one] - {other}))


def text(x, y, words, size, colour, more=""):
    """A line of text, in pixels."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}"{more}>{escape(words)}</text>'


def rectangle(box, fill, stroke, more=""):
    """A box."""
    x, y, width, height = (number * UNIT for number in box)
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{stroke}"{more}/>'


def framed(box, side):
    """The box that holds others, with its name in the corner."""
    x, y = (box.x + 0.7) * UNIT, (box.y + 1.4) * UNIT
    return [rectangle(box, "#f5f9fd", COLOURS[side][1]), text(x, y, FRAME, 16, COLOURS[side][1], BOLD), text(x, y + UNIT, "a folder for each kind", 12, GREY)]


def drawn(name, box, side, words):
    """A box with its name and some words in the middle."""
    fill, ink = COLOURS[side]
    x, y = (box.x + box.width / 2) * UNIT, (box.y + box.height / 2) * UNIT
    title = text(x, y + (-2 if words else 5), TITLES.get(name, name), 16, ink, f"{BOLD}{MIDDLE}")
    return [rectangle(box, fill, ink), title, *([text(x, y + 17, words, 12, GREY, MIDDLE)] if words else [])]


def arrow(points, side):
    """A way with round corners and a point at its end, on a white band that keeps it apart from what it crosses."""
    spots = [(x * UNIT, y * UNIT) for x, y in points]
    start, end = towards(spots[0], spots[1], 1), towards(spots[-1], spots[-2], 2)
    path = f"M{start[0]:g} {start[1]:g}"
    for before, here, after in zip(spots, spots[1:], spots[2:]):
        near, far = (towards(here, other, 8) for other in (before, after))
        path += f" L{near[0]:g} {near[1]:g} Q{here[0]} {here[1]} {far[0]:g} {far[1]:g}"
    path += f" L{end[0]:g} {end[1]:g}"
    band = f'<path d="{path}" fill="none" stroke="#ffffff" stroke-width="6"/>'
    return band, f'<path d="{path}" fill="none" stroke="{COLOURS[side][1]}" stroke-width="1.6" marker-end="url(#{side})"/>'


def towards(here, there, pixels):
    """The point that lies so many pixels from here in the direction of there."""
    length = max(abs(there[0] - here[0]), abs(there[1] - here[1]))
    return tuple(one + (other - one) * pixels / length for one, other in zip(here, there))


def marker(side):
    """The point of an arrow."""
    return (
        f'<marker id="{side}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0 L10 5 L0 10 z" fill="{COLOURS[side][1]}"/></marker>'
    )


def picture():
    """The text of the file."""
    found = edges()
    missing = sorted({name for edge in found for name in edge} - set(HOUSE))
    if missing:
        raise SystemExit(f"HOUSE in scripts/draw_architecture.py has no place for {', '.join(missing)}")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * UNIT} {HEIGHT * UNIT}" width="{WIDTH * UNIT}" height="{HEIGHT * UNIT}"'
        ' font-family="Helvetica, Arial, sans-serif" role="img">',
        "<title>Who imports whom in plugins/</title>",
        f"<!-- drawn by: {COMMAND} -->",
        f"<defs>{marker(HOST)}{marker(CONTROLLER)}</defs>",
        f'<rect width="{WIDTH * UNIT}" height="{HEIGHT * UNIT}" fill="#ffffff"/>',
        text(UNIT, 2 * UNIT, "Who imports whom in plugins/", 24, BLACK, BOLD),
        text(UNIT, 3.1 * UNIT, "An arrow leads from a wing to one that it imports. Arrows that longer ways imply are left out.", 14, GREY),
    ]
    for box, title, words in PANELS:
        lines += [rectangle(box, "#ffffff", "#c4c4c4", ' stroke-dasharray="5 4"'), text((box.x + 1) * UNIT, (box.y + 1.5) * UNIT, title, 17, BLACK, BOLD)]
        lines += [text((box.x + box.width - 1) * UNIT, (box.y + 1.5) * UNIT, words, 13, GREY, END)]
    places = {name: box for name, (box, _side, _words) in HOUSE.items()}
    bands = [line for edge, points in ways(found, places).items() for line in arrow(points, HOUSE[edge[0]][1])]
    boxes = [line for name, (box, side, words) in HOUSE.items() if name != FRAME for line in drawn(name, box, side, words)]
    return "\n".join([*lines, *framed(*HOUSE[FRAME][:2]), *bands, *boxes, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
