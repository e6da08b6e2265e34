# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom: downwards only, and little enough that a module starts quickly."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
KIB = 1024  # of our own source that one module may import; Python compiles it at every call, at 0.5 to 1 ms a KiB
LARGEST = 120 * KIB
ALLOWED = {  # these do the most
    "intake_vm": 246 * KIB,
    "intake_image": 164 * KIB,
    "intake_image_info": 164 * KIB,
    "intake_storage": 168 * KIB,
    "intake_storage_info": 168 * KIB,
    "intake_vm_migrate": 170 * KIB,
}

# Every wing of module_utils, the ground first: files import from their own wing and from those of lower floors.
# Files beside the wings are the ground: plain data, no host.
GROUND = ("errors", "units", "names", "lens")
WINGS = {"host": 1, "locking": 2, "flow": 2, "files": 3, "arrival": 4, "drivers": 4, "resources": 5}
# The kinds of resources: one stands on those that it makes or moves.
KINDS = {"storage": 0, "volume": 0, "image": 0, "vm": 1, "migration": 2}
FILES = sorted(UTILS.rglob("*.py"))
MODULES = sorted((PLUGINS / "modules").glob("*.py"))


def wing(path):
    """The wing of a file of module_utils, "ground" for one beside them."""
    parts = path.relative_to(UTILS).parts
    return parts[0] if len(parts) > 1 else "ground"


def floor(path):
    """(floor of its wing, floor of its kind): a file imports from lower ones."""
    parts = path.relative_to(UTILS).parts
    return {"ground": 0, **WINGS}[wing(path)], KINDS[parts[1]] if len(parts) > 2 else 0


def house(path):
    """What a file belongs to, and may import from as it likes: its wing, and among the resources its kind."""
    parts = path.relative_to(UTILS).parts
    return parts[:2] if len(parts) > 2 else parts[:1] if len(parts) > 1 else ("ground",)


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


def test_every_folder_is_a_wing_and_every_file_beside_them_is_the_ground():
    assert {path.name for path in UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(WINGS)
    assert {path.stem for path in UTILS.glob("*.py")} == set(GROUND)
    assert {path.name for path in (UTILS / "resources").iterdir() if path.is_dir() and path.name != "__pycache__"} == set(KINDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_a_wing_imports_downwards_only(path):
    for other in imports(path)[1]:
        assert floor(other) < floor(path) or house(other) == house(path), f"{path.name} {floor(path)} imports {other.name} {floor(other)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_the_domain_needs_only_the_standard_library_and_libvirt(path):
    for name in imports(path)[0]:
        top = name.partition(".")[0]
        allowed = top in sys.stdlib_module_names or (top == "libvirt" and path.stem == "hypervisor")
        if path.stem in ("runner", "remote"):
            allowed = allowed or name.startswith("ansible.module_utils.")
        assert allowed, f"{path.name} imports {name}"


def test_only_the_runner_knows_ansible_modules():
    assert [path.name for path in FILES if "AnsibleModule" in path.read_text(encoding="utf-8")] == ["runner.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_an_entrypoint_is_documentation_and_one_call(path):
    assert {wing(other) for other in imports(path)[1]} <= {"flow", "resources"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_brings_little_with_it(path):
    seen, waiting = set(), [path]
    while waiting:
        for other in imports(waiting.pop())[1] - seen:
            seen.add(other)
            waiting.append(other)
    assert sum(other.stat().st_size for other in seen) < ALLOWED.get(path.stem, LARGEST)


ROOMS = sorted((PLUGINS / "plugin_utils").rglob("*.py"))
CONTROLLER = [path for folder in ("action", "filter", "inventory", "lookup", "callback") for path in sorted((PLUGINS / folder).glob("*.py"))]


@pytest.mark.parametrize("path", [*ROOMS, *CONTROLLER], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_only_one_room_of_the_controller_knows_the_database_driver(path):
    assert path.stem == "client" or not any(name.partition(".")[0] == "psycopg" for name in imports(path)[0])


# The controller's wings, and the files beside them; they know all of module_utils, which knows none of them.
CONTROLLER_FLOORS = {"arguments": 0, "hosts": 0, "placement": 0, "table": 0, "database": 1, "controller": 2, "kinds": 2, "record": 3, "ask": 3, "compare": 4}


def controllers_wing(path):
    """The wing of a file of plugin_utils, or the name of one beside them."""
    return path.relative_to(PLUGINS / "plugin_utils").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PLUGINS / "plugin_utils")))
def test_the_controllers_wings_import_downwards_only(path):
    own = CONTROLLER_FLOORS[controllers_wing(path)]
    for other in imports(path)[1]:
        if PLUGINS / "plugin_utils" in other.parents:
            assert controllers_wing(other) == controllers_wing(path) or CONTROLLER_FLOORS[controllers_wing(other)] < own, f"{path.name} imports {other}"
        else:
            assert UTILS in other.parents, f"{path.name} imports {other}"


def test_what_runs_on_a_host_knows_nothing_of_the_controller():
    assert not [path for path in [*FILES, *MODULES] for other in imports(path)[1] if PLUGINS / "plugin_utils" in other.parents]
