# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that two hosts have on one storage."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.filter.twins import twins

NFS = {"name": "shared", "path": "/srv/shared", "server": "nas", "export": "/vms"}
LOCAL = {"name": "local", "path": "/srv/local", "server": None, "export": None}


def report(host, *vms, storages=(NFS, LOCAL)):
    return {"host": host, "vms": list(vms), "storages": list(storages)}


def vm(name, *paths, state="stopped"):
    return {"name": name, "state": state, "disks": {str(index): {"path": path} for index, path in enumerate(paths)}}


def test_one_name_on_two_hosts_with_one_storage_is_told():
    found = twins([report("b", vm("web", "/srv/shared/web.qcow2", state="running")), report("a", vm("web", "/srv/shared/web.qcow2"))])
    assert found == [{"name": "web", "storage": "nas:/vms", "hosts": ["a", "b"], "running": ["b"]}]


def test_the_storage_is_the_export_wherever_it_is_mounted():
    other = {**NFS, "name": "elsewhere", "path": "/mnt/vms/"}
    assert len(twins([report("a", vm("web", "/srv/shared/x")), report("b", vm("web", "/mnt/vms/x"), storages=[other])])) == 1


@pytest.mark.parametrize(
    "server, export, other, same",
    [("nas", "/vms", "NAS", "/vms/"), ("nas.example.com", "/vms", "Nas.Example.com.", "/vms"), ("fd00::1", "/vms", "[FD00:0::1]", "/vms")],
)
def test_the_export_is_one_however_it_is_spelled(server, export, other, same):
    spelled = [[{**NFS, "server": server, "export": export}], [{**NFS, "server": other, "export": same}]]
    found = twins([report(host, vm("web", "/srv/shared/x"), storages=storages) for host, storages in zip("ab", spelled)])
    assert [(one["storage"], one["hosts"]) for one in found] == [(f"[{server}]:/vms" if ":" in server else f"{server}:/vms", ["a", "b"])]


def test_what_shares_nothing_is_fine():
    assert twins([]) == []
    assert twins([report("a", vm("web", "/srv/shared/x"))]) == []
    assert twins([report("a", vm("web", "/srv/local/x")), report("b", vm("web", "/srv/local/x"))]) == []
    assert twins([report("a", vm("web", "/srv/shared/x")), report("b", vm("db", "/srv/shared/x"))]) == []
    assert twins([report("a", vm("web", "/srv/shared/x")), report("b", vm("web", "/srv/shared2/x"))]) == []
    assert twins([report("a", vm("web", None)), report("b", {"name": "web"})]) == []
