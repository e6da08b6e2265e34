# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests on a real libvirtd share: modules run as users run them, a storage, loop devices; all cleaned up."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import zlib
from pathlib import Path
from types import SimpleNamespace

import golden_image as golden_images
import pytest
import shared_storage
import tiny_guest as tiny_guests
from acted import Actions
from ansible_playbook import Playbooks
from forked import Forks
from http_source import http_source
from postgres import Postgres
from results import results

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
COLLECTIONS = Path(tempfile.mkdtemp(prefix="intake-vms-collections-"))
(COLLECTIONS / "ansible_collections" / "intake").mkdir(parents=True)
(COLLECTIONS / "ansible_collections" / "intake" / "vms").symlink_to(ROOT)
(COLLECTIONS / "ansible.cfg").touch()
sys.path.insert(0, str(COLLECTIONS))


# What a hypervisor of the lab has no packages for, and what uses no storage.
collect_ignore_glob = ["test_inventory_*", "test_role_*", "test_through_*"] if shared_storage.ASKED else []


def pytest_unconfigure():
    """The folder in which Python and Ansible find this checkout as the collection."""
    shutil.rmtree(COLLECTIONS)


def pytest_collection_modifyitems(config, items):
    """Loop devices and qemu:///system need root; on an NFS server only what uses a storage is run again."""
    if shared_storage.ASKED:
        config.hook.pytest_deselected(items=[item for item in items if not shared_storage.is_wanted(item)])
        items[:] = [item for item in items if shared_storage.is_wanted(item)]
    if os.geteuid() != 0:
        for item in items:
            if HERE in Path(item.fspath).parents:
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server of a file's own, which its tests may stop and start."""
    running = Postgres()
    yield running
    running.end()


@pytest.fixture(scope="session")
def inventory_dsn():
    """A database in which all that the modules do under Ansible is recorded."""
    from ansible_collections.intake.vms.plugins.plugin_utils.database import client, schema

    shared_storage.needs_ansible()
    server = Postgres()
    dsn = server.dsn()
    with client.connected(dsn) as connection:
        schema.migrate(connection)
    yield dsn
    server.end()


@pytest.fixture(scope="session")
def ansible_environment(inventory_dsn):
    """An environment in which Ansible sees this checkout as the collection, records in a database, and has nothing else of the user's."""
    shared_storage.needs_ansible()
    return {
        "INTAKE_INVENTORY_DSN": inventory_dsn,
        **os.environ,
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/sbin:/usr/bin:/sbin:/bin",
        "ANSIBLE_CONFIG": str(COLLECTIONS / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "callback"),
        "ANSIBLE_STDOUT_CALLBACK": "host_result",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "ANSIBLE_BECOME_ALLOW_SAME_USER": "1",  # root becomes root by sudo; else `become` would do nothing here
    }


@pytest.fixture
def unrecorded(request, monkeypatch):
    """No database, whose locks would come before those of the host."""
    if not shared_storage.ASKED:
        monkeypatch.delitem(request.getfixturevalue("ansible_environment"), "INTAKE_INVENTORY_DSN")


@pytest.fixture(scope="session")
def run_tasks(request):
    """run_tasks((module, options, check), ...) -> the whole result of each, diff included, from modules in forks.

    In every tenth test, and always in the same ones, the action plugins take part and record; they alone know files of the controller.
    A call takes 0.1 s; see by_ansible.
    """
    forks, environment = Forks(COLLECTIONS), {} if shared_storage.ASKED else request.getfixturevalue("ansible_environment")
    actions = Actions(environment)

    def run(*calls):
        test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
        dsn = environment.get("INTAKE_INVENTORY_DSN") if zlib.crc32(test.encode()) % 10 == 0 else None
        return [actions.call(*call, dsn) if dsn or "src" in call[1] else forks.call(*call) for call in calls]

    yield run
    forks.end()
    actions.end()


@pytest.fixture(scope="session")
def playbooks(ansible_environment):
    """ansible-playbook as it is run hundreds of times."""
    running = Playbooks(ansible_environment)
    yield running
    running.end()


