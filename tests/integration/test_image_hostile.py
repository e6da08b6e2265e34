# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of hostile content, and in storages that are full, damaged or gone."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from disks import hidden, qemu_img, sha
from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import INFO_SPEC, Images

MODULES = Modules(Images, INFO_SPEC)
DATA = random.Random(6).randbytes(300_000)


@pytest.fixture
def file(tmp_path):
    """A small image on the hypervisor."""
    path = tmp_path / "file.img"
    path.write_bytes(DATA)
    return str(path)


@pytest.fixture
def tiny(connection, unique, folder, loop_device):
    """A storage of 4 MiB on a filesystem of its own."""
    device, path = loop_device("4M"), os.path.join(folder, "tiny")
    os.mkdir(path, 0o711)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", device], check=True)
    subprocess.run(["mount", device, path], check=True)
    pool = connection.storagePoolDefineXML(f"<pool type='dir'><name>{unique}-tiny</name><target><path>{path}</path></target></pool>")
    pool.create()
    yield SimpleNamespace(name=f"{unique}-tiny", path=path)
    pool.destroy()
    pool.undefine()
    subprocess.run(["umount", path], check=True)


def header(**changes):
    """The start of a qcow2 file of version 3."""
    facts = {"version": 3, "backing": 0, "length": 0, "bits": 16, "size": 1 << 20, "crypt": 0, "l1": 1, "l1_at": 0, "table": 65536, "features": 0}
    facts.update(changes)
    words = [facts[key] for key in ("version", "backing", "length", "bits", "size", "crypt", "l1", "l1_at", "table")]
    start = b"QFI\xfb" + struct.pack(">IQIIQIIQQ", *words) + struct.pack(">IIQ", 1, 0, 0)
    return (start + struct.pack(">QQQII", facts["features"], 0, 0, 4, 104)).ljust(200_000, b"\0")


