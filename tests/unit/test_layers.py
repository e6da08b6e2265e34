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
    "intake_vm": 245 * KIB,
    "intake_image": 164 * KIB,
    "intake_image_info": 164 * KIB,
    "intake_storage": 168 * KIB,
    "intake_storage_info": 168 * KIB,
    "intake_vm_migrate": 169 * KIB,
}

# Every room of module_utils, the lowest first: a room imports from those of lower floors, and from its own floor where
# it is a package. Floors that are not named here are leaves.
FLOORS = {
    "errors": 0,
    "units": 1,
    "names": 1,
    "lens": 0,
    "exports": 1,
    "programs": 1,
    "locks": 1,
    "bounded": 1,
    "mounts": 1,
    "silence": 2,
    "catalogue": 1,
    "leases": 2,
    "shared_locks": 4,
    "converge": 1,
    "placement": 2,
    "transfer": 2,
    "space": 2,
    "checksum": 2,
    "compressed": 2,
    "image_header": 2,
    "journal": 2,
    "qcow2": 2,
    "remote": 2,
    "download": 3,
    "hypervisor": 3,
    "graph": 4,
    "drivers": 4,
    "resources": 5,
    "runner": 6,
}
FILES = sorted(UTILS.rglob("*.py"))
MODULES = sorted((PLUGINS / "modules").glob("*.py"))


def room(path):
    """The room of a file of module_utils: its first folder, or its name."""
    return path.relative_to(UTILS).parts[0].removesuffix(".py")


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_a_room_imports_downwards_only(path):
    floor = FLOORS[room(path)]
    for other in imports(path)[1]:
        below = FLOORS[room(other)]
        assert below < floor or room(other) == room(path), f"{path.name} (floor {floor}) imports {other.name} (floor {below})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_the_domain_needs_only_the_standard_library_and_libvirt(path):
    for name in imports(path)[0]:
        top = name.partition(".")[0]
        allowed = top in sys.stdlib_module_names or (top == "libvirt" and room(path) == "hypervisor")
        if room(path) in ("runner", "remote"):
            allowed = allowed or name.startswith("ansible.module_utils.")
        assert allowed, f"{path.name} imports {name}"


def test_only_the_runner_knows_ansible_modules():
    assert [path.name for path in FILES if "AnsibleModule" in path.read_text(encoding="utf-8")] == ["runner.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_an_entrypoint_is_documentation_and_one_call(path):
    rooms = {room(other) for other in imports(path)[1]}
    assert rooms <= {"runner", "resources"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_brings_little_with_it(path):
    seen, waiting = set(), [path]
    while waiting:
        for other in imports(waiting.pop())[1] - seen:
            seen.add(other)
            waiting.append(other)
    assert sum(other.stat().st_size for other in seen) < ALLOWED.get(path.stem, LARGEST)


ROOMS = sorted((PLUGINS / "plugin_utils").glob("*.py"))
CONTROLLER = [path for folder in ("action", "filter", "inventory", "lookup", "callback") for path in sorted((PLUGINS / folder).glob("*.py"))]


@pytest.mark.parametrize("path", [*ROOMS, *CONTROLLER], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_only_one_room_of_the_controller_knows_the_database_driver(path):
    assert path.stem == "database" or not any(name.partition(".")[0] == "psycopg" for name in imports(path)[0])


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_rooms_of_the_controller_import_in_one_direction(path):
    seen, waiting = set(), [path]
    while waiting:
        for other in imports(waiting.pop())[1] - seen:
            seen.add(other)
            waiting.append(other)
    assert path not in seen, f"{path.name} imports itself, through others"
    assert not any(other.parent.name in ("action", "inventory", "lookup", "modules") for other in seen)
