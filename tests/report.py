# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/run.sh sums up.

report.py count FILE: how many tests of a JUnit file passed, failed, were skipped.
report.py table FOLDER ["STAGE SECONDS PASSED FAILED SKIPPED"...]: the stages, and what took longest in the folder's JUnit files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

SLOWEST = 10


def main(command, place, *stages):
    """The lines of a command."""
    if command == "count":
        print(*counted(place))
    else:
        print("\n".join([*stage_lines(stages), *slowest_lines(Path(place))]))


def counted(path):
    """(passed, failed, skipped) of all suites in the file."""
    suites = list(ElementTree.parse(path).getroot().iter("testsuite"))
    total, failures, errors, skipped = (sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped"))
    return total - failures - errors - skipped, failures + errors, skipped


def stage_lines(stages):
    """A line per stage; one that ran nothing says so."""
    yield f"{'stage':12} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}"
    for stage in stages:
        name, seconds, passed, failed, skipped = stage.split()
        nothing = "  nothing ran" if passed == failed == "0" else ""
        yield f"{name:12} {seconds:>8} {passed:>7} {failed:>7} {skipped:>8}{nothing}"


def slowest_lines(folder):
    """The test files that took longest, over all stages that pytest ran."""
    files = [(sum(times), len(times), path.stem, name) for path in folder.glob("*.xml") for name, times in timed(path).items()]
    if files:
        yield f"\n{'slowest':12} {'seconds':>8} {'tests':>7}"
    for seconds, tests, stage, name in sorted(files, reverse=True)[:SLOWEST]:
        yield f"{stage:12} {seconds:8.1f} {tests:7}  {name}"


def timed(path):
    """{test file: [seconds of each test]} of a JUnit file."""
    times = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        times.setdefault(file_of(case.get("classname", "")), []).append(float(case.get("time", 0)))
    return times


def file_of(classname):
    """tests/unit/test_x.py of tests.unit.test_x.TestY."""
    words = classname.split(".")
    depth = next((at for at, word in enumerate(words, 1) if word.startswith("test_")), len(words))
    return "/".join(words[:depth]) + ".py"


if __name__ == "__main__":
    main(*sys.argv[1:])
