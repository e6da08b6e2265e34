# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom: downwards only, and little enough that a module starts quickly."""

from __future__ import annotations

import sys

import pytest
from wings import CONTROLLER_FLOORS, FOLDERS, GROUND, KINDS, PLUGINS, ROOMS, UTILS, WINGS, controllers_wing, imports, wing

KIB = 1024  # of our own source that one module may import; Python compiles it at every call, at 0.5 to 1 ms a KiB
LARGEST = 120 * KIB
ALLOWED = {  # these do the most
    "intake_vm": 246 * KIB,
    "intake_image": 164 * KIB,
    "intake_image_info": 164 * KIB,
    "intake_storage": 168 * KIB,
    "intake_storage_info": 168 * KIB,
    "intake_vm_migrate": 171 * KIB,
}

FILES = sorted(UTILS.rglob("*.py"))
MODULES = sorted((PLUGINS / "modules").glob("*.py"))


def floor(path):
    """(floor of its wing, floor of its kind): a file imports from lower ones."""
    parts = path.relative_to(UTILS).parts
    return {"ground": 0, **WINGS}[wing(path)], KINDS[parts[1]] if len(parts) > 2 else 0


def house(path):
    """What a file belongs to, and may import from as it likes: its wing, and among the resources its kind."""
    parts = path.relative_to(UTILS).parts
    return parts[:2] if len(parts) > 2 else parts[:1] if len(parts) > 1 else ("ground",)


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


CONTROLLERS = sorted(ROOMS.rglob("*.py"))
PLUGGED = [path for folder in FOLDERS for path in sorted((PLUGINS / folder).glob("*.py"))]


@pytest.mark.parametrize("path", [*CONTROLLERS, *PLUGGED], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_only_one_room_of_the_controller_knows_the_database_driver(path):
    assert path.stem == "client" or not any(name.partition(".")[0] == "psycopg" for name in imports(path)[0])


@pytest.mark.parametrize("path", CONTROLLERS, ids=lambda path: str(path.relative_to(ROOMS)))
def test_the_controllers_wings_import_downwards_only(path):
    own = CONTROLLER_FLOORS[controllers_wing(path)]
    for other in imports(path)[1]:
        if ROOMS in other.parents:
            assert controllers_wing(other) == controllers_wing(path) or CONTROLLER_FLOORS[controllers_wing(other)] < own, f"{path.name} imports {other}"
        else:
            assert UTILS in other.parents, f"{path.name} imports {other}"


def test_what_runs_on_a_host_knows_nothing_of_the_controller():
    assert not [path for path in [*FILES, *MODULES] for other in imports(path)[1] if ROOMS in other.parents]
