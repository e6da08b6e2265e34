# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that go the whole way through Ansible, and for each writing module something small to make that is looked for without the collection."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

from disks import MIB, facts
from results import results

from ansible_collections.intake.vms.plugins.plugin_utils.database import client

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
AWAY = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_ssh_common_args": "-o ControlMaster=no -o ConnectTimeout=3"}
CONTENT = b"an image" * 512
DSN = "INTAKE_INVENTORY_DSN"


def said(results):
    """What happened, result by result: the reason of a failure, else whether something changed."""
    return [one.get("reason", "failed") if one.get("failed") else one["changed"] for one in results]


class Play:
    """Plays on hosts `one` and `two`, which are both this machine, and `away`, which nobody reaches. Nothing is recorded unless said."""

    def __init__(self, playbooks, environment, folder):
        self.playbooks, self.folder, self.number, self.dsn = playbooks, folder, itertools.count(), environment[DSN]
        self.environment = {key: value for key, value in environment.items() if key != DSN}
        self.environment["ANSIBLE_ASYNC_DIR"] = str(folder / "jobs")
        (folder / "connection_plugins").symlink_to(Path(__file__).parent / "connection")
        self.hosts = folder / "hosts.json"
        self.inventory({"one": HERE, "two": HERE, "away": AWAY})

    def inventory(self, hosts):
        """Other hosts, by their names with their variables."""
        self.hosts.write_text(json.dumps({"all": {"hosts": hosts}}))

    def __call__(self, *tasks, words=(), code=0, recorded=False, environment=None, **play):
        """`results` in their order, `hosts` they came from, and all `output`, of a playbook that ends with an exit code."""
        path = self.folder / f"play{next(self.number)}.json"
        path.write_text(json.dumps([{"name": "a play", "hosts": "one", "gather_facts": False, **play, "tasks": list(tasks)}]))
        return self.run(str(path), *words, code=code, recorded=recorded, environment=environment)

    def adhoc(self, module, arguments, *words, **how):
        """The same of one task, by the program `ansible`."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return self.run("one", "-m", f"intake.vms.{module}", "-a", text, *words, program="ansible", **how)

    def run(self, *words, code=0, recorded=False, environment=None, program="ansible-playbook"):
        """One of Ansible's programs with this inventory."""
        settings = {**self.environment, **({DSN: self.dsn} if recorded else {}), **(environment or {})}
        done = self.playbooks.run(["-i", str(self.hosts), *words], settings, program=program)
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        told = results(done.stdout)
        return SimpleNamespace(output=output, hosts=[host for host, _result in told], results=[result for _host, result in told])

    def journal(self, columns, about):
        """Rows of the journal whose names have this beginning, oldest first."""
        with client.connected(self.dsn) as connection:
            asked = f"SELECT {columns} FROM operations WHERE names[1] LIKE %s ORDER BY id"
            return connection.execute(asked, [f"%{about}%"]).fetchall()


class Kind:
    """One writing module. `description(name)` is what libvirt and the file system have: None where nothing is, "" where it has none."""

    module = plural = refusal = noun = ""

    def __init__(self, connection, folder, storage):
        self.connection, self.folder, self.storage = connection, folder, storage

    @property
    def info(self):
        """The module that lists them."""
        return f"{self.module}_info"

    def task(self, options, module=None, **keywords):
        """A task of the module, or of another one of the collection."""
        return {f"intake.vms.{module or self.module}": options, **keywords}

    def want(self, name, **more):
        """Options that make one."""
        raise NotImplementedError

    def bad(self, name):
        """Options that are refused, for the reason `refusal`, when they are planned and not before."""
        raise NotImplementedError

    def description(self, name):
        raise NotImplementedError

    def journalled(self, name):
        """What the journal calls it."""
        return name

    def record(self, folder, name):
        """The description in a record beside the files."""
        try:
            with open(os.path.join(folder, ".intake", f"{name}.json"), encoding="utf-8") as file:
                return json.load(file).get("description", "")
        except FileNotFoundError:
            return ""


class Storage(Kind):
    """A directory that is a pool."""

    module, plural, noun, refusal = "intake_storage", "storages", "storage", "system_path"

    def want(self, name, **more):
        return {"name": name, "path": os.path.join(self.folder, name), **more}

    def bad(self, name):
        return {"name": name, "path": "/usr/lib"}

    def description(self, name):
        pools = {pool.name(): pool for pool in self.connection.listAllStoragePools(0)}
        if name not in pools:
            return None
        path = os.path.join(self.folder, name)
        assert f"<path>{path}</path>" in pools[name].XMLDesc(0) and pools[name].isActive() and os.path.isdir(path)
        return self.record(path, ".storage")


class InStorage(Kind):
    """A file in a storage."""

    def journalled(self, name):
        return f"{self.storage.name}/{name}"

    def description(self, name):
        path = os.path.join(self.storage.path, name)
        if not os.path.exists(path):
            return None
        self.look(path)
        return self.record(self.storage.path, name)

    def look(self, path):
        """The file is what was asked for."""
        raise NotImplementedError


class Volume(InStorage):
    """An empty qcow2 file."""

    module, plural, noun, refusal = "intake_volume", "volumes", "volume", "size_missing"

    def want(self, name, **more):
        return {"name": name, "storage": self.storage.name, "size": "1MiB", **more}

    def bad(self, name):
        return {"name": name, "storage": self.storage.name}

    def look(self, path):
        assert facts(path) == ("qcow2", MIB, None)


class Image(InStorage):
    """A copy of a file of this host."""

    module, plural, noun, refusal = "intake_image", "images", "image", "source_missing"

    def want(self, name, **more):
        source = os.path.join(self.folder, "content")
        with open(source, "wb") as file:
            file.write(CONTENT)
        return {"name": name, "storage": self.storage.name, "path": source, **more}

    def bad(self, name):
        return {"name": name, "storage": self.storage.name}

    def look(self, path):
        with open(path, "rb") as file:
            assert file.read() == CONTENT


class Machine(Kind):
    """A machine that is only defined."""

    module, plural, noun, refusal = "intake_vm", "vms", "vm", "above_maximum"

    def want(self, name, **more):
        return {"name": name, "memory": "16MiB", **more}

    def bad(self, name):
        return {"name": name, "memory": "16MiB", "maximum_memory": "8MiB"}

    def description(self, name):
        domains = {domain.name(): domain for domain in self.connection.listAllDomains(0)}
        if name not in domains:
            return None
        assert domains[name].maxMemory() == 16 * 1024 and not domains[name].isActive()
        return ElementTree.fromstring(domains[name].XMLDesc(2)).findtext("description") or ""


KINDS = (Storage, Volume, Image, Machine)
