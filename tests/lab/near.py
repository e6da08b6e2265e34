# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This side of far.py: it is brought to a host, started over one SSH connection, and asked through a socket that the connection forwards."""

from __future__ import annotations

import hashlib
import json
import shlex
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from far import PLACE, SOCKET

WANTED = ("vms/plugins/", "vms/tests/fork", "vms/tests/lab/far.py")
WANTED += tuple(f"packages/ansible/{name}" for name in ("__init__", "release", "_vendor/", "module_utils/", "modules/"))
PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def ask(path, argv, body=b"", timeout=None):
    """(code, output, errors) of a command with an input, or of a program in Python where `argv` is None. Raises OSError or ValueError."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(timeout)
        line.connect(path)
        with line.makefile("rwb") as stream:
            stream.write(json.dumps({"argv": argv, "size": len(body), "digest": None if argv else digest()}).encode() + b"\n" + body)
            stream.flush()
            code, output, errors = json.loads(stream.readline())
            return code, stream.read(output), stream.read(errors)


def digest():
    """Of what a fork has imported already: code that has changed since must be brought anew."""
    found = hashlib.sha256()
    for folder in ("module_utils", "modules"):
        for path in sorted((PLUGINS / folder).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()


def socket_of(host):
    """Where the host's far.py is asked."""
    return host.file("far")


def bring(hosts):
    """far.py answers on all of these hosts, with this checkout as it is now. Raises OSError or CalledProcessError."""
    from payload import packed

    data = packed(PLACE, ["ansible-core"], WANTED)
    script = f"rm -rf {PLACE}; mkdir {PLACE}; tar --warning=no-timestamp -xzC {PLACE}; sync -f {PLACE}"

    def one(host):
        try:
            ask(socket_of(host), [])  # an earlier one ends
        except (OSError, ValueError):
            pass
        subprocess.run([*host.ssh(), script], input=data, check=True, capture_output=True)
        start(host)

    together(one, hosts)


def start(host):
    """It answers when this returns; the connection ends with the host. Its code is there already."""
    command = host.ssh()
    command[1:1] = ["-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-o", "StreamLocalBindUnlink=yes", "-L", f"{socket_of(host)}:{SOCKET}"]
    command.append(shlex.join(["python3", f"{PLACE}/vms/tests/lab/far.py", digest()]))
    with open(host.file("far.log"), "wb") as log:
        far = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
    with far.stdout:
        if far.stdout.readline() != b"ready\n":
            raise OSError(f"far.py of {host.name} does not start: {Path(host.file('far.log')).read_text(encoding='utf-8')}")


def together(work, hosts):
    """Work on all hosts at once; its first error is raised."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(work, hosts))
