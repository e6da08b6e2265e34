# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role hypervisor on this machine: a second run changes nothing, check mode says what is missing."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from golden_image import run_role


def changed(done):
    """The number of changed tasks in the recap."""
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"changed=(\d+)", done.stdout)[1])


@pytest.fixture(scope="module", name="prepared")
def prepare(tmp_path_factory):
    """The role has run once, with a directory of the test's own."""
    directory = tmp_path_factory.mktemp("hypervisor") / "storages"
    done = run_role("hypervisor", hypervisor_directories=[directory])
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


def test_second_run_changes_nothing(prepared):
    assert prepared.is_dir()
    assert changed(run_role("hypervisor", hypervisor_directories=[prepared])) == 0


def test_libvirt_answers_after_the_role(prepared):
    answer = subprocess.run(["virsh", "-c", "qemu:///system", "uri"], capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == "qemu:///system"


@pytest.mark.parametrize(
    "told, then",
    [
        ('#host_uuid = "0"\n#host_uuid_source = "smbios"\n', '#host_uuid = "0"\nhost_uuid_source = "machine-id"\n'),
        ("# nothing\n", '# nothing\nhost_uuid_source = "machine-id"\n'),
        ('host_uuid_source = "smbios"\n', None),
        ('host_uuid = "c0ffee00-0000-4000-8000-000000000001"\n', None),
    ],
)
def test_libvirt_knows_the_host_again_where_the_firmware_does_not(prepared, tmp_path, told, then):
    """What was configured stays, and where the firmware has a UUID nothing is configured."""
    file = tmp_path / "libvirtd.conf"
    file.write_text(told)
    done = run_role("hypervisor", hypervisor_directories=[prepared], __hypervisor_configuration=file)
    assert file.read_text() == (told if os.path.exists("/sys/class/dmi/id/product_uuid") else then or told)
    assert changed(done) == int(file.read_text() != told)


def test_check_mode_names_a_missing_package_and_installs_nothing(prepared):
    done = run_role("hypervisor", "--check", hypervisor_directories=[prepared], hypervisor_extra_packages=["sl"])
    assert changed(done) == 1
    assert "Would install sl" in done.stdout
    state = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", "sl"], capture_output=True, text=True, check=False)
    assert state.stdout != "installed"


def test_says_when_hardware_virtualization_is_missing(prepared):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        possible = os.path.exists("/dev/kvm") and re.search(r"\b(vmx|svm)\b", file.read())
    done = run_role("hypervisor", hypervisor_directories=[prepared])
    assert ("virtual machines run emulated" in done.stdout) is not bool(possible)
