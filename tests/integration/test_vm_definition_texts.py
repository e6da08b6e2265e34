# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task may not say about a machine, and texts that try to be more than text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

INJECTION = "</description><devices/><b>&amp;'\"]]> ../x $(id) `id` %s {x} ä €"
TEXTS = {
    "injection": INJECTION,
    "lines": "one\n\n  two\ttabbed\n",
    "blanks": "  framed  ",
    "quotes": "\"'`",
}


@pytest.fixture
def name(forget_vms, unique):
    """A name whose machines go away."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def definition(connection):
    """definition(name) -> the persistent XML."""
    return lambda name: ET.fromstring(connection.lookupByName(name).XMLDesc(3))


def labels_of(root):
    return {label.get("key"): label.text or "" for label in root.find("metadata/{urn:intake:vms:1}vm")}


def refused_together(run_module, wants):
    """{name: (reason, sentence)} of machines that are each refused in one call, in check mode as well."""
    found = []
    for check in (True, False):
        result = run_module("intake_vm", check, vms=wants)
        assert result["failed"] and not result["changed"]
        found.append({entry["name"]: (entry.get("reason"), entry["error"]) for entry in result["resources"]})
    assert found[0] == found[1]
    return found[0]


def test_texts_are_kept_literally(name, ensure, definition):
    """In a description, and as keys and values of labels."""
    wants = [
        {"name": f"{name}-{key}", "description": text, "labels": {"value": text, text: "key"}, "kernel": "/boot/k", "cmdline": text}
        for key, text in TEXTS.items()
    ]
    done = ensure("intake_vm", vms=wants)
    for want, entry in zip(wants, done["resources"]):
        root = definition(want["name"])
        assert root.findtext("description") == want["description"] == entry["state"]["description"]
        assert labels_of(root) == want["labels"] == entry["state"]["labels"]
        assert root.findtext("os/cmdline") == want["cmdline"]
        assert len(root.findall("devices")) == 1


def test_lines_end_as_xml_reads_them(name, ensure):
    done = ensure("intake_vm", name=name, description="a\r\nb\rc", labels={"x": "a\r\nb"})
    assert (done["vm"]["description"], done["vm"]["labels"]) == ("a\nb\nc", {"x": "a\nb"})


def test_odd_names_are_names(name, ensure, connection):
    """What can be a file name can name a machine, its volumes and its seed."""
    odd = [f"{name}-<b>&'\" $(id);x", f"{name}-ä€", f"{name} with blanks", f"{name}-%s"]
    ensure("intake_vm", vms=[{"name": one} for one in odd], memory="64MiB")
    assert set(odd) <= {domain.name() for domain in connection.listAllDomains(0)}
    ensure("intake_vm", vms=[{"name": one} for one in odd], state="absent")
    assert not set(odd) & {domain.name() for domain in connection.listAllDomains(0)}


def test_what_cannot_be_a_name_is_refused(name, run_module):
    bad = [f"../{name}", f"/{name}", f"{name}/x", f".{name}", f"-{name}", f" {name}", f"{name} ", f"{name}\nx", f"{name}\x07", "x" * 201]
    found = refused_together(run_module, [{"name": one} for one in bad])
    assert {one: reason for one, (reason, _sentence) in found.items()} == dict.fromkeys(bad, "invalid_name")


REFUSED = {
    "control character in description": ({"description": "a\x07b"}, "invalid_text"),
    "control character in a label": ({"labels": {"a\x00": "b"}}, "invalid_text"),
    "control character in cmdline": ({"kernel": "/k", "cmdline": "a\x1bb"}, "invalid_text"),
    "no cpus": ({"cpus": 0}, "invalid_number"),
    "negative maximum": ({"maximum_cpus": -1}, "invalid_number"),
    "cpus above maximum": ({"cpus": 4, "maximum_cpus": 2}, "above_maximum"),
    "memory above maximum": ({"memory": "2GiB", "maximum_memory": "1GiB"}, "above_maximum"),
    "memory without unit": ({"memory": "2"}, "invalid_size"),
    "memory is no size": ({"memory": "much"}, "invalid_size"),
    "maximum is no size": ({"maximum_memory": "2 XB"}, "invalid_size"),
    "topology too small": ({"cpus": 4, "topology": {"sockets": 1, "cores": 2, "threads": 1}}, "invalid_topology"),
    "topology too large": ({"maximum_cpus": 2, "topology": {"sockets": 4, "cores": 1, "threads": 1}}, "invalid_topology"),
    "topology of negatives": ({"topology": {"sockets": -1, "cores": -2, "threads": 1}}, "invalid_topology"),
    "model without custom": ({"cpu_mode": "host-model", "cpu_model": "qemu64"}, "invalid_cpu"),
    "custom without model": ({"cpu_mode": "custom"}, "invalid_cpu"),
    "secure boot without uefi": ({"secure_boot": True}, "invalid_firmware"),
    "secure boot of bios": ({"secure_boot": True, "firmware": "bios"}, "invalid_firmware"),
    "secure boot of pc": ({"secure_boot": True, "firmware": "uefi", "machine": "pc"}, "invalid_firmware"),
    "relative kernel": ({"kernel": "boot/k"}, "invalid_path"),
    "relative initrd": ({"kernel": "/k", "initrd": "../x"}, "invalid_path"),
    "initrd without kernel": ({"initrd": "/x"}, "invalid_kernel"),
    "cmdline without kernel": ({"cmdline": "quiet"}, "invalid_kernel"),
    "vnc password too long": ({"graphics": {"type": "vnc", "password": "ninechars"}}, "invalid_password"),
    "graphics port below": ({"graphics": {"port": 80}}, "invalid_port"),
    "unknown machine": ({"machine": "nosuch"}, "invalid_machine"),
    "unknown cpu model": ({"cpu_mode": "custom", "cpu_model": "nosuch"}, "invalid_cpu"),
}


@pytest.fixture(scope="module")
def refusals(prefix, run_module, connection):
    """{machine: (reason, sentence)} of new machines in one call, one of them without a fault; none is made."""
    names = {f"{prefix}-refused {what}": want for what, (want, _reason) in REFUSED.items()}
    found = refused_together(run_module, [{"name": name, **want} for name, want in names.items()] + [{"name": f"{prefix}-refused not"}])
    assert found.pop(f"{prefix}-refused not") == (None, None)
    assert not [domain.name() for domain in connection.listAllDomains(0) if domain.name().startswith(f"{prefix}-refused")]
    return found


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_refused_before_anything_has_moved(what, refusals, prefix):
    reason, sentence = refusals[f"{prefix}-refused {what}"]
    assert reason == REFUSED[what][1], sentence
    assert sentence.startswith(f"vm {prefix}-refused {what}: ")


def test_what_contradicts_the_machine_as_it_is_is_refused(name, ensure, run_module, definition):
    wants = {
        "above_maximum": [{"maximum_cpus": 2}, {"maximum_memory": "512MiB"}],
        "invalid_topology": [{"topology": {"sockets": 1, "cores": 2, "threads": 1}}],
        "invalid_firmware": [{"secure_boot": True}, {"secure_boot": True, "firmware": "uefi"}],
        "invalid_kernel": [{"cmdline": "quiet"}],
    }
    wants = {f"{name}-{reason}-{index}": want for reason, group in wants.items() for index, want in enumerate(group)}
    ensure("intake_vm", vms=[{"name": one} for one in wants], cpus=4, memory="1GiB", machine="pc")
    before = {one: ET.tostring(definition(one)) for one in wants}
    found = refused_together(run_module, [{"name": one, **want} for one, want in wants.items()])
    assert all(one == f"{name}-{reason}-{one[-1]}" for one, (reason, _sentence) in found.items()), found
    assert {one: ET.tostring(definition(one)) for one in wants} == before