@pytest.fixture(scope="session")
def by_ansible(ansible_environment, playbooks):
    """The same from one ansible-playbook, recorded. A failed task does not end it. One task takes about 1 s, each more 0.3 s."""

    def run(*calls):
        tasks = [{f"intake.vms.{module}": options, "check_mode": check, "ignore_errors": True} for module, options, check in calls]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        with tempfile.NamedTemporaryFile("w", dir=COLLECTIONS, suffix=".json") as playbook:
            json.dump([play], playbook)
            playbook.flush()
            words = ["--diff", "-e", f"ansible_python_interpreter={sys.executable}", playbook.name]
            done = playbooks.run(words, ansible_environment)
        told = [result for _host, result in results(done.stdout)]
        assert len(told) == len(calls), f"no result from {calls}:\n{done.stdout}\n{done.stderr}"
        return told

    return run


@pytest.fixture(scope="session")
def run_module(run_tasks):
    """run_module("intake_volume", check=False, name=..., ...) -> the module's whole result, diff included."""

    def run(module, check=False, **options):
        return run_tasks((module, options, check))[0]

    return run


@pytest.fixture(scope="session")
def ensure(run_tasks):
    """ensure(module, **options): a check run, a real run that did what was predicted, a second run without change.

    Returns the real run's result; `changed=False` among the options says that already the first must change nothing.
    """

    def run(module, changed=True, **options):
        predicted, done, again = run_tasks((module, options, True), (module, options, False), (module, options, False))
        assert not done.get("failed"), done["msg"]
        assert done["changed"] is changed, done
        assert predicted["changed"] is changed, predicted
        assert steps_of(predicted) == steps_of(done)
        assert predicted["diff"] == done["diff"]
        assert not again.get("failed") and not again["changed"], again
        return done

    return run


@pytest.fixture(scope="session")
def refuse(run_tasks):
    """refuse(module, reason, **options): the call fails with this reason, in check mode as well. Returns the sentence."""

    def run(module, reason, **options):
        for result in run_tasks((module, options, True), (module, options, False)):
            assert result.get("failed"), result
            assert result["reason"] == reason, result["msg"]
            assert not result["changed"]
        return result["msg"]

    return run


def steps_of(result):
    """What each item did, without what it is now."""
    return [(entry["name"], entry["steps"]) for entry in result["resources"]]


@pytest.fixture(scope="session")
def prefix():
    """Begins every name a test run makes, so that runs beside each other do not meet."""
    return f"ivt{uuid.uuid4().hex[:6]}"


@pytest.fixture
def unique(prefix, request):
    """A name that no other test of this or another run has; add to it freely."""
    return f"{prefix}-{uuid.uuid4().hex[:5]}"


@pytest.fixture(scope="session")
def connection():
    """libvirt itself, to see whether the modules told the truth."""
    libvirt = pytest.importorskip("libvirt")
    libvirt.registerErrorHandler(lambda context, error: None, None)
    found = libvirt.open("qemu:///system")
    yield found
    found.close()


