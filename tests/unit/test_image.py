# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images are told by, what is refused of them, and who brings a content that several want."""

from __future__ import annotations

import os
import struct
import threading

import pytest

from ansible_collections.intake.vms.plugins.module_utils.arrival.checksum import Checksum
from ansible_collections.intake.vms.plugins.module_utils.errors import Refused
from ansible_collections.intake.vms.plugins.module_utils.files import image_header
from ansible_collections.intake.vms.plugins.module_utils.flow.runner import secrets_of
from ansible_collections.intake.vms.plugins.module_utils.resources.image import matching, reading
from ansible_collections.intake.vms.plugins.module_utils.resources.image.contents import Contents
from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import Images

ONE, TWO = Checksum("sha256", "1" * 64), Checksum("sha256", "2" * 64)


def qcow2(version=3, backing=0, features=0):
    """The first bytes of a qcow2 file."""
    return struct.pack(">4sIQIIQ", b"QFI\xfb", version, backing, 5, 16, 1 << 30) + bytes(40) + struct.pack(">Q", features) + bytes(400)


ISO = bytes(0x8001) + b"CD001" + bytes(100)
VDI = bytes(0x40) + struct.pack("<I", 0xBEDA107F) + bytes(500)


@pytest.mark.parametrize(
    "content, form, external",
    [
        (qcow2(), "qcow2", None),
        (qcow2(version=2, features=4), "qcow2", None),
        (qcow2(backing=512), "qcow2", "a backing file"),
        (qcow2(features=4), "qcow2", "an external data file"),
        (ISO, "iso", None),
        (VDI, "vdi", None),
        (bytes(1024) + b"conectix" + bytes(504), "vpc", None),
        (b"KDMV" + bytes(600), "vmdk", None),
        (b"\xeb\x63\x90" + bytes(600), "raw", None),
    ],
)
def test_headers(tmp_path, content, form, external):
    (tmp_path / "x").write_bytes(content)
    assert image_header.inspect(str(tmp_path / "x")) == image_header.Header(form, external)


@pytest.mark.parametrize(
    "content, wanted, reason",
    [
        (b"", None, "not_an_image"),
        (b"  <HTML>", None, "not_an_image"),
        (qcow2(version=1), None, "not_an_image"),
        (qcow2()[:40], None, "not_an_image"),
        (qcow2(backing=512), "raw", "untrusted_backing"),
        (qcow2(features=4), None, "untrusted_backing"),
        (b"# Disk DescriptorFile", "qcow2", "unknown_format"),
        (VDI, None, "unknown_format"),
        (ISO, "raw", "iso_not_converted"),
        (bytes(600), "iso", "not_iso"),
    ],
)
def test_refused_contents(tmp_path, content, wanted, reason):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(Refused) as error:
        image_header.checked_format(str(tmp_path / "x"), wanted)
    assert error.value.reason == reason


def have(path="/nowhere", outside=False, kind="image", **record):
    return {"record": record, "outside": outside, "path": str(path), "kind": kind, "checksum": "sha256:..."}


def test_content_is_compared_with_the_record(tmp_path):
    recorded = {"digests": {"sha256": ONE.digest}, "as_it_came": False}
    assert matching.has_content("image x", have(**recorded), ONE, None)
    assert not matching.has_content("image x", have(**recorded), TWO, "source")
    assert not matching.has_content("image x", have(outside=True, **recorded), ONE, "source")
    for asked, reason in ((TWO, "checksum_mismatch"), (Checksum("sha512", "1" * 128), "checksum_unknown")):
        with pytest.raises(Refused) as error:
            matching.has_content("image x", have(**recorded), asked, None)
        assert error.value.reason == reason


def test_same_content_is_treated_alike():
    record = {"digests": {"sha256": ONE.digest}, "compression": "gz", "unpacked": True, "source_format": "raw"}
    assert matching.same_content(record, ONE, True, "qcow2")
    assert not matching.same_content(record, ONE, False, None)
    assert not matching.same_content(record, TWO, True, None)
    assert not matching.same_content({**record, "source_format": "iso"}, ONE, True, "qcow2")


def test_first_brings_and_the_others_wait(tmp_path):
    contents = Contents()
    first, second, other = contents.share("a"), contents.share("a"), contents.share("b")
    assert first.mine and not second.mine and other.mine and contents.share(None) is None
    (tmp_path / "x").write_bytes(b"x")
    order = []

    def follow():
        with second.turn() as path:
            order.append(path)

    waiting = threading.Thread(target=follow)
    waiting.start()
    with first.turn() as path:
        assert path is None
        order.append("brought")
        first.has(str(tmp_path / "x"))
    waiting.join()
    assert order == ["brought", str(tmp_path / "x")]


def test_secrets_of_items_are_known_before_anything_is_logged():
    item = {"url": "http://u:in-url@h/x", "checksum": "sha256:https://u:in-sum@h/SUMS", "url_password": "beside"}
    assert set(secrets_of(item, Images.spec)) == {"beside"}
    assert set(Images.secrets(item)) == {"in-url", "in-sum"}
    assert set(Images.secrets({"checksum": 5})) == set()


@pytest.mark.parametrize("record", [{}, {"kind": "image", "format": "qcow2"}], ids=["unknown", "recorded"])
def test_a_file_that_another_host_removed_is_not_there(tmp_path, monkeypatch, record):
    """An NFS client still lists it for some seconds; opening it asks the server."""
    (tmp_path / "x").write_bytes(qcow2())
    have = reading.read_image("s", str(tmp_path), "x", record)
    found = os.lstat(tmp_path / "x")
    monkeypatch.setattr(reading.os, "lstat", lambda path: found)
    (tmp_path / "x").unlink()
    assert have["format"] == "qcow2" and reading.read_image("s", str(tmp_path), "x", record) is None
