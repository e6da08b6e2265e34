# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wings of plugins/, their floors, and what each file imports: for the test of the layers and for the picture of them."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
UTILS = PLUGINS / "module_utils"
ROOMS = PLUGINS / "plugin_utils"

# Every wing of module_utils, the ground first: files import from their own wing and from those of lower floors.
# Files beside the wings are the ground: plain data, no host.
GROUND = ("errors", "units", "names", "lens")
WINGS = {"host": 1, "locking": 2, "flow": 2, "files": 3, "arrival": 4, "drivers": 4, "resources": 5}
# The kinds of resources: one stands on those that it makes or moves.
KINDS = {"storage": 0, "volume": 0, "image": 0, "vm": 1, "migration": 2}
# The controller's wings, and the files beside them; they know all of module_utils, which knows none of them.
CONTROLLER_FLOORS = {"arguments": 0, "hosts": 0, "placement": 0, "table": 0, "database": 1, "controller": 2, "kinds": 2, "record": 3, "ask": 3, "compare": 4}
# The folders of plugins that run on the controller.
FOLDERS = ("action", "filter", "inventory", "lookup", "callback")


def wing(path):
    """The wing of a file of module_utils, "ground" for one beside them."""
    parts = path.relative_to(UTILS).parts
    return parts[0] if len(parts) > 1 else "ground"


def controllers_wing(path):
    """The wing of a file of plugin_utils, or the name of one beside them."""
    return path.relative_to(ROOMS).parts[0].removesuffix(".py")


@functools.lru_cache(maxsize=None)
def imports(path):
    """(absolute module names, paths of our own files) that a file imports anywhere."""
    foreign, own = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            foreign.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            foreign.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split(".")) if node.module else path.parents[node.level - 1]
            own.update(found for alias in node.names for found in files_of(folder, alias.name))
    return foreign, own


def files_of(folder, name):
    """The files `from folder import name` reads."""
    candidates = [folder.with_suffix(".py"), folder / f"{name}.py", folder / name / "__init__.py"]
    found = [path for path in candidates if path.is_file()]
    assert found or (folder / "__init__.py").is_file(), f"{folder} has no {name}"
    return found or [folder / "__init__.py"]
