# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on a real libvirtd, from a real server on the loopback: every option, changed and unchanged, refused and removed."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
import random
import stat
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from disks import files, hidden, qemu_img, records, sha
from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.arrival import compressed
from ansible_collections.intake.vms.plugins.module_utils.files import catalogue, transfer
from ansible_collections.intake.vms.plugins.module_utils.resources.image import delivery
from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import INFO_SPEC, Images

MODULES = Modules(Images, INFO_SPEC)
NOISE = random.Random(2).randbytes(1_500_000)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """(raw bytes, qcow2 bytes) of the same small disk."""
    folder = tmp_path_factory.mktemp("disk")
    (folder / "raw").write_bytes(NOISE + bytes(4 * 1024 * 1024 - len(NOISE)))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", folder / "raw", folder / "qcow2")
    return (folder / "raw").read_bytes(), (folder / "qcow2").read_bytes()


@pytest.fixture(scope="module")
def run_module():
    """The module's own code on the real hypervisor, without the 0.9 s that Ansible's start costs; see test_image_calls for that."""

    def run(module, check=False, **options):
        return MODULES.info(**options) if module == "intake_image_info" else MODULES.run(check=check, **options)

    return run


@pytest.fixture(scope="module")
def refuse():
    """See the fixture of the same name for all modules."""
    return MODULES.refuse


@pytest.fixture
def image(run_module, storage):
    """A check run, a real run that did what was predicted, a second run without change; nothing unfinished may remain."""

    def run(changed=True, **options):
        options["storage"] = storage.name
        predicted = run_module("intake_image", check=True, **options)
        done = run_module("intake_image", **options)
        assert not done.get("failed"), done["msg"]
        assert done["changed"] is predicted["changed"] is changed, (predicted, done)
        assert [entry["steps"] for entry in predicted["resources"]] == [entry["steps"] for entry in done["resources"]]
        assert predicted["diff"] == done["diff"]
        again = run_module("intake_image", **options)
        assert not again.get("failed") and not again["changed"], again
        assert not hidden(storage)
        return done

    return run


@pytest.fixture
def listed(run_module, storage):
    """The images of the storage by name, as the info module tells."""

    def run(**options):
        return {entry["name"]: entry for entry in run_module("intake_image_info", storage=storage.name, **options)["images"]}

    return run


def test_life_of_a_downloaded_image(image, listed, refuse, source, storage, disk, connection):
    url = source.put("/life.qcow2", disk[1])
    done = image(name="life.qcow2", url=url, checksum=sha(disk[1]), description="one", labels={"os": "x", "n": 1})
    path = Path(storage.path, "life.qcow2")
    assert path.read_bytes() == disk[1] and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert len(source.requests("/life.qcow2")) == 1
    shown = done["image"]
    assert shown["format"] == "qcow2" and shown["size"] == 4 * 1024 * 1024 and shown["source"] == url
    assert shown["checksum"] == sha(disk[1]) and shown["labels"] == {"os": "x", "n": "1"} and shown["description"] == "one"
    assert "life.qcow2" in connection.storagePoolLookupByName(storage.name).listVolumes()
    entry = listed(labels={"os": "x"})["life.qcow2"]
    assert entry["users"] == [] and entry["changed_outside"] is False and entry["state"] == "ready"
    assert not listed(labels={"os": "y"}) and not listed(names=["other"]) and not listed(state="unfinished")

    image(name="life.qcow2", description="two")
    image(name="life.qcow2", labels={})
    image(name="life.qcow2", description="")
    assert image(name="life.qcow2", description="", changed=False)["image"]["labels"] == {}
    image(name="life.qcow2", new_name="later.qcow2", description="renamed")
    assert listed()["later.qcow2"]["description"] == "renamed" and listed()["later.qcow2"]["checksum"] == sha(disk[1])
    image(name="later.qcow2", url=url, changed=False)
    assert len(source.requests("/life.qcow2")) == 1
    image(name="later.qcow2", state="absent")
    assert files(storage.path) == [] and not records(storage.path)
    assert "does not exist" in refuse("source_missing", name="later.qcow2", storage=storage.name)


