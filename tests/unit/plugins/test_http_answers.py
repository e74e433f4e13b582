# SPDX-License-Identifier: GPL-3.0-or-later
"""http_answers against real servers: TCP, a UNIX socket, a proxy, and one that comes late."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.rackyard.metal.plugins.modules import http_answers

Ask = Callable[..., dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    """Answers /<status> with that status, and an absolute URL, which only a proxy is asked for, with 403."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.send_response(403 if self.path.startswith("http://") else int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        """Nobody reads it."""

    def address_string(self) -> str:
        return "nobody"


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class LocalServer(socketserver.ThreadingUnixStreamServer):
    """The same on a socket of this host."""


@pytest.fixture
def start() -> Iterator[Callable[[socketserver.BaseServer], None]]:
    servers: list[socketserver.BaseServer] = []

    def serve(server: socketserver.BaseServer) -> None:
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def run(*requests: dict[str, Any], **options: Any) -> dict[str, Any]:
        arguments = {"requests": list(requests), "timeout": 1, **options, "_ansible_remote_tmp": "/tmp"}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            http_answers.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_kind_of_server_is_asked(
    start: Callable[[socketserver.BaseServer], None], ask: Ask, tmp_path: Path
) -> None:
    port, path = free_port(), str(tmp_path / "door.sock")
    start(Server(("127.0.0.1", port), Handler))
    start(LocalServer(path, Handler))
    result = ask(
        {"url": f"http://127.0.0.1:{port}/200"},
        {"url": "http://localhost/404", "unix_socket": path, "status": [404]},
        {"url": "http://127.0.0.1/", "proxy": f"127.0.0.1:{port}", "status": [403]},
    )
    assert (result["statuses"], result["changed"]) == ([200, 404, 403], False)


def test_a_wrong_status_and_a_missing_server_are_named_together(
    start: Callable[[socketserver.BaseServer], None], ask: Ask, tmp_path: Path
) -> None:
    port, path = free_port(), str(tmp_path / "nobody.sock")
    start(Server(("127.0.0.1", port), Handler))
    began = time.monotonic()
    result = ask(
        {"url": f"http://127.0.0.1:{port}/200"},
        {"url": f"http://127.0.0.1:{port}/502", "status": [200, 302]},
        {"url": "http://localhost/200", "unix_socket": path},
        advice="look at the log",
    )
    assert result["failed"] is True
    assert result["statuses"] == [200, 502, 0]
    assert f"http://127.0.0.1:{port}/502 answers 502 Bad Gateway, not 200 or 302" in result["msg"]
    assert f"{path}: http://localhost/200 gives no answer" in result["msg"]
    assert result["msg"].endswith("; look at the log")
    assert time.monotonic() - began < 3, "all are waited for at once"


def test_a_server_that_comes_late_is_waited_for(start: Callable[[socketserver.BaseServer], None], ask: Ask) -> None:
    port = free_port()
    late = threading.Timer(0.7, lambda: start(Server(("127.0.0.1", port), Handler)))
    late.start()
    assert ask({"url": f"http://127.0.0.1:{port}/200"}, timeout=5)["statuses"] == [200]


def test_a_server_that_accepts_and_is_silent_ends_with_the_time(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = ask({"url": f"http://127.0.0.1:{silent.getsockname()[1]}/"})
    assert "gives no answer (timed out)" in result["msg"]


def test_a_server_without_a_trusted_certificate_is_not_believed(
    start: Callable[[socketserver.BaseServer], None], ask: Ask
) -> None:
    port = free_port()
    start(Server(("127.0.0.1", port), Handler))
    assert "SSL" in ask({"url": f"https://127.0.0.1:{port}/200"})["msg"]


def test_a_unit_that_is_not_active_is_named(ask: Ask) -> None:
    result = ask(units=["no-such-daemon.service"])
    assert "no-such-daemon.service is " in result["msg"]
    assert result["failed"] is True
