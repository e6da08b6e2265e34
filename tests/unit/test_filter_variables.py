# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of other people as variable files: the same data again, and nothing in it is a template."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.intake.vms.plugins.filter.variables import variables

PIPE = "{{ lookup('ansible.builtin.pipe', 'touch MARK') }}"
LOOK_LIKE_MORE = ["", "~", "null", "yes", "off", "12", "012", "0x1f", "1_000", "1e3", ".inf", "2026-01-31", "2026-01-31\t10:00:00", "12:30:45", "=", "<<"]
LOOK_LIKE_MORE += ["*", "&", "!", "12\n", "~\n", "yes\n", "<<\n", "!unsafe x", "!vault |", "%TAG", "@x", "`x`", "- x", "? x", "a: b", "x #y", "---", "[a]"]
TEMPLATES = [PIPE, "{% if 1 %}x{% endif %}", "{# gone #}", "#jinja2: variable_start_string: '[['\n[[ 7*7 ]]", "# for x in y", "}}", "{{ 7*7 }}\n"]
TEMPLATES += [" {{ 7*7 }}", "{{\n7*7\n}}"]
LINES = ["one\ntwo", "one\ntwo\n", "one\n\n two\n\n", "\nfirst is empty", " blank\nfirst", "blank last \nx", "tab\tin\nlines", "\n\n", "a\r\nb", "---\n...\n#"]
ODD = ["\x00\x07\x1b", "\x85", "\u2028", "\ufeff", "ä€😀", "\U0010ffff", "\x7f", "'", '"', "\\", "it's \"both\"", "x" * 300, "word " * 80, "{{ long }} " * 40]
TEXTS = LOOK_LIKE_MORE + TEMPLATES + LINES + ODD
ALPHABET = "{}%#!&*|>-:?,[]@`'\"\\~<=.0123 \n\t\r\x85\u2028äe\x00"


def loaded(text):
    """What Ansible makes of a variable file, as plain data."""
    return json.loads(json.dumps(DataLoader().load(text), default=str))


def tags(text):
    """Tag by text, keys included, as a parser sees them."""
    return {event.value: event.tag for event in yaml.parse(text) if isinstance(event, yaml.ScalarEvent)}


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_is_the_same_text_again(text):
    data = {"name": text, "list": [text, {"in": {"side": [[text]]}}], "keys": {text: text}}
    assert loaded(variables(data)) == data


def test_any_text_is_the_same_text_again():
    chance = random.Random(7)
    texts = ["".join(chance.choices(ALPHABET, k=chance.randrange(1, 12))) for _each in range(1500)]
    data = {"texts": texts, "keys": dict.fromkeys(texts, "x"), "deep": {"er": [[{"a": text} for text in texts]]}}
    assert loaded(variables(data)) == data


@pytest.mark.parametrize("text", TEMPLATES, ids=ascii)
def test_what_may_be_a_template_is_tagged(text):
    assert tags(variables({"one": text}))[text] == "!unsafe"
    assert tags(variables({"keys": {text: 1}}))[text] == "!unsafe"


@pytest.mark.parametrize("text", ["web1", "10.0.0.1/24", "qemu:///system", "two words", "12", "yes", "~", "12\n"])
def test_other_text_is_not_tagged(text):
    assert "!unsafe" not in variables({"one": text})


def test_the_file_is_one_for_people():
    data = {"vms": [{"name": "web1", "cpus": 2, "on": True, "rate": 1.5, "none": None, "notes": "one\ntwo\n", "empty": {}}], "also": {"name": "12"}}
    assert variables(data) == (
        "vms:\n  - name: web1\n    cpus: 2\n    'on': true\n    rate: 1.5\n    none: null\n"
        "    notes: !unsafe |\n      one\n      two\n    empty: {}\nalso:\n  name: '12'\n"
    )


def test_one_list_twice_is_said_twice():
    both = ["x"]
    assert variables({"a": both, "b": both}) == "a:\n  - x\nb:\n  - x\n"


@pytest.mark.parametrize("data", [["x"], "x", None, {"a": object()}, {"a": [len]}])
def test_only_variables_can_be_written(data):
    with pytest.raises(AnsibleFilterError, match="variables: "):
        variables(data)


PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - set_fact: {copied: "{{ told }}"}
    - assert: {that: "hostvars[inventory_hostname].told == copied"}
    - debug: {msg: "{{ item.key }} {{ item.value }}"}
      loop: "{{ told.names | dict2items }}"
    - copy: {content: "{{ {'texts': told.texts, 'names': told.names} | to_json }}", dest: "OUT"}
    - copy: {content: "{{ {'told': told} | intake.vms.variables }}", dest: "AGAIN"}
"""


def test_a_play_takes_nothing_for_a_template(tmp_path):
    """Variables of a host, copied, looped over, keys made values, and written once more from what Ansible made of them."""
    texts = [text.replace("MARK", str(tmp_path / "mark")) for text in TEMPLATES + LOOK_LIKE_MORE]
    data = {"texts": texts, "names": {text: text for text in texts}}
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "one.yml").write_text(variables({"told": data}))
    (tmp_path / "hosts").write_text(f"one ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    (tmp_path / "play.yml").write_text(PLAY.replace("OUT", str(tmp_path / "out")).replace("AGAIN", str(tmp_path / "again")))
    argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(tmp_path / "hosts"), str(tmp_path / "play.yml")]
    done = subprocess.run(argv, cwd=tmp_path, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "mark").exists()
    assert json.loads((tmp_path / "out").read_text()) == data
    assert (tmp_path / "again").read_text() == variables({"told": data})