def test_new_content_when_the_checksum_changes(image, refuse, source, storage, disk):
    url = source.put("/content.img", b"old" + disk[0])
    image(name="content.img", url=url, description="kept")
    source.put("/content.img", disk[0])
    image(name="content.img", url=url, changed=False)
    done = image(name="content.img", url=url, checksum=sha(disk[0]))
    assert Path(storage.path, "content.img").read_bytes() == disk[0]
    assert done["image"]["description"] == "kept" and done["diff"][0]["after"]["content"]["checksum"] == sha(disk[0])
    said = refuse("checksum_mismatch", name="content.img", storage=storage.name, checksum=sha(b"x"))
    assert sha(disk[0]) in said and sha(b"x") in said
    with open(Path(storage.path, "content.img"), "ab") as file:
        file.write(b"written by somebody")
    image(name="content.img", url=url, checksum=sha(disk[0]))
    assert Path(storage.path, "content.img").read_bytes() == disk[0]
    image(name="content.img", checksum=sha(disk[0], "sha512"), changed=False)
    image(name="content.img", format="qcow2")
    image(name="content.img", url=url, checksum=sha(disk[0]), changed=False)
    image(name="content.img", url=url, checksum=sha(disk[0]), format="raw")
    assert Path(storage.path, "content.img").read_bytes() == disk[0]


def test_lists_of_sums(image, refuse, source, storage, disk):
    url = source.put("/sums/a.img", disk[0])
    other = source.put("/sums/b%20c.img", disk[1])
    gnu = source.put("/sums/SHA256SUMS", f"{'0' * 64}  x.img\n{hashlib.sha256(disk[0]).hexdigest()} *a.img\n".encode())
    bsd = source.put("/sums/CHECKSUM", f"SHA512 (b c.img) = {hashlib.sha512(disk[1]).hexdigest()}\n".encode())
    done = image(name="a.img", url=url, checksum=f"sha256:{gnu}")
    assert done["image"]["checksum"] == sha(disk[0])
    assert image(name="b.img", url=other, checksum=f"sha512:{bsd}")["image"]["checksum"] == sha(disk[1], "sha512")
    said = refuse("checksum_not_found", name="c.img", storage=storage.name, url=other, checksum=f"sha256:{gnu}")
    assert "lists no sha256 sum for b c.img" in said
    source.put("/sums/SHA256SUMS", f"{hashlib.sha256(b'new').hexdigest()}  a.img\n".encode())
    source.put("/sums/a.img", b"new")
    image(name="a.img", url=url, checksum=f"sha256:{gnu}")
    assert Path(storage.path, "a.img").read_bytes() == b"new"


def test_list_of_sums_is_fetched_once(run_module, source, storage):
    names = [f"many{number}.img" for number in range(5)]
    sums = "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names)
    where = source.put("/many/SHA256SUMS", sums.encode())
    images = [{"name": name, "url": source.put(f"/many/{name}", name.encode())} for name in names]
    done = run_module("intake_image", storage=storage.name, checksum=f"sha256:{where}", images=images)
    assert done["changed"] and len(source.requests("/many/SHA256SUMS")) == 1
    assert [Path(storage.path, name).read_text() for name in names] == names


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstd], ids=["gz", "xz", "zst"])
def test_packed_and_converted(image, source, storage, disk, pack):
    packed = pack(disk[0])
    url = source.put("/packed", packed)
    image(name="unpacked.img", url=url, checksum=sha(packed))
    assert Path(storage.path, "unpacked.img").read_bytes() == disk[0]
    done = image(name="other.qcow2", url=url, checksum=sha(packed), format="qcow2")
    assert done["image"]["format"] == "qcow2" and done["resources"][0]["steps"][0]["verb"] == "copy"
    qemu_img("compare", Path(storage.path, "unpacked.img"), Path(storage.path, "other.qcow2"))
    image(name="packed", url=url, checksum=sha(packed), decompress="none")
    assert Path(storage.path, "packed").read_bytes() == packed
    image(name="fresh.qcow2", url=url, format="qcow2")
    qemu_img("compare", Path(storage.path, "unpacked.img"), Path(storage.path, "fresh.qcow2"))
    image(name="back.img", url=source.put("/disk.qcow2", disk[1]), format="raw")
    assert Path(storage.path, "back.img").read_bytes() == disk[0]


