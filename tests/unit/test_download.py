# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads against a real server on the loopback: resume, verify, give up in time, leave nothing wrong behind."""

from __future__ import annotations

import hashlib
import os
import random
import time

import pytest
from http_source import http_source

from ansible_collections.intake.vms.plugins.module_utils.arrival import remote, unfinished
from ansible_collections.intake.vms.plugins.module_utils.arrival.checksum import Checksum
from ansible_collections.intake.vms.plugins.module_utils.arrival.download import Download
from ansible_collections.intake.vms.plugins.module_utils.errors import IntakeError, NotReachable, Refused
from ansible_collections.intake.vms.plugins.module_utils.files.space import Space

DATA = random.Random(1).randbytes(900_000) + bytes(300_000) + b"end"
SUM = Checksum("sha256", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def source():
    with http_source() as running:
        yield running


@pytest.fixture
def fetch(tmp_path):
    """Download a URL to tmp_path/part."""

    def run(url, asked=None, space=None, timeout=5, **more):
        note = unfinished.Unfinished(str(tmp_path / "note"))
        got = remote.remote(url, timeout=timeout, **more)
        return Download(got, str(tmp_path / "part"), note, asked, space).run()

    return run


def test_whole_download_is_summed_and_sparse(source, fetch, tmp_path):
    digests = fetch(source.put("/x", DATA), Checksum("sha512", hashlib.sha512(DATA).hexdigest()))
    assert digests == {"sha256": SUM.digest, "sha512": hashlib.sha512(DATA).hexdigest()}
    assert (tmp_path / "part").read_bytes() == DATA
    assert os.stat(tmp_path / "part").st_blocks * 512 < len(DATA)


def test_broken_connections_are_gone_on_from(source, fetch, tmp_path):
    assert fetch(source.put("/x", DATA, cut_at=400_000))["sha256"] == SUM.digest
    ranges = [headers.get("Range") for headers in source.requests("/x")]
    assert ranges[0] is None and len(ranges) == 3 and all(ranges[1:])
    assert {headers.get("If-Range") for headers in source.requests("/x")[1:]} == {'"1"'}


def test_without_ranges_a_cut_body_is_an_error(source, fetch, tmp_path):
    with pytest.raises(IntakeError, match="broke off after 458752 of 1200003 bytes") as error:
        fetch(source.put("/x", DATA, cut_at=400_000, ranges=False))
    assert error.value.reason == "truncated"


def test_without_validator_or_checksum_nothing_is_kept(source, fetch, tmp_path):
    with pytest.raises(IntakeError) as error:
        fetch(source.put("/x", DATA, cut_at=400_000, etag=None))
    assert error.value.reason == "truncated" and not (tmp_path / "part").exists()


def test_stalled_server_is_given_up_in_time(source, fetch, tmp_path):
    begun = time.monotonic()
    with pytest.raises(NotReachable, match="sent nothing for 1 s") as error:
        fetch(source.put("/x", DATA, stall_at=200_000), timeout=1)
    assert error.value.reason == "timeout" and time.monotonic() - begun < 4
    kept = (tmp_path / "part").stat().st_size
    assert 200_000 <= kept < len(DATA)
    source.put("/x", DATA)
    assert fetch(source.url("/x"))["sha256"] == SUM.digest
    assert source.requests("/x")[-1]["Range"] == f"bytes={kept}-"


def test_changed_content_is_fetched_anew(source, fetch, tmp_path):
    with pytest.raises(IntakeError):
        fetch(source.put("/x", DATA, stall_at=200_000), timeout=1)
    other = DATA[::-1]
    source.put("/x", other, etag='"2"')
    assert fetch(source.url("/x"))["sha256"] == hashlib.sha256(other).hexdigest()


def test_complete_partial_needs_no_more_bytes(source, fetch, tmp_path):
    fetch(source.put("/x", DATA))
    assert fetch(source.url("/x"))["sha256"] == SUM.digest
    assert source.requests("/x")[-1]["Range"] == f"bytes={len(DATA)}-"


def test_damaged_partial_is_fetched_anew_when_the_sum_says_so(source, fetch, tmp_path):
    with pytest.raises(IntakeError):
        fetch(source.put("/x", DATA, stall_at=200_000), SUM, timeout=1)
    with open(tmp_path / "part", "r+b") as file:
        file.write(b"damage")
    source.put("/x", DATA)
    assert fetch(source.url("/x"), SUM)["sha256"] == SUM.digest
    assert (tmp_path / "part").read_bytes() == DATA


def test_partial_from_before_a_crash_of_the_host_is_not_trusted(source, fetch, tmp_path, monkeypatch):
    with pytest.raises(IntakeError):
        fetch(source.put("/x", DATA, stall_at=200_000), timeout=1)
    monkeypatch.setattr(unfinished, "BOOT_ID", "/proc/sys/kernel/random/uuid")
    source.put("/x", DATA)
    assert fetch(source.url("/x"))["sha256"] == SUM.digest
    assert "Range" not in source.requests("/x")[-1]


def test_wrong_sum_names_both_and_keeps_nothing(source, fetch, tmp_path):
    with pytest.raises(IntakeError) as error:
        fetch(source.put("/x", b"other"), SUM)
    assert error.value.reason == "checksum_mismatch"
    assert SUM.digest in str(error.value) and hashlib.sha256(b"other").hexdigest() in str(error.value)
    assert not (tmp_path / "part").exists()


def test_redirects_lead_on_and_credentials_stay_behind(source, fetch):
    source.put("/y", DATA)
    for code in (301, 302, 303, 307, 308):
        source.put(f"/r{code}", b"", status=code, location="/y")
        assert fetch(source.url(f"/r{code}"), SUM, username="u", password="p")["sha256"] == SUM.digest
    assert not any("Authorization" in headers for headers in source.requests("/y"))


def test_redirect_to_a_file_is_not_followed(source, fetch):
    with pytest.raises(NotReachable):
        fetch(source.put("/x", b"", status=302, location="file:///etc/passwd"))


def test_credentials_beside_and_inside_the_url(source, fetch):
    url = source.put("/x", DATA, auth="ops:s3cret/")
    assert fetch(url, username="ops", password="s3cret/")["sha256"] == SUM.digest
    assert fetch(url.replace("//", "//ops:s3cret%2F@", 1))["sha256"] == SUM.digest
    with pytest.raises(NotReachable, match="401") as error:
        fetch(url, username="ops", password="wrong-one")
    assert "wrong-one" not in str(error.value)


def test_errors_of_the_server_are_sentences(source, fetch):
    with pytest.raises(NotReachable, match="answered 404"):
        fetch(source.url("/absent"))
    with pytest.raises(NotReachable, match="cannot be reached"):
        fetch("http://127.0.0.1:9/x")
    with pytest.raises(Refused, match="not a http or https URL"):
        fetch("file:///etc/passwd")


def test_no_room_is_refused_before_the_first_byte(source, fetch, tmp_path, monkeypatch):
    space = Space()
    stat = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda path: stat)  # others may fill and empty the disk meanwhile
    space.claim(str(tmp_path / "another"), stat.f_bavail * stat.f_frsize - 500_000)
    with pytest.raises(IntakeError, match="1.1 MiB more") as error:
        fetch(source.put("/x", DATA), space=space)
    assert error.value.reason == "no_space" and not (tmp_path / "part").exists()
    space.release(str(tmp_path / "another"))
    assert fetch(source.url("/x"), space=space)["sha256"] == SUM.digest


def test_shown_urls_have_no_secrets():
    url = "https://ops:s3cret%2F@example.org:8443/a/b.qcow2?X-Signature=abc#f"
    assert remote.shown_url(url) == "https://example.org:8443/a/b.qcow2"
    assert remote.url_secrets(url) == {"s3cret%2F", "s3cret/"}
    assert remote.remote(url).username == "ops" and remote.remote(url).password == "s3cret/"
