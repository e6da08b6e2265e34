# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server on 127.0.0.1 for tests: Range, ETag, slow, stalled or cut bodies, basic auth, redirects."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Content:
    """One file of the server and how it misbehaves. Numbers of bytes count within one response."""

    def __init__(self, data, etag='"1"', ranges=True, pause=0.0, cut_at=None, stall_at=None, auth=None, status=None, location=None):
        self.data, self.etag, self.ranges, self.pause = data, etag, ranges, pause
        self.cut_at, self.stall_at, self.auth, self.status, self.location = cut_at, stall_at, auth, status, location


class Handler(BaseHTTPRequestHandler):
    """Answers GET from `server.contents` and notes every request in `server.seen`."""

    def log_message(self, *args):
        """Quiet."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.seen.append((path, dict(self.headers)))
        content = self.server.contents.get(path)
        if content is None or content.status:
            self.plain(404 if content is None else content.status, content)
        elif content.auth and self.headers.get("Authorization") != "Basic " + base64.b64encode(content.auth.encode()).decode():
            self.plain(401, content)
        else:
            self.send(content)

    def plain(self, status, content):
        self.send_response(status)
        if content and content.location:
            self.send_header("Location", content.location)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, content):
        start = self.start_of(content)
        if start and start >= len(content.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = content.data[start:]
        self.send_response(206 if start else 200)
        if content.etag:
            self.send_header("ETag", content.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content.data) - 1}/{len(content.data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.write_body(content, body)

    def start_of(self, content):
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not asked or not content.ranges or (condition and condition != content.etag):
            return 0
        return int(asked.split("=")[1].rstrip("-"))

    def write_body(self, content, body):
        sent, step = 0, 64 * 1024
        while sent < len(body):
            if content.cut_at is not None and sent >= content.cut_at:
                self.close_connection = True
                return
            if content.stall_at is not None and sent >= content.stall_at:
                self.server.released.wait(600)
                return
            self.wfile.write(body[sent : sent + step])
            sent += step
            if content.pause:
                time.sleep(content.pause)


class Source:
    """The running server as a test sees it: `put` contents, look at `seen`."""

    def __init__(self, server):
        self.server, self.contents, self.seen = server, server.contents, server.seen

    def put(self, path, data, **behaviour):
        """Serve data at a path; returns its URL."""
        self.contents[path] = Content(data, **behaviour)
        return self.url(path)

    def url(self, path):
        """The URL of a path."""
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def requests(self, path):
        """The headers of every request for a path."""
        return [headers for seen, headers in self.seen if seen == path]


@contextlib.contextmanager
def http_source():
    """A Source for the time of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.contents, server.seen, server.released = {}, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Source(server)
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