def test_iso_images(image, listed, run_module, refuse, source, storage):
    iso = bytearray(100 * 2048)
    iso[0x8001:0x8006] = b"CD001"
    url = source.put("/x.iso", bytes(iso))
    assert image(name="x.iso", url=url, format="iso")["image"]["format"] == "iso"
    failed = run_module("intake_image", name="y.iso", storage=storage.name, url=url, format="qcow2")
    assert failed["reason"] == "iso_not_converted" and not hidden(storage)
    assert run_module("intake_image", name="y.iso", storage=storage.name, url=source.put("/n", b"raw"), format="iso")["reason"] == "not_iso"
    assert "never converted" in refuse("iso_not_converted", name="x.iso", storage=storage.name, format="raw")
    Path(storage.path, "put-there.iso").write_bytes(iso)
    assert set(listed()) == {"x.iso", "put-there.iso"}
    image(name="put-there.iso", description="known now")
    image(name="put-there.iso", state="absent")


def test_untrusted_content(run_module, source, storage, tmp_path, disk):
    secret = tmp_path / "secret"
    secret.write_bytes(disk[0])
    qemu_img("create", "-f", "qcow2", "-b", secret, "-F", "raw", tmp_path / "backed")
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", tmp_path / "external", "1M")
    cases = {
        "untrusted_backing": [(tmp_path / "backed").read_bytes(), (tmp_path / "external").read_bytes()],
        "not_an_image": [b"", b"\n<!DOCTYPE html><html></html>", b"QFI\xfb\0\0\0\1" + bytes(600)],
        "unknown_format": [b"# Disk DescriptorFile\nRW 1 FLAT \"/etc/shadow\" 0", b"KDMV" + bytes(600)],
        "damaged": [gzip.compress(disk[0])[:-50]],
    }
    for reason, contents in cases.items():
        for content in contents:
            result = run_module("intake_image", name="evil", storage=storage.name, url=source.put("/evil", content))
            assert result["reason"] == reason, result["msg"]
            assert result["msg"].startswith("image evil: ") and not hidden(storage) and not os.path.exists(f"{storage.path}/evil")


def test_wrong_checksum_and_missing_url(run_module, source, storage):
    result = run_module("intake_image", name="x", storage=storage.name, url=source.put("/x", b"content"), checksum=sha(b"other"))
    assert result["reason"] == "checksum_mismatch" and sha(b"content") in result["msg"] and sha(b"other") in result["msg"]
    result = run_module("intake_image", name="x", storage=storage.name, url=source.url("/not-there"))
    assert result["reason"] == "http_error" and "answered 404" in result["msg"]
    assert files(storage.path) == []


def test_one_download_per_content(run_module, source, storage, disk):
    url = source.put("/shared.qcow2", disk[1], pause=0.02)
    images = [{"name": "one"}, {"name": "two"}, {"name": "three", "format": "raw"}]
    predicted = run_module("intake_image", check=True, storage=storage.name, url=url, checksum=sha(disk[1]), images=images)
    done = run_module("intake_image", storage=storage.name, url=url, checksum=sha(disk[1]), images=images)
    assert [entry["steps"] for entry in predicted["resources"]] == [entry["steps"] for entry in done["resources"]]
    assert [entry["steps"][0]["verb"] for entry in done["resources"]] == ["download", "copy", "copy"]
    assert len(source.requests("/shared.qcow2")) == 1
    assert Path(storage.path, "two").read_bytes() == disk[1] and Path(storage.path, "three").read_bytes() == disk[0]
    again = run_module("intake_image", storage=storage.name, url=url, checksum=sha(disk[1]), images=[*images, {"name": "four"}])
    assert again["resources"][3]["steps"][0]["verb"] == "copy" and [entry["changed"] for entry in again["resources"]] == [False] * 3 + [True]
    assert len(source.requests("/shared.qcow2")) == 1


