# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete hypervisors as virtual machines of this one, for tests: lab.py up, list, ssh, reset, down. See README.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[level]) for level in (0, 1)]

import hypervisors  # noqa: E402
import near  # noqa: E402
import qemu  # noqa: E402
from image import CACHE, LabError, Missing, image  # noqa: E402

MISSING = 77  # exit code: this machine cannot run a lab


def main():
    """One command."""
    arguments = parsed()
    folder = Path(os.path.abspath(arguments.folder))
    try:
        return COMMANDS[arguments.command](folder, arguments)
    except Missing as error:
        print(f"lab: {error}", file=sys.stderr)
        return MISSING
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def parsed():
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--folder", default=CACHE / "labs" / "default", help="where the lab lives; each folder is a lab of its own")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start what does not run, wait until all hosts are ready").add_argument("--hosts", type=int, default=2)
    for name, text in (("down", "end the hosts and remove all they had"), ("list", "the hosts and whether they run"), ("inventory", "print the inventory")):
        commands.add_parser(name, help=text)
    commands.add_parser("restore", help="all hosts as they were when the lab came up, in seconds")
    commands.add_parser("forks", help="bring this checkout to all hosts, where its modules wait to be called; print the inventory for that")
    commands.add_parser("image", help="build the image if it is not there; print where it is")
    for name, text in (
        ("reset", "press the reset button; with --power-cut kill its QEMU and start it anew"),
        ("cut", "kill its QEMU"),
        ("start", "start it again after a cut"),
        ("freeze", "stop its processors, as if it hung"),
        ("thaw", "let them go on"),
        ("ssh", "log in, or run a command"),
    ):
        command = commands.add_parser(name, help=text)
        if name == "ssh":
            command.add_argument("--user", default="root", help="root or ops")
        if name == "reset":
            command.add_argument("--power-cut", action="store_true")
        if name in ("reset", "start"):
            command.add_argument("--wait", action="store_true", help="until it is ready again")
        command.add_argument("host")
        if name == "ssh":
            command.add_argument("words", nargs=argparse.REMAINDER, metavar="command")
    return top.parse_args()


def up(folder, arguments):
    """Prints where the inventory is."""
    hypervisors.up(folder, arguments.hosts)
    print(folder / "inventory.yml")


def down(folder, arguments):
    """Taking down what is not there is fine."""
    if not hypervisors.down(folder):
        hypervisors.say(f"there is no lab in {folder}")


def show(folder, arguments):
    """One line a host."""
    for host in hypervisors.read(folder):
        print(f"{host.name}  {'running' if qemu.running(host) else 'off':8}  127.0.0.1:{host.port}  {host.address}")


def inventory(folder, arguments):
    """As Ansible reads it."""
    path = folder / "inventory.yml"
    if not path.exists():
        raise LabError(f"there is no lab in {folder}; first: lab.py up")
    print(path.read_text(encoding="utf-8"), end="")


def restore(folder, arguments):
    """Prints where the inventory is."""
    hypervisors.restore(folder)
    print(folder / "inventory.yml")


def forks(folder, arguments):
    """Prints where the inventory for them is."""
    hosts = hypervisors.read(folder)
    if not hosts:
        raise LabError(f"there is no lab in {folder}; first: lab.py up")
    try:
        near.bring(hosts)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"this checkout cannot be brought to the hosts: {error}")
    print(folder / "forks.yml")


def ssh(folder, arguments):
    """Becomes ssh."""
    host = hypervisors.host_named(folder, arguments.host)
    os.execvp("ssh", [*host.ssh(arguments.user), *arguments.words])


def built(folder, arguments):
    """Prints where the image is."""
    hypervisors.need_programs()
    print(image(hypervisors.warm))


def power(folder, arguments):
    """All that happens to one host."""
    with hypervisors.claimed(folder):
        hypervisors.power(folder, arguments.host, arguments.command, getattr(arguments, "power_cut", False), getattr(arguments, "wait", False))


COMMANDS = {"up": up, "down": down, "list": show, "inventory": inventory, "forks": forks, "restore": restore, "ssh": ssh, "image": built}
COMMANDS.update(dict.fromkeys(("reset", "cut", "start", "freeze", "thaw"), power))

if __name__ == "__main__":
    sys.exit(main())