HOSTILE = {
    "json backing": header(backing=150, length=40).replace(b"\0" * 40, b'json:{"driver":"host_device"}'.ljust(40), 1),
    "data file": header(features=4),
    "unknown feature": header(features=1 << 40),
    "encrypted": header(crypt=2),
    "huge size": header(size=(1 << 63) - 1),
    "huge tables": header(l1=0xFFFFFFFF, l1_at=65536),
    "tables outside": header(l1_at=1 << 60, table=1 << 60),
    "odd clusters": header(bits=31),
    "version 1": header(version=1),
    "version 9": header(version=9),
    "cut": header()[:60],
    "magic alone": b"QFI\xfb",
    "vmdk": b'# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0',
    "page": b"<html><head>",
    "gz of nothing": gzip.compress(b""),
    "gz cut": gzip.compress(DATA)[:-9],
    "gz with a tail": gzip.compress(DATA) + b"tail",
    "gz of a hostile one": gzip.compress(header(features=4)),
    "xz cut": lzma.compress(DATA)[:-9],
    "xz head": b"\xfd7zXZ\0" + bytes(100),
    "zst head": b"\x28\xb5\x2f\xfd" + bytes(100),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_content_leaves_nothing(kind, storage, tmp_path):
    (tmp_path / "file").write_bytes(HOSTILE[kind])
    for form in (None, "raw"):
        result = MODULES.run(storage=storage.name, name="x", path=str(tmp_path / "file"), format=form)
        assert result.get("failed") and result["msg"].startswith("image x: "), (form, result)
        assert not hidden(storage) and not os.path.exists(f"{storage.path}/x")
    assert not os.path.exists(f"{storage.path}/.intake/x.json")


def test_content_that_is_packed_in_another_way_is_kept(storage, tmp_path):
    for name, content in (("bz2", bz2.compress(DATA)), ("twice", gzip.compress(DATA)), ("one", b"x"), ("gz-name.gz", DATA)):
        (tmp_path / name).write_bytes(gzip.compress(content) if name == "twice" else content)
        MODULES.ensure(storage=storage.name, name=name, path=str(tmp_path / name))
        assert Path(storage.path, name).read_bytes() == content


def test_bomb_is_unpacked_without_room_for_it(tiny, tmp_path):
    """Two hundred megabytes of zeros take no space; as many others end in a sentence, and everything is as before."""
    (tmp_path / "zeros").write_bytes(gzip.compress(bytes(200 << 20), 1))
    (tmp_path / "ones").write_bytes(gzip.compress(b"\1" * (200 << 20), 1))
    done = MODULES.run(storage=tiny.name, name="zeros", path=str(tmp_path / "zeros"))
    assert done["changed"] and done["image"]["size"] == 200 << 20, done
    failed = MODULES.run(storage=tiny.name, name="ones", path=str(tmp_path / "ones"))
    assert failed["reason"] == "no_space" and not hidden(tiny) and sorted(os.listdir(tiny.path)) == [".intake", "lost+found", "zeros"]


def test_full_to_the_last_byte(tiny, source, file):
    """Records and journals cannot be written either."""
    MODULES.run(storage=tiny.name, name="a", path=file, description="before")
    subprocess.run(["dd", "if=/dev/zero", f"of={tiny.path}/filler", "bs=1k"], stderr=subprocess.DEVNULL, check=False)
    failures = [
        MODULES.run(storage=tiny.name, name="b", path=file),
        MODULES.run(storage=tiny.name, name="b", url=source.put("/full", DATA)),
        MODULES.run(storage=tiny.name, name="b", volume="a", format="qcow2"),
        MODULES.run(storage=tiny.name, name="a", format="qcow2"),
        MODULES.run(storage=tiny.name, name="a", description="x" * 9000),
    ]
    for failed in failures:
        assert failed.get("failed") and failed["msg"].startswith("image ") and not failed["changed"], failed
    assert not hidden(tiny) and Path(tiny.path, "a").read_bytes() == DATA
    assert [one["description"] for one in MODULES.info(storage=tiny.name)["images"]] == ["before"]
    MODULES.ensure(storage=tiny.name, name="a", state="absent")


DAMAGED = ["", "{", "[]", "5", "null", "[" * 100_000]
WRONG = ({"labels": "x", "digests": [1], "stamp": 5}, {"description": 7, "labels": {"a": 1}}, {"format": 5, "digests": {"sha256": 1}})
DAMAGED += [json.dumps({"kind": "image", **facts}) for facts in WRONG]
JOURNALS = [*DAMAGED, '{"since": "soon", "total": [], "url": 5}', '{"since": 1e400}', '{"since": 99999999999999999999, "total": -1}', '{"etag": 5}']


def test_damaged_records_and_journals(storage, file, source):
    os.mkdir(f"{storage.path}/.intake")
    for number, text in enumerate(DAMAGED):
        Path(storage.path, f"r{number}.img").write_bytes(DATA)
        Path(storage.path, ".intake", f"r{number}.img.json").write_text(text, encoding="utf-8")
    for number, text in enumerate(JOURNALS):
        Path(storage.path, f".intake-transfer-j{number}").write_text(text, encoding="utf-8")
        Path(storage.path, f".intake-download-j{number}").write_bytes(b"begun")
    Path(storage.path, "image.qcow2").write_bytes(b"QFI\xfb")
    Path(storage.path, ".intake", "image.qcow2.json").write_text('{"kind": "image", "format": "qcow2"}', encoding="utf-8")
    found = MODULES.info(storage=storage.name)
    assert "image.qcow2" in [one["name"] for one in found["images"]] and len(found["unfinished"]) == len(JOURNALS)
    assert MODULES.info(storage=storage.name, labels={"a": "b"})["images"] == []
    wants = [{"name": f"r{number}.img", "checksum": sha(DATA), "path": file} for number in range(len(DAMAGED))]
    wants += [{"name": f"j{number}", "url": source.put(f"/j{number}", DATA)} for number in range(len(JOURNALS))]
    done = MODULES.ensure(storage=storage.name, images=wants, description="mended", labels={"a": "b"})
    assert {entry["state"]["description"] for entry in done["resources"]} == {"mended"} and not hidden(storage)
    for want in wants:
        assert Path(storage.path, want["name"]).read_bytes() == DATA
    MODULES.ensure(storage=storage.name, images=[*[{"name": want["name"]} for want in wants], {"name": "image.qcow2"}], state="absent")


def test_storage_without_its_directory(in_a_directory, storage, folder, connection, file, run_module):
    """It is told apart from one without images, and hides no other storage."""
    os.rename(storage.path, f"{folder}/away")
    MODULES.refuse("storage_unreadable", storage=storage.name, name="x", path=file)
    MODULES.refuse("storage_unreadable", storage=storage.name, name="x", state="absent")
    assert not os.path.exists(storage.path)
    assert [one["storage"] for one in MODULES.info()["unreadable"] if storage.name in one["msg"]] == [storage.name]
    alone = run_module("intake_image_info", storage=storage.name)
    assert alone.get("failed") and alone["reason"] == "storage_unreadable" and storage.name in alone["msg"]
    os.rename(f"{folder}/away", storage.path)
    connection.storagePoolLookupByName(storage.name).destroy()
    MODULES.refuse("storage_inactive", storage=storage.name, name="x", path=file)


def test_names_that_lead_elsewhere(storage, folder, file):
    """Links, folders and pipes under an image's name are left alone."""
    Path(folder, "precious").write_bytes(b"precious")
    os.symlink(f"{folder}/precious", f"{storage.path}/link")
    os.symlink("/no/where", f"{storage.path}/dangling")
    os.mkdir(f"{storage.path}/folder")
    os.mkfifo(f"{storage.path}/pipe")
    for name in ("link", "dangling", "folder", "pipe"):
        for options in ({"path": file}, {"path": file, "checksum": sha(DATA)}, {"state": "absent"}):
            MODULES.refuse("not_a_file", storage=storage.name, name=name, **options)
    MODULES.run(storage=storage.name, name="x", path=file)
    for name in ("link", "dangling", "folder", "pipe"):
        MODULES.refuse("name_taken", storage=storage.name, name="x", new_name=name)
        os.symlink(f"{folder}/precious", f"{storage.path}/.intake-download-{name}-new")
        MODULES.ensure(storage=storage.name, name=f"{name}-new", path=file)
    assert Path(folder, "precious").read_bytes() == b"precious" and MODULES.info(storage=storage.name)["unreadable"] == []


def test_overlay_in_another_storage_counts(storage, connection, unique, folder, forget_pool, file):
    other = f"{folder}/other"
    os.mkdir(other)
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{unique}-o</name><target><path>{other}</path></target></pool>").create()
    try:
        MODULES.run(storage=storage.name, name="base", path=file)
        for backing in (f"{storage.path}/base", f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{storage.path}/base"}}}}'):
            qemu_img("create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", f"{other}/top")
            renewal = {"path": "/etc/hostname", "checksum": sha(Path("/etc/hostname").read_bytes())}
            for one in ({"state": "absent"}, {"new_name": "x"}, {"format": "qcow2"}, renewal):
                assert f"top (overlay, in storage {unique}-o)" in MODULES.refuse("in_use", storage=storage.name, name="base", **one)
            os.unlink(f"{other}/top")
    finally:
        forget_pool(f"{unique}-o")