def test_one_failing_item_leaves_the_others(run_module, source, storage):
    images = [{"name": "good", "url": source.put("/good", b"good")}, {"name": "bad", "url": source.url("/bad")}]
    result = run_module("intake_image", storage=storage.name, images=images)
    assert result["failed"] and result["changed"] and [entry["changed"] for entry in result["resources"]] == [True, False]
    assert result["msg"].startswith("image bad: ") and result["resources"][0]["state"]["size"] == 4
    twice = run_module("intake_image", storage=storage.name, images=[{"name": "a"}, {"name": "a"}])
    assert twice["reason"] == "duplicate_name"


def test_files_of_the_hypervisor(image, refuse, storage, tmp_path, disk):
    path = tmp_path / "file.qcow2"
    path.write_bytes(disk[1])
    done = image(name="copied.qcow2", path=str(path))
    assert done["image"]["checksum"] == sha(disk[1]) and done["image"]["source"] == str(path)
    path.write_bytes(disk[0])
    image(name="copied.qcow2", path=str(path), changed=False)
    image(name="copied.qcow2", path=str(path), checksum=sha(disk[0]))
    assert Path(storage.path, "copied.qcow2").read_bytes() == disk[0]
    said = refuse("source_not_found", name="x", storage=storage.name, path=str(tmp_path / "nothing"))
    assert said.startswith("image x: ") and "No such file" in said


def test_adoption_of_files_and_kinds(image, refuse, run_module, storage, disk):
    Path(storage.path, "found.img").write_bytes(disk[0])
    args = {"storage": storage.name, "name": "found.img"}
    assert "is a volume" in refuse("kind_mismatch", state="absent", **args)
    assert "another content" in refuse("kind_mismatch", checksum=sha(b"x"), path="/etc/hostname", **args)
    image(name="found.img", checksum=sha(disk[0]))
    image(name="found.img", state="absent")
    os.makedirs(Path(storage.path, ".intake"), exist_ok=True)
    Path(storage.path, "found.img").write_bytes(disk[0])
    Path(storage.path, ".intake", "found.img.json").write_text('{"kind": "volume"}')
    assert "a volume of this name exists" in refuse("kind_mismatch", path="/etc/hostname", **args)
    assert Path(storage.path, "found.img").read_bytes() == disk[0]


def test_options_that_make_no_sense(refuse, run_module, storage):
    args = {"storage": storage.name, "name": "x"}
    refuse("invalid_options", url="http://127.0.0.1/x", path="/x", **args)
    refuse("invalid_url", url="file:///etc/passwd", **args)
    refuse("invalid_checksum", url="http://127.0.0.1/x", checksum="md5:1", **args)
    refuse("invalid_name", name="../x", storage=storage.name, url="http://127.0.0.1/x")
    refuse("storage_missing", name="x", url="http://127.0.0.1/x")
    refuse("storage_not_found", name="x", storage="no-such-storage", url="http://127.0.0.1/x")


def test_stalled_server(run_module, source, storage):
    begun = time.monotonic()
    result = run_module("intake_image", storage=storage.name, name="x", url=source.put("/stalled", NOISE, stall_at=100_000), timeout=2)
    assert result["reason"] == "timeout" and "sent nothing for 2 s" in result["msg"] and time.monotonic() - begun < 20
    source.put("/stalled", NOISE)
    assert run_module("intake_image", storage=storage.name, name="x", url=source.url("/stalled"))["changed"]
    assert "Range" in source.requests("/stalled")[-1] and not hidden(storage)


@pytest.fixture
def small(connection, unique, folder, loop_device):
    """A storage of 16 MiB on a filesystem of its own."""
    device, path = loop_device("16M"), os.path.join(folder, "small")
    os.mkdir(path, 0o711)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", device], check=True)
    subprocess.run(["mount", device, path], check=True)
    name = f"{unique}-small"
    pool = connection.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>")
    pool.create()
    yield SimpleNamespace(name=name, path=path)
    pool.destroy()
    pool.undefine()
    subprocess.run(["umount", path], check=True)


