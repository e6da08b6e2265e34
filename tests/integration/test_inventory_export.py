# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others named and described is exported and applied as text; what a person wrote is not replaced."""

from __future__ import annotations

import os
from types import SimpleNamespace
from xml.sax.saxutils import escape

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from plays import LOCAL, Plays

from ansible_collections.intake.vms.plugins.filter.variables import variables

ODD = "{{ 7*7 }} {% if x %} {# y #} 'q' \"q\" : #&* ü"
POOL = "<pool type='dir'><name>{}</name><target><path>{}</path></target></pool>"
DOMAIN = """<domain type='qemu'><name>{name}</name><title>{name}</title><description>{text}</description><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"""
KINDS = {"storages": "name", "volumes": "storage", "vms": "name"}
MINE = {kind: f"{{{{ provision_{kind} | selectattr('{key}', 'search', prefix) }}}}" for kind, key in KINDS.items()}
APPLY = [
    {"hosts": "hypervisors", "gather_facts": False, "tasks": [{"ansible.builtin.set_fact": {f"mine_{kind}": mine for kind, mine in MINE.items()}}]},
    {
        "hosts": "hypervisors",
        "gather_facts": False,
        "roles": [{"role": "intake.vms.provision", "vars": {"provision_images": [], **{f"provision_{kind}": f"{{{{ mine_{kind} }}}}" for kind in MINE}}}],
    },
]


@pytest.fixture(scope="module")
def play(ansible_environment, tmp_path_factory):
    """Playbooks on this host under the name virt-host."""
    return Plays(tmp_path_factory.mktemp("export"), ansible_environment)


@pytest.fixture(scope="module")
def forgotten(prefix, module_folder, forget_vms, forget_pool):
    """What the tests of this file make is gone afterwards, before its folder."""
    yield
    forget_vms(f"{prefix}-ex")
    forget_pool(f"{prefix}-ex {ODD}")


@pytest.fixture(scope="module")
def hostile(play, prefix, module_folder, connection, forgotten):
    """A pool, a volume and a machine of libvirt whose names and texts would be calculated, and make the file `trace`, if they were templates."""
    name, trace = f"{prefix}-ex {ODD}", play.folder / "trace"
    text = "#jinja2: variable_start_string: '[['\n{{ lookup('ansible.builtin.pipe', 'touch TRACE') }} [[ 7*7 }}\n".replace("TRACE", str(trace))
    pool = connection.storagePoolDefineXML(POOL.format(escape(name), module_folder))
    pool.create()
    (module_folder / f"disk {ODD}").touch()
    os.truncate(module_folder / f"disk {ODD}", 3 << 20)
    pool.refresh()
    path = escape(str(module_folder / f"disk {ODD}"), {"'": "&apos;"})
    connection.defineXML(DOMAIN.format(name=escape(name), text=escape(text), path=path))
    labels = {"note": text, "odd": ODD}
    (play.folder / "made.yml").write_text(variables({"machine": name, "storage": name, "volume": f"disk {ODD}", "labels": labels, "text": text}))
    machine = {"name": "{{ machine }}", "labels": "{{ labels }}"}
    volume = {"name": "{{ volume }}", "storage": "{{ storage }}", "labels": "{{ labels }}", "description": "{{ text }}"}
    tasks = [{"ansible.builtin.include_vars": "made.yml"}, {"intake.vms.intake_vm": machine}, {"intake.vms.intake_volume": volume}]
    assert "changed=2" in play.tasks(*tasks)
    return SimpleNamespace(trace=trace, text=text, name=name, labels=labels)


def test_text_of_others_is_exported_and_applied_as_text(play, hostile, prefix, connection):
    play("intake.vms.export", "-e", "export_folder=host_vars")
    before = [domain.XMLDesc(2) for domain in connection.listAllDomains() if domain.name().startswith(f"{prefix}-ex")]
    (play.folder / "apply.yml").write_text(yaml.safe_dump(APPLY))
    said = play("apply.yml", "--diff", "-e", f"prefix={prefix}-ex")
    assert "changed=0" in said and all(f"Provide the {kind}" in said for kind in ("storages", "volumes", "virtual machines")), said
    assert before == [domain.XMLDesc(2) for domain in connection.listAllDomains() if domain.name().startswith(f"{prefix}-ex")]
    play("intake.vms.export", "-e", "export_folder=host_vars", "--diff")
    found = DataLoader().load((play.folder / "host_vars" / "virt-host.yml").read_text())
    (machine,) = [one for one in found["provision_vms"] if one["name"] == hostile.name]
    (volume,) = [one for one in found["provision_volumes"] if one["storage"] == hostile.name]
    assert (machine["description"], machine["labels"], volume["description"], volume["labels"]) == (hostile.text, hostile.labels) * 2
    assert (volume["name"], machine["disks"][0]["volume"]) == (f"disk {ODD}",) * 2 and not hostile.trace.exists()
    assert os.stat(play.folder / "host_vars" / "virt-host.yml").st_mode & 0o777 == 0o600


@pytest.fixture
def kept(play, unique):
    """A folder with variables that a person wrote, passable for others."""
    folder = play.folder / unique
    folder.mkdir(mode=0o755)
    (folder / "virt-host.yml").write_text("by_hand: {{ yes }}\n")
    return folder


def test_what_a_person_wrote_is_replaced_only_with_consent(play, kept):
    for words in ([], ["--check"]):
        said = " ".join(play("intake.vms.export", "-e", f"export_folder={kept.name}", *words, code=2).split())
        assert f"{kept}/virt-host.yml was not written by an export" in said and "export_replace=true" in said and "Look at the storages" not in said
    consent = ("-e", f"export_folder={kept.name}", "-e", "export_replace=true", "--diff")
    assert "-by_hand: {{ yes }}" in play("intake.vms.export", *consent, "--check")
    assert (kept / "virt-host.yml").read_text() == "by_hand: {{ yes }}\n"
    assert "-by_hand: {{ yes }}" in play("intake.vms.export", *consent)
    play("intake.vms.export", "-e", f"export_folder={kept.name}")
    assert "provision_vms" in (kept / "virt-host.yml").read_text() and kept.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("other", ["virt-host.yaml", "virt-host.json", "virt-host/", "virt-host.yml/"])
def test_a_second_file_of_a_host_is_not_made(play, kept, other):
    (kept / "virt-host.yml").unlink()
    if other.endswith("/"):
        (kept / other).mkdir()
    else:
        (kept / other).touch()
    said = " ".join(play("intake.vms.export", "-e", f"export_folder={kept.name}", "-e", "export_replace=true", code=2).split())
    assert f"{kept}/{other.rstrip('/')} exists, and of all that is there for one host Ansible reads only one" in said
    assert os.listdir(kept) == [other.rstrip("/")]


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_one_refusal_keeps_all_files_from_being_written(play, kept, strategy):
    hosts = play.hosts("two.yml", {"first": LOCAL, "virt-host": LOCAL})
    assert "was not written by an export" in play("intake.vms.export", "-e", f"export_folder={kept.name}", code=2, hosts=hosts, ANSIBLE_STRATEGY=strategy)
    assert os.listdir(kept) == ["virt-host.yml"]


@pytest.mark.parametrize("name", ["../outside", "a/b", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(play, name):
    said = play("intake.vms.export", "-e", "export_folder=elsewhere", code=2, hosts=play.hosts("odd.yml", {name: LOCAL}))
    assert f"The name {name} cannot be that of a file" in said
    assert not (play.folder / "elsewhere").exists() and not (play.folder / "outside.yml").exists()