@contextlib.contextmanager
def passable(beginning):
    """A directory that QEMU's user can pass through (pytest's own ones it cannot)."""
    path = tempfile.mkdtemp(prefix=f"{beginning}-", dir="/var/tmp")
    os.chmod(path, 0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def folder(unique):
    """An existing directory for one test."""
    with passable(unique) as path:
        yield path


@pytest.fixture(scope="module")
def module_folder(prefix):
    """An existing directory for the tests of a file."""
    with passable(prefix) as path:
        yield Path(path)


@pytest.fixture
def in_a_directory():
    """Tests of what only befalls a storage that is a directory of its host."""
    if shared_storage.ASKED:
        pytest.skip("the storage is no directory of this host")


@pytest.fixture(scope="session")
def nfs_storage(prefix, run_tasks, forget_pool, connection):
    """One storage for all tests, since a mount takes its time; None where no NFS server is asked for."""
    if not shared_storage.ASKED:
        yield None
        return
    with shared_storage.storage_on_nfs(f"{prefix}-nfs", run_tasks, forget_pool, connection) as made:
        yield made


@pytest.fixture
def storage(connection, forget_pool, unique, folder, nfs_storage):
    """An active storage with `name` and `path`: a directory made by libvirt alone, or on NFS; its files are gone afterwards."""
    if nfs_storage:
        nfs_storage.renew()
        yield nfs_storage
        return
    path = os.path.join(folder, "storage")
    os.mkdir(path, 0o711)
    pool = connection.storagePoolDefineXML(f"<pool type='dir'><name>{unique}</name><target><path>{path}</path></target></pool>")
    pool.create()
    yield SimpleNamespace(name=unique, path=path)
    forget_pool(unique)


@pytest.fixture(scope="session")
def forget_pool(connection):
    """forget_pool(name): stop and undefine a pool if it is there; unmounts, keeps files."""

    def forget(name):
        for pool in connection.listAllStoragePools(0):
            if pool.name() == name:
                persistent = pool.isPersistent()
                if pool.isActive():
                    pool.destroy()
                if persistent:
                    pool.undefine()

    return forget


@pytest.fixture
def pool_name(forget_pool, unique, folder):
    """A name whose pool goes away before its folder does."""
    yield unique
    forget_pool(unique)


@pytest.fixture
def tree(unique):
    """A directory for mount points; whatever is mounted in it is unmounted, and it is removed."""
    path = f"/var/tmp/{unique}-tree"
    os.mkdir(path)
    yield path
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounted = [line.split()[4] for line in file]
    for mount in reversed([mount for mount in mounted if mount.startswith(f"{path}/")]):
        subprocess.run(["umount", mount], check=True)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def source():
    """An HTTP server for images; a file whose server does more has its own."""
    with http_source() as running:
        yield running


@pytest.fixture
def loop_device(tmp_path):
    """loop_device(size="400M") -> /dev/loopN on a sparse file; partitions on it become devices. Detached afterwards."""
    made = []

    def make(size="400M"):
        backing = tmp_path / f"disk{len(made)}.img"
        subprocess.run(["truncate", "-s", size, backing], check=True)
        found = subprocess.run(["losetup", "-fP", "--show", backing], check=True, capture_output=True, text=True)
        made.append(found.stdout.strip())
        return made[-1]

    yield make
    for device in made:
        subprocess.run(["losetup", "-d", device], check=True)
        for link in Path("/dev/disk/by-uuid").glob("*"):
            if not os.path.exists("/run/udev/control") and os.readlink(link).startswith(device):
                link.unlink()


@pytest.fixture(scope="session")
def golden_image():
    """Path of a guest image that boots and answers by its agent; built at its first use, kept in the user's cache."""
    shared_storage.needs_ansible()
    return golden_images.golden_image()


@pytest.fixture(scope="session")
def tiny_guest():
    """A guest that boots in about four seconds: `kernel`, `initrd`, `cmdline`, and `options` for intake_vm.

    `saying("mute", "deaf", "lazy=2", "dies=8")` gives the options with words that change its manners; see tiny_guest.py.
    """
    path = tempfile.mkdtemp(prefix="intake-vms-tiny-", dir="/var/tmp")
    os.chmod(path, 0o711)
    tiny_guests.tiny_guest(path)
    files = {"kernel": f"{path}/vmlinuz", "initrd": f"{path}/initrd", "cmdline": tiny_guests.CMDLINE}
    options = {**files, "virt_type": "auto", "memory": "128MiB"}

    def saying(*words):
        return {**options, "cmdline": " ".join([tiny_guests.CMDLINE, *words])}

    yield SimpleNamespace(**files, options=options, saying=saying)
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def forget_vms(connection):
    """forget_vms(beginning of their names): pull the plug and undefine, with all that belongs to them; files stay."""

    def forget(beginning):
        for domain in connection.listAllDomains(0):
            if domain.name().startswith(beginning):
                persistent = domain.isPersistent()
                if domain.isActive():
                    domain.destroy()
                if persistent:
                    domain.undefineFlags(1 | 2 | 4 | 16 | 64)  # managed save, snapshots, NVRAM, checkpoints, TPM

    return forget