def test_full_storage(run_module, source, small):
    big = random.Random(4).randbytes(30_000_000)
    result = run_module("intake_image", storage=small.name, name="big", url=source.put("/big", big))
    assert result["reason"] == "no_space" and "needs 28.6 MiB" in result["msg"] and "nothing was transferred" in result["msg"]
    packed = gzip.compress(big[:9_000_000], compresslevel=0)
    result = run_module("intake_image", storage=small.name, name="packed", url=source.put("/packed", packed))
    assert result["reason"] == "no_space" and "the storage is full" in result["msg"], result["msg"]
    assert not hidden(small) and os.listdir(small.path) in (["lost+found"], [".intake", "lost+found"], ["lost+found", ".intake"])
    assert run_module("intake_image", storage=small.name, name="fits", url=source.put("/fits", big[:1000]))["changed"]


def test_users_keep_their_images(run_module, image, refuse, source, storage, connection, unique):
    """Overlays, and machines that have it as disk or in a drive, are named; nothing changes."""
    disk, iso = Path(storage.path, "base.qcow2"), Path(storage.path, "medium.iso")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{storage.path}/made", "1M"], check=True)
    plain = bytearray(60 * 2048)
    plain[0x8001:0x8006] = b"CD001"
    base = {"storage": storage.name, "name": "base.qcow2", "path": f"{storage.path}/made"}
    image(**base)
    image(name="medium.iso", url=source.put("/medium.iso", bytes(plain)))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "qcow2", f"{storage.path}/top.qcow2"], check=True)
    xml = (
        f"<domain type='qemu'><name>{unique}</name><memory>65536</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file' device='cdrom'><source file='{iso}'/><target dev='sda' bus='sata'/><readonly/></disk></devices></domain>"
    )
    domain = connection.defineXML(xml)
    try:
        said = refuse("in_use", storage=storage.name, name="base.qcow2", state="absent")
        assert said == f"image base.qcow2: cannot be removed while it is used by volume top.qcow2 (overlay, in storage {storage.name})"
        said = refuse("in_use", storage=storage.name, name="medium.iso", state="absent")
        assert said == f"image medium.iso: cannot be removed while it is used by vm {unique}"
        refuse("in_use", storage=storage.name, name="base.qcow2", new_name="other.qcow2")
        refuse("in_use", **{**base, "path": "/etc/hostname", "checksum": sha(Path("/etc/hostname").read_bytes())})
        refuse("in_use", storage=storage.name, name="base.qcow2", format="raw")
        told = {entry["name"]: entry["users"] for entry in run_module("intake_image_info", storage=storage.name)["images"]}
        assert told["medium.iso"] == [f"vm {unique}"] and len(told["base.qcow2"]) == 1
        image(name="base.qcow2", description="may change")
    finally:
        domain.undefine()
    os.unlink(f"{storage.path}/top.qcow2")
    image(images=[{"name": "base.qcow2"}, {"name": "medium.iso"}], state="absent")


