# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules document of their results says the same in each of them, since documentation fragments cannot hold it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

MODULES = Path(__file__).resolve().parents[2] / "plugins" / "modules"
NOUNS = {"storage": "storage", "volume": "volume", "image": "image", "vm": "machine", "vm_migrate": "machine"}
OWN = {"resources": {"sample"}, "pending": {"description", "sample"}, "reason": {"description"}}  # what a module says in its own words


def returned(kind):
    """The RETURN block of a module."""
    tree = ast.parse((MODULES / f"intake_{kind}.py").read_text(encoding="utf-8"))
    return next(yaml.safe_load(node.value.value) for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "RETURN")


def common(kind):
    """What is said of one result, with the module's words for its resource taken out."""
    resources, noun = returned(kind)["resources"], NOUNS[kind]
    fields = {name: {key: said for key, said in field.items() if key not in OWN.get(name, {"sample"})} for name, field in resources["contains"].items()}
    text = yaml.safe_dump({**resources, "contains": fields})
    return yaml.safe_load(text.replace(noun, "NOUN").replace(f"RV({kind.partition('_')[0]})", "RV(NOUN)"))


@pytest.mark.parametrize("kind", NOUNS)
def test_writing_modules_say_the_same_of_each_resource(kind):
    assert common(kind) == common("storage")


@pytest.mark.parametrize("kind", NOUNS)
def test_writing_modules_say_the_same_of_the_call(kind):
    ours, first = returned(kind), returned("storage")
    single = kind.partition("_")[0]
    assert set(ours) == {"resources", single, "diff", "hypervisor", "reason"}
    assert ours["hypervisor"] == first["hypervisor"] and ours["reason"]["description"] == first["reason"]["description"]
    assert ours[single]["returned"] == f"when one {NOUNS[kind]} was asked for"


def test_info_modules_say_the_same_of_what_cannot_be_read():
    volume, image, storage = (returned(f"{kind}_info")["unreadable"] for kind in ("volume", "image", "storage"))
    assert json.loads(json.dumps(volume).replace("volume", "image").replace("web1", "debian-12")) == image
    assert volume["contains"].keys() == storage["contains"].keys()
    assert {**volume, "contains": None} == {**storage, "contains": None}


@pytest.mark.parametrize("kind", ["storage", "image"])
def test_a_module_and_its_info_twin_say_the_same(kind):
    """The others refer to their twin."""
    written, read = returned(kind)[kind]["contains"], returned(f"{kind}_info")[f"{kind}s"]["contains"]
    assert written == {name: read[name] for name in written}
