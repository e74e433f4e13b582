# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTPS server in place of GitHub's and Launchpad's."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from authority import Authority

NEW = "AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs"
FIRST, SECOND = f"ssh-ed25519 {NEW}8", f"ssh-ed25519 {NEW}4"


class KeyServer:
    """Status, headers and body by path; what it has not is 404. `asked` are the paths."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []

    def publish(self, path: str, *lines: str, status: int = 200, **headers: str) -> None:
        self.pages[path] = (status, headers, "".join(f"{line}\n" for line in lines).encode())


@contextmanager
def running(place: Path, patch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
    """Until the block ends; its authority is one that this host trusts."""
    authority = Authority()
    certificate, key = authority.server()
    (place / "served.pem").write_bytes(certificate + key)
    (place / "trusted.pem").write_bytes(authority.pem)
    patch.setenv("SSL_CERT_FILE", str(place / "trusted.pem"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            status, headers, body = made.pages.get(self.path, (404, {}, b"nothing"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """The test has `asked`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(place / "served.pem")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        made = KeyServer(f"https://localhost:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
