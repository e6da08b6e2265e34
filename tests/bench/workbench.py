# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where measurements are made: playbooks, directory and loop storages, a table of results."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import libvirt

URI = "qemu:///system"
MIB = 1 << 20


class Workbench:
    """Runs what is measured and keeps the rows; everything it made goes when the block ends."""

    def __enter__(self):
        self.rows, self.stack = [], contextlib.ExitStack()
        self.folder = tempfile.mkdtemp(prefix="bench-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.stack.callback(shutil.rmtree, self.folder)
        libvirt.registerErrorHandler(lambda context, error: None, None)
        self.connection = libvirt.open(URI)
        self.stack.callback(self.connection.close)
        self.stack.callback(self.sweep)
        return self

    def __exit__(self, *failure):
        self.stack.close()

    def sweep(self):
        """Remove what an interrupted measurement left."""
        for domain in self.connection.listAllDomains():
            if domain.name().startswith("bench-"):
                if domain.isActive():
                    domain.destroy()
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        for pool in self.connection.listAllStoragePools():
            if pool.name().startswith("bench-"):
                if pool.isActive():
                    pool.destroy()
                pool.undefine()

    def play(self, *tasks):
        """Seconds a playbook of these tasks takes, its Ansible's start included."""
        play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(tasks)}]
        path = os.path.join(self.folder, "play.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(play, file)
        argv = ["ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", path]
        start = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the playbook failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return time.monotonic() - start

    def module(self, module, **options):
        """(seconds, peak MiB) of one module in a process of its own, without ansible-playbook."""
        arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": self.folder, "_ansible_keep_remote_files": False}}
        code = (
            "import resource, runpy, sys\n"
            "sys.argv = ['module']\n"
            "try: runpy.run_module('ansible_collections.intake.vms.plugins.modules." + module + "', run_name='__main__')\n"
            "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        )
        root = os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":")[0]
        start = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": root}
        done = subprocess.run([sys.executable, "-c", code], input=json.dumps(arguments), capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            sys.exit(f"{module} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return time.monotonic() - start, int(done.stderr.split()[-1]) / 1024

    def storage(self, name, path=None):
        """A directory storage made by the collection; returns its path."""
        path = path or os.path.join(self.folder, name)
        self.play({"intake.vms.intake_storage": {"name": name, "path": path}})
        return path

    def loop_storage(self, name, fs, size):
        """A filesystem on a loop device, as a storage of its own; returns its path."""
        image = os.path.join(self.folder, f"{name}.img")
        with open(image, "wb") as file:
            file.truncate(size)
        device = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=True).stdout.strip()
        self.stack.callback(subprocess.run, ["losetup", "--detach", device], check=True)
        path = os.path.join(self.folder, name)
        self.play({"intake.vms.intake_storage": {"name": name, "device": device, "fs": fs, "path": path}})
        self.stack.callback(self.play, {"intake.vms.intake_storage": {"name": name, "state": "absent"}})
        return path

    def row(self, what, ours, **others):
        """Keep one measurement: our seconds, and those of the bound or peer beside it."""
        self.rows.append((what, ours, others))
        beside = ", ".join(f"{name} {seconds:.2f} s ({seconds / ours:.2f}x)" for name, seconds in others.items())
        print(f"  {what}: {ours:.2f} s{', ' + beside if beside else ''}", flush=True)

    def note(self, what):
        """Keep a line that is no time."""
        self.rows.append((what, None, {}))
        print(f"  {what}", flush=True)

    def print_table(self):
        """The rows as Markdown."""
        print("\n| what | intake.vms | beside it | times ours |\n|---|---|---|---|")
        for what, ours, others in self.rows:
            if ours is None:
                print(f"| {what} | | | |")
            elif not others:
                print(f"| {what} | {ours:.2f} s | | |")
            for name, seconds in others.items():
                print(f"| {what} | {ours:.2f} s | {name} {seconds:.2f} s | {seconds / ours:.1f} |")


def peak():
    """The peak memory of this process's children in MiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


@contextlib.contextmanager
def stopwatch():
    """A list that holds the seconds of the block when it has ended."""
    seconds, start = [], time.monotonic()
    yield seconds
    seconds.append(time.monotonic() - start)
