# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP source: requests with credentials, proxies and certificates, and their faults as sentences.

Own openers instead of ansible.module_utils.urls.open_url: that one installs its opener for the whole process, so that
a thread could send its request with the credentials, or without the certificate check, of another.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..errors import NotReachable, Refused

AGENT = "intake.vms"
SENT = "/%:=&?~#+!$,;'@()*[]|"  # left as they are written in paths and queries
LARGEST_TEXT = 16 * 1024 * 1024  # bytes; a SHA256SUMS file of a large mirror has a few hundred KiB
BROKEN = (http.client.HTTPException, ConnectionError, ssl.SSLError, OSError)


class Remote(NamedTuple):
    """Where to get something: a URL without credentials, these beside it. timeout: seconds without progress."""

    url: str
    username: str = None
    password: str = None
    timeout: int = 60
    validate_certs: bool = True
    downgrade: bool = False  # may a redirect lead from https to http? only where a checksum proves the content

    @property
    def shown(self):
        """The URL for people and records: no credentials, no query (it may carry a signature)."""
        return shown_url(self.url)


def remote(url, username=None, password=None, **more):
    """A Remote; credentials inside the URL count where none are given beside it. Refuses other schemes than http(s)."""
    parts = parts_of(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused(f"{shown_url(url)} is not a http or https URL; a file on the hypervisor is said by path", "invalid_url")
    bare, found_name, found_password = split_credentials(url)
    return Remote(quoted(bare), username or found_name, password if username else found_password or password, **more)


def parts_of(url):
    """The parts of a URL, all of which can be read. Raises Refused, without the URL: its credentials cannot be told from the rest."""
    try:
        parts = urlsplit(url)
        _checked = parts.port
    except ValueError as error:
        raise Refused("the URL cannot be read; its host or port is none", "invalid_url") from error
    return parts


def quoted(url):
    """The URL with letters that cannot be sent, such as blanks and umlauts, in percent signs, as a browser does it."""
    parts = parts_of(url)
    return urlunsplit(parts._replace(path=quote(parts.path, safe=SENT), query=quote(parts.query, safe=SENT)))


def split_credentials(url):
    """(URL without credentials, user or None, password or None)."""
    parts = parts_of(url)
    if "@" not in parts.netloc:
        return url, None, None
    credentials, _at, host = parts.netloc.rpartition("@")
    user, colon, password = credentials.partition(":")
    return urlunsplit(parts._replace(netloc=host)), unquote(user), unquote(password) if colon else None


def url_secrets(url):
    """The passwords inside a URL, as written and as meant; they belong into no output."""
    credentials = url.partition("//")[2].rpartition("@")[0]  # may be too much, for a URL that cannot be read
    try:
        credentials = urlsplit(url).netloc.rpartition("@")[0]
    except ValueError:
        pass
    written = credentials.partition(":")[2]
    return {written, unquote(written)} - {""}


def host_of(url):
    """Scheme, host and port: whom credentials are for."""
    parts = parts_of(url)
    return parts.scheme, parts.hostname, parts.port


def shown_url(url):
    """A URL without credentials and query."""
    parts = parts_of(split_credentials(url)[0])
    return urlunsplit(parts._replace(query="", fragment=""))


class Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects by 308 too (Python knows it since 3.11), and never silently from https to http."""

    def __init__(self, downgrade):
        self.downgrade = downgrade

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https" and not self.downgrade:
            raise NotReachable(
                f"{shown_url(req.full_url)} redirects to {shown_url(newurl)}, which is not encrypted; give a checksum to consent",
                "insecure_redirect",
            )
        return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, split_credentials(newurl)[0])

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


def opener(source):
    """An opener for one source alone; it speaks http and https and nothing else."""
    context = ssl.create_default_context()
    if not source.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if source.username:
        parts = urlsplit(source.url)
        passwords.add_password(None, f"{parts.scheme}://{parts.netloc}/", source.username, source.password or "")
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.ProxyBasicAuthHandler(),
        Redirects(source.downgrade),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        director.add_handler(handler)
    return director


def request(source, headers=None) -> Any:
    """An open response (http.client.HTTPResponse). Raises NotReachable; urllib's HTTPError for 416 alone."""
    asked = urllib.request.Request(source.url, headers={"User-Agent": AGENT, "Accept-Encoding": "identity", **(headers or {})})
    try:
        return opener(source).open(asked, timeout=source.timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            raise
        raise NotReachable(f"{source.shown} answered {error.code} {error.reason}{advice(error, source)}", "http_error") from error
    except urllib.error.URLError as error:
        raise fault(source, error.reason) from error
    except (ValueError, *BROKEN) as error:  # ValueError: a host's name that cannot be one
        raise fault(source, error) from error


def advice(error, source):
    """What to do about an answer."""
    if error.code in (401, 403):
        return "; check url_username and url_password" if source.username else "; it may want url_username and url_password"
    return ""


def fault(source, error):
    """A fault of the network as NotReachable."""
    if isinstance(error, (socket.timeout, TimeoutError)):
        return NotReachable(f"{source.shown} sent nothing for {source.timeout} s (option timeout)", "timeout")
    if isinstance(error, ssl.SSLError):
        return NotReachable(f"{source.shown}: the certificate check failed: {error}; validate_certs: false skips it", "certificate")
    return NotReachable(f"{source.shown} cannot be reached: {error}")


def read_text(source):
    """A small text such as a SHA256SUMS file. Raises NotReachable."""
    with request(source) as response:
        try:
            data = response.read(LARGEST_TEXT)
        except BROKEN as error:
            raise fault(source, error) from error
    return data.decode("utf-8", "replace")


def read_some(source, response, most):
    """The next bytes as soon as there are any; b"" at the end. A response cut off in the middle raises EOFError."""
    try:
        return response.read1(most)
    except (socket.timeout, TimeoutError) as error:  # noqa: UP041  two classes before Python 3.10
        raise fault(source, error) from error
    except BROKEN as error:
        raise EOFError(str(error) or type(error).__name__) from error
