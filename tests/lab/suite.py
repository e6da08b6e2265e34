# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tests/integration on the hosts of a lab, on storages of NFS servers: lab2 on NFS 4.2 of lab1, and lab1 on NFS 3 of lab2.

suite.py [--folder LAB] [--results FOLDER] [words for pytest]: both at once, over SSH. A JUnit file per version lands in FOLDER.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[level]) for level in (0, 1)]

import hypervisors  # noqa: E402
from image import CACHE, LabError, Missing  # noqa: E402
from payload import packed  # noqa: E402

PACKAGES = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "ansible-core")  # Python alone, whatever its version
PLACE = "/root/intake-vms-suite"
RUNS = (("lab2", "4.2", "lab1"), ("lab1", "3", "lab2"))
SERVE = "systemctl start nfs-server && find /srv/vms -mindepth 1 -delete"
TESTS = f"""cd {PLACE}/vms && PYTHONPATH={PLACE}/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 INTAKE_VMS_TINY_GUEST={PLACE}/guest \\
INTAKE_VMS_TEST_NFS={{version}},{{server}},/srv/vms python3 -m pytest -p no:cacheprovider --durations=10 --junit-xml={PLACE}/result.xml {{words}}"""


def main():
    """Exit code 0 when all was green on all hosts."""
    arguments, words = parsed()
    try:
        with lab(arguments.folder) as folder:
            payload = packed(PLACE, PACKAGES, guest=True)
            with ThreadPoolExecutor(len(RUNS)) as pool:
                codes = list(pool.map(lambda run: perform(folder, arguments.results, payload, run, words), RUNS))
    except Missing as error:
        print(f"suite: {error}", file=sys.stderr)
        return 77
    except LabError as error:
        print(f"suite: {error}", file=sys.stderr)
        return 1
    return int(any(codes))


def parsed():
    """The command line; what is left goes to pytest."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--folder", type=Path, help="a lab to be used, which stays; without it there is one for this run alone")
    top.add_argument("--results", type=Path, default=Path("."), help="where the JUnit files go")
    return top.parse_known_args()


@contextlib.contextmanager
def lab(kept):
    """The folder of a lab that is up; one of our own is marked as ours, so that the next run finds it if this one is killed."""
    folder = kept or CACHE / "labs" / f"suite-{os.getpid()}"
    if kept:
        hypervisors.up(folder, 2)
        yield folder
        return
    with hypervisors.owned(folder):
        hypervisors.up(folder, 2)
        yield folder


def perform(folder, results, payload, run, words):
    """One host's tests; what they say is printed as it comes, behind the version. Answers pytest's exit code."""
    name, version, server = run
    host, other = (hypervisors.host_named(folder, one) for one in (name, server))
    ssh(other, SERVE)
    ssh(host, f"rm -rf {PLACE} && mkdir {PLACE} && tar -xzC {PLACE}", input=payload)
    script = TESTS.format(version=version, server=server, words=" ".join(words or ["tests/integration"]))
    with subprocess.Popen([*host.ssh(), script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as tests:
        for line in tests.stdout:
            print(f"nfs-{version}  {line}", end="", flush=True)
    result = ssh(host, f"cat {PLACE}/result.xml; rm -rf {PLACE}")
    (results / f"nfs-{version}.xml").write_bytes(result)
    return tests.returncode


def ssh(host, script, input=b""):
    """A script's output; it must succeed."""
    done = subprocess.run([*host.ssh(), script], input=input, capture_output=True, check=False)
    if done.returncode:
        raise LabError(f"{host.name}: {script}: {done.stderr.decode()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
