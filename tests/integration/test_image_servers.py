# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from servers that lie, change their mind, want certificates or odd URLs, and lists of sums as they are found."""

from __future__ import annotations

import os
import random
import ssl
import subprocess
from pathlib import Path

import pytest
from disks import files, hidden, sha
from http_source import Handler, http_source
from in_process import Modules

from ansible_collections.intake.vms.plugins.module_utils.resources.image.images import INFO_SPEC, Images

MODULES = Modules(Images, INFO_SPEC)
DATA = random.Random(5).randbytes(600_000)


class Liar(Handler):
    """Answers with the status, headers and body that the test wrote down for a path, whatever was asked; else as usual."""

    said: dict = {}

    def do_GET(self):
        if self.path not in self.said:
            super().do_GET()
            return
        self.server.seen.append((self.path, dict(self.headers)))
        status, headers, body = self.said[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture(scope="module")
def source():
    with http_source() as running:
        running.server.RequestHandlerClass = Liar
        yield running


def lie(source, path, status=200, body=DATA, **headers):
    """Let the server answer so; returns the URL."""
    Liar.said[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    return source.url(path)


def test_lengths_and_ranges_that_lie(source, storage):
    """Never is a part published as the whole."""
    want = {"storage": storage.name, "name": "x"}
    lies = {
        "longer": lie(source, "/longer", Content_Length="700000"),
        "part": lie(source, "/part", 206, DATA[:1000], Content_Length="1000", Content_Range="bytes 0-999/600000"),
        "other part": lie(source, "/other", 206, DATA[:1000], Content_Length="1000", Content_Range="bytes 500-1499/600000"),
        "no range": lie(source, "/none", 206, DATA[:1000], Content_Length="1000"),
        "too much": lie(source, "/much", Content_Length="9" * 30),
        "never": lie(source, "/416", 416, b"", Content_Range="bytes */5", Content_Length="0"),
    }
    for kind, url in lies.items():
        result = MODULES.run(**want, url=url)
        assert result.get("failed") and result["msg"].startswith("image x: "), (kind, result)
        assert not os.path.exists(f"{storage.path}/x") and not MODULES.info(storage=storage.name)["images"], kind
        MODULES.run(**want, state="absent")
        assert not hidden(storage)
    for number, length in enumerate(("-5", "many", "\u00b2", "")):
        done = MODULES.run(storage=storage.name, name=f"y{number}", url=lie(source, f"/length{number}", Content_Length=length))
        assert done["changed"] and Path(storage.path, f"y{number}").read_bytes() == DATA


@pytest.mark.parametrize("asked", [True, False], ids=["checksum", "etag"])
def test_content_that_changes_before_it_is_gone_on_with(source, storage, asked):
    """The server ignores If-Range, so that its answer would be the end of another file."""
    path, other = f"/changing{asked}", DATA[::-1]
    want = {"storage": storage.name, "name": "x", "url": source.put(path, DATA, stall_at=200_000), "timeout": 1}
    assert MODULES.run(**want, checksum=sha(DATA) if asked else None)["reason"] == "timeout"
    came = os.path.getsize(f"{storage.path}/.intake-download-x")
    assert 0 < came < len(DATA)

    class IgnoresIfRange(Liar):
        def start_of(self, content):
            del self.headers["If-Range"]
            return super().start_of(content)

    source.put(path, other, etag='"2"')
    source.server.RequestHandlerClass = IgnoresIfRange
    try:
        done = MODULES.run(**want, checksum=sha(other) if asked else None)
    finally:
        source.server.RequestHandlerClass = Liar
    assert done["changed"], done
    assert Path(storage.path, "x").read_bytes() == other and not hidden(storage)


def test_server_without_ranges_is_asked_from_the_start(source, storage):
    want = {"storage": storage.name, "name": "x", "url": source.put("/plain", DATA, stall_at=200_000), "timeout": 1}
    MODULES.run(**want)
    source.put("/plain", DATA[::-1], ranges=False)
    assert MODULES.run(**want)["changed"] and Path(storage.path, "x").read_bytes() == DATA[::-1] and not hidden(storage)


def test_redirects(source, storage):
    final = source.put("/final", DATA)
    for status in (301, 302, 303, 307, 308):
        name = f"r{status}"
        assert MODULES.run(storage=storage.name, name=name, url=source.put(f"/{name}", b"", status=status, location=final))["changed"]
    secret = final.replace("//", "//ops:s3cr3t@")
    want = {"storage": storage.name, "name": "x"}
    assert MODULES.run(**want, url=source.put("/with-secret", b"", status=302, location=secret))["changed"]
    MODULES.run(**want, state="absent")
    loop = MODULES.run(**want, url=source.put("/loop", b"", status=302, location=source.url("/loop")))
    bad = [MODULES.run(**want, url=source.put("/bad", b"", status=302, location=where)) for where in ("file:///etc/passwd", "http://[", "ftp://127.0.0.1/x")]
    for result in (loop, *bad):
        assert result.get("failed") and result["msg"].startswith("image x: ") and "root:" not in result["msg"]
    assert not hidden(storage)


def test_urls_that_cannot_be(storage):
    broken = ["http://[::1", "http://127.0.0.1:port/x", "http://127.0.0.1:99999/x", "http://", "http:///x", "http://ops:s3cr3t@[/x"]
    for url in [*broken, "x", "//127.0.0.1/x", "http:127.0.0.1", "ftp://127.0.0.1/x", "-o /etc/x", "file:///etc/passwd"]:
        said = MODULES.refuse("invalid_url", storage=storage.name, name="x", url=url)
        assert said.startswith("image x: ") and "s3cr3t" not in said, (url, said)
    for url in broken:
        said = MODULES.refuse("invalid_url", storage=storage.name, name="x", url="http://127.0.0.1:1/x", checksum=f"sha256:{url}")
        assert said.startswith("image x: ") and "s3cr3t" not in said, (url, said)
    for host in ("x" * 70 + ".invalid", "127.0.0.1:1", "a..b"):
        result = MODULES.run(storage=storage.name, name="x", url=f"http://{host}/x", timeout=5)
        assert result["reason"] in ("not_reachable", "invalid_url"), result
    assert files(storage.path) == []


def test_letters_of_urls(source, storage):
    """Umlauts and blanks are sent as a browser sends them; what is quoted already stays so."""
    source.put("/%C3%BC%20x%25.img", DATA)
    for number, path in enumerate(("/ü x%25.img", "/%C3%BC%20x%25.img")):
        done = MODULES.run(storage=storage.name, name=f"ü {number}", url=f"{source.url(path)}?a=ü&b=%20#part")
        assert done["changed"], done
        assert "?" not in done["image"]["source"]


def test_certificates(storage, tmp_path):
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*request, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http_source() as secure, http_source() as plain:
        secure.server.socket = context.wrap_socket(secure.server.socket, server_side=True)
        url = secure.put("/x", DATA).replace("http:", "https:")
        want = {"storage": storage.name, "name": "x"}
        failed = MODULES.run(**want, url=url)
        assert failed["reason"] == "certificate" and "validate_certs: false skips it" in failed["msg"]
        listed = secure.put("/SHA256SUMS", f"{sha(DATA)[7:]}  x\n".encode()).replace("http:", "https:")
        assert MODULES.run(**want, url=url, checksum=f"sha256:{listed}")["reason"] == "certificate"
        away = secure.put("/away", b"", status=302, location=plain.put("/x", DATA)).replace("http:", "https:")
        refused = MODULES.run(**want, url=away, validate_certs=False)
        assert refused["reason"] == "insecure_redirect" and "checksum" in refused["msg"]
        MODULES.ensure(**want, url=away, validate_certs=False, checksum=sha(DATA))
        MODULES.ensure(storage=storage.name, name="y", url=url, validate_certs=False)
        MODULES.ensure(storage=storage.name, name="y", url=url, changed=False)
        MODULES.ensure(storage=storage.name, name="z", url=url, validate_certs=False, checksum=f"sha256:{listed}")
        assert not hidden(storage)


SUM, OTHER = sha(DATA)[7:], "0" * 64
LISTS = {
    "gnu": f"{OTHER}  other\n{SUM}  x.img\n",
    "binary": f"{SUM} *x.img\n",
    "crlf": f"{OTHER}  other\r\n{SUM}  x.img\r\n",
    "bsd": f"SHA256 (other) = {OTHER}\nSHA256 (x.img) = {SUM}\n",
    "bsd crlf": f"SHA256 (x.img) = {SUM}\r\n",
    "folder": f"{OTHER}  ./images/other\n{SUM}  ./images/x.img\n",
    "upper": f"{SUM.upper()}  x.img\n",
    "bare": f"{SUM}\n",
    "signed": f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{SUM}  x.img\n-----BEGIN PGP SIGNATURE-----\niQ\n",
    "comments": f"# x.img: 3 bytes\nSHA256 (x.img) = {SUM}\n",
    "no newline": f"{SUM}  x.img",
    "mark": f"\ufeff{OTHER}  other\n{SUM}  x.img\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_as_they_are_found(kind, source, storage):
    url, where = source.put("/lists/x.img", DATA), source.put("/lists/sums", LISTS[kind].encode())
    assert MODULES.ensure(storage=storage.name, name="x", url=url, checksum=f"sha256:{where}")["image"]["checksum"] == sha(DATA)


def test_lists_that_tell_nothing(source, storage):
    url = source.put("/lists/x.img", DATA)
    nothing = {"checksum_not_found": [b"", b"\xff" * 100, b"<html>", f"{SUM}  x.img.old".encode(), f"{SUM[:40]}  x.img".encode(), f"{SUM * 2}  x.img".encode()]}
    nothing["checksum_ambiguous"] = [f"{SUM}  x.img\n{OTHER}  x.img".encode()]
    for reason, texts in nothing.items():
        for text in texts:
            said = MODULES.refuse(reason, storage=storage.name, name="x", url=url, checksum=f"sha256:{source.put('/lists/sums', text)}")
            assert said.startswith("image x: ") and "/lists/sums" in said
    assert MODULES.run(storage=storage.name, name="x", url=url, checksum=f"sha256:{source.url('/not-there')}")["reason"] == "http_error"
