# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums: how they are asked for, looked up in real SHA256SUMS formats, and computed."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import subprocess

import pytest

from ansible_collections.intake.vms.plugins.module_utils.arrival import checksum, compressed
from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError, Refused

ONE, TWO = "1" * 64, "2" * 64
LONG = "a" * 128
CLEARSIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# Fedora-Cloud-39.qcow2: 123 bytes
SHA256 (Fedora-Cloud-39.qcow2) = {ONE}
-----BEGIN PGP SIGNATURE-----
iQIzBAEBCAAdFiEE
"""


@pytest.mark.parametrize(
    "text, name, expected",
    [
        (f"{ONE}  debian.qcow2\n{TWO}  debian.raw\n", "debian.raw", TWO),
        (f"{ONE} *debian.qcow2\r\n", "debian.qcow2", ONE),
        (f"{ONE}  ./images/debian.qcow2\n", "debian.qcow2", ONE),
        (f"SHA256 (debian.qcow2) = {ONE.upper()}\nSHA512 (debian.qcow2) = {LONG}\n", "debian.qcow2", ONE),
        (CLEARSIGNED, "Fedora-Cloud-39.qcow2", ONE),
        (f"{ONE}  a file with blanks.iso\n", "a file with blanks.iso", ONE),
        (f"{ONE}\n", "whatever.img", ONE),
    ],
)
def test_sums_files(text, name, expected):
    assert checksum.find_sum(text, "sha256", name) == checksum.Checksum("sha256", expected)


@pytest.mark.parametrize(
    "text, reason",
    [
        (f"{ONE}  other.qcow2\n", "checksum_not_found"),
        (f"{LONG}  x.qcow2\n", "checksum_not_found"),
        ("<html>not found</html>", "checksum_not_found"),
        (f"{ONE}  x.qcow2\n{TWO}  old/x.qcow2\n", "checksum_ambiguous"),
    ],
)
def test_sums_files_without_an_answer(text, reason):
    with pytest.raises(IntakeError) as error:
        checksum.find_sum(text, "sha256", "x.qcow2")
    assert error.value.reason == reason


def test_ways_to_ask():
    assert checksum.parse_checksum(f"SHA256:{ONE.upper()}") == (checksum.Checksum("sha256", ONE), None)
    assert checksum.parse_checksum(f"sha512:{LONG}") == (checksum.Checksum("sha512", LONG), None)
    assert checksum.parse_checksum("sha256:https://example.org/SHA256SUMS") == ("sha256", "https://example.org/SHA256SUMS")
    for wrong in (ONE, "md5:" + "1" * 32, f"sha512:{ONE}", "sha256:", "sha256:ftp://example.org/SUMS"):
        with pytest.raises(Refused):
            checksum.parse_checksum(wrong)


def test_basenames():
    assert checksum.basename_of("https://example.org/a%20b.iso?sig=1") == "a b.iso"
    assert checksum.basename_of("/srv/x?.qcow2") == "x?.qcow2"


def test_digests_in_pieces(tmp_path):
    (tmp_path / "x").write_bytes(b"0123456789")
    digests = checksum.Digests(["sha512"])
    digests.feed(b"012")
    digests.feed_file(str(tmp_path / "x"), 7)
    assert digests.seen == 7
    digests.feed_file(str(tmp_path / "x"))
    assert digests.result()["sha512"] == hashlib.sha512(b"0123456789").hexdigest()
    assert digests.result() == checksum.digests_of(str(tmp_path / "x"), ["sha512"])


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("kind, pack", [("gz", gzip.compress), ("xz", lzma.compress), ("zst", zstd)])
def test_unpacking_goes_by_magic_and_leaves_holes(tmp_path, kind, pack):
    if kind == "zst" and not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    data = b"start" + bytes(5_000_000) + b"end" + bytes(1000)
    source, target = str(tmp_path / "plainly-named"), str(tmp_path / "target")
    (tmp_path / "plainly-named").write_bytes(pack(data))
    assert compressed.compression(source) == kind
    compressed.unpack(source, target, kind)
    assert (tmp_path / "target").read_bytes() == data
    assert (tmp_path / "target").stat().st_blocks * 512 < 1_000_000
    (tmp_path / "plainly-named").write_bytes(pack(data)[:-20])
    with pytest.raises(IntakeError) as error:
        compressed.unpack(source, target, kind)
    assert error.value.reason == "damaged"


def test_two_members_make_one_content(tmp_path):
    (tmp_path / "x").write_bytes(gzip.compress(b"one") + gzip.compress(b"two"))
    compressed.unpack(str(tmp_path / "x"), str(tmp_path / "y"), "gz")
    assert (tmp_path / "y").read_bytes() == b"onetwo"