def test_image_of_a_volume(run_module, image, refuse, storage):
    """Flattened, whatever its chain; refused while somebody writes to it."""
    bottom, top = f"{storage.path}/bottom.qcow2", f"{storage.path}/top.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", bottom, "8M"], check=True)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 1M", bottom], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", bottom, "-F", "qcow2", top], check=True)
    want = {"storage": storage.name, "name": "flat.qcow2", "volume": "top.qcow2"}
    done = image(**want)
    assert done["image"]["size"] == 8 << 20 and done["image"]["source"] == f"{storage.name}/top.qcow2"
    told = json.loads(subprocess.run(["qemu-img", "info", "--output=json", done["image"]["path"]], check=True, capture_output=True).stdout)
    assert "backing-filename" not in told
    subprocess.run(["qemu-img", "compare", "-q", top, done["image"]["path"]], check=True)
    image(**{**want, "name": "flat.raw", "format": "raw", "volume_storage": storage.name})
    assert os.path.getsize(f"{storage.path}/flat.raw") == 8 << 20
    with subprocess.Popen(["qemu-io", top], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdin.write(b"length\n")
        writer.stdin.flush()
        writer.stdout.read(1)
        said = refuse("volume_in_use", **{**want, "name": "third.qcow2"})
        assert "is written to by another program" in said
        writer.stdin.close()
    refuse("source_not_found", **{**want, "name": "third.qcow2", "volume": "nothing.qcow2"})


def die(*args, **kwargs):
    """What kill -9 does: no clean-up of any kind."""
    os._exit(9)


def link_and_die(partial, final, *args, **kwargs):
    """Killed between the two halves of a rename that replaces nothing."""
    os.link(partial, final)
    os._exit(9)


def publish_and_die(partial, final, *args, **kwargs):
    """Killed after the rename."""
    os.rename(partial, final)
    os._exit(9)


DEATHS = [
    (compressed, "unpack", die),
    (delivery, "convert", die),
    (catalogue.Catalogue, "put", die),
    (transfer, "publish", die),
    (transfer, "publish", link_and_die),
    (transfer, "publish", publish_and_die),
    (delivery, "clear", die),
]


KILLS = [(*death, renewal) for renewal in (False, True) for death in DEATHS if not (renewal and death[2] is link_and_die)]  # a renewal replaces


@pytest.mark.parametrize(
    "place, name, how, renewal", KILLS, ids=[f"{name}-{how.__name__}-{'renewal' if renewal else 'new'}" for _place, name, how, renewal in KILLS]
)
def test_killed_at_any_point(run_module, monkeypatch, source, storage, disk, place, name, how, renewal):
    packed = gzip.compress(disk[0])
    want = {"storage": storage.name, "name": "x.qcow2", "format": "qcow2", "url": source.put("/killed", packed), "checksum": sha(packed)}
    if renewal:
        run_module("intake_image", storage=storage.name, name="x.qcow2", url=source.put("/before", disk[1]))
    child = os.fork()
    if not child:
        monkeypatch.setattr(place, name, how)
        run_module("intake_image", **want)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    run_module("intake_image", **want)
    Path(storage.path, "raw").write_bytes(disk[0])
    qemu_img("compare", "-f", "qcow2", "-F", "raw", Path(storage.path, "x.qcow2"), Path(storage.path, "raw"))
    again = run_module("intake_image", **want)
    assert not again.get("failed") and not again["changed"], again
    assert again["image"]["format"] == "qcow2" and again["image"]["checksum"] == sha(packed)
    assert not hidden(storage)


@pytest.mark.parametrize("form", ["vdi", "vpc", "vhdx"])
def test_other_formats_are_converted_on_request(image, run_module, source, storage, disk, tmp_path, form):
    (tmp_path / "raw").write_bytes(disk[0])
    qemu_img("convert", "-f", "raw", "-O", form, tmp_path / "raw", tmp_path / form)
    url = source.put(f"/disk.{form}", (tmp_path / form).read_bytes())
    result = run_module("intake_image", storage=storage.name, name="x", url=url)
    assert result["reason"] == "unknown_format" and "format: qcow2 or raw" in result["msg"]
    assert image(name="x", url=url, format="qcow2")["image"]["format"] == "qcow2"
    qemu_img("info", "-f", "qcow2", Path(storage.path, "x"))


def test_header_that_a_guest_wrote_to_its_raw_disk_is_not_believed(run_module, storage, connection, unique, tmp_path):
    """Else a guest could read any file of the host through an image made of its disk."""
    (tmp_path / "secret").write_bytes(b"secret" * 1000)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", tmp_path / "secret", "-F", "raw", f"{storage.path}/evil", "1M"], check=True)
    written = Path(storage.path, "evil").read_bytes()
    domain = connection.defineXML(
        f"<domain type='qemu'><name>{unique}</name><memory>65536</memory><os><type>hvm</type></os><devices><disk type='file' device='disk'>"
        f"<driver name='qemu' type='raw'/><source file='{storage.path}/evil'/><target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    try:
        done = run_module("intake_image", storage=storage.name, name="x", volume="evil")
    finally:
        domain.undefine()
    assert done["image"]["format"] == "raw" and Path(storage.path, "x").read_bytes()[: len(written)] == written
    assert run_module("intake_image_info", storage=storage.name)["images"][0]["format"] == "raw"
