# SPDX-License-Identifier: GPL-3.0-or-later
"""How the initramfs fetches its system while racks die: in its own shell, from real servers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/boot_image/files/recipe/late/usr/lib/live/boot/9999-rackyard-fetch.sh"
SYSTEM = bytes(range(256)) * 4096
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
NEWER = "::1"


@dataclass
class Rack:
    """A web server with one file; after `gives` bytes of a transfer it says nothing more, as a host without power."""

    server: ThreadingHTTPServer
    gives: int = len(SYSTEM)
    ranges: list[str] = field(default_factory=list)


def rack(address: str, port: int, gives: int = len(SYSTEM)) -> Rack:
    """A server at that address."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            found.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(SYSTEM) - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(SYSTEM) - 1}/{len(SYSTEM)}")
            self.end_headers()
            self.wfile.write(SYSTEM[start : start + gives])
            self.wfile.flush()
            if start + gives < len(SYSTEM):
                stop.wait(60)

        def log_message(self, *_words: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def server_close(self) -> None:
            stop.set()
            super().server_close()

    found = Rack(Server((address, port), Handler), gives)
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    return found


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Ends what is left to it."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def port() -> int:
    """A free port of every address here."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


def start(closing: ExitStack, address: str, port: int, gives: int = len(SYSTEM)) -> Rack:
    """A server until the test ends."""
    found = rack(address, port, gives)
    closing.callback(found.server.server_close)
    closing.callback(found.server.shutdown)
    return found


def fetch(tmp_path: Path, port: int, name_servers: tuple[str, str], host: str = FIRST) -> tuple[int, bytes]:
    """What live-boot does: exit status, and what was stored."""
    busybox = shutil.which("busybox")
    assert busybox, "the initramfs' shell: install busybox"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("wget", "stat", "seq", "sleep"):
        (programs / name).symlink_to(busybox)
    target = tmp_path / "filesystem.squashfs"
    commands = f'. {SCRIPT}; RACKYARD_QUIET_S=1; RACKYARD_ROUNDS=2; wget "${{FETCH}}" -O {target}'
    environment = {
        "PATH": str(programs), "FETCH": f"http://{host}:{port}/images/x/filesystem.squashfs",
        "IPV4DNS0": name_servers[0], "IPV4DNS1": name_servers[1],
    }  # fmt: skip
    done = subprocess.run(
        [busybox, "sh", "-c", commands], env=environment, timeout=120, capture_output=True, check=False
    )
    return done.returncode, target.read_bytes() if target.exists() else b""


def test_system_comes_from_the_rack_that_was_named(tmp_path: Path, closing: ExitStack, port: int) -> None:
    first, second = start(closing, FIRST, port), start(closing, SECOND, port)
    assert fetch(tmp_path, port, (FIRST, SECOND)) == (0, SYSTEM)
    assert (len(first.ranges), second.ranges) == (1, [])


def test_system_comes_by_ipv6(tmp_path: Path, closing: ExitStack, port: int) -> None:
    found = start(closing, NEWER, port, gives=len(SYSTEM) // 2)
    assert fetch(tmp_path, port, ("", ""), f"[{NEWER}]") == (0, SYSTEM)
    assert len(found.ranges) == 2


def test_rack_that_dies_in_the_middle_is_followed_by_the_next_one_from_there_on(
    tmp_path: Path, closing: ExitStack, port: int
) -> None:
    half = len(SYSTEM) // 2
    first, second = start(closing, FIRST, port, gives=half), start(closing, SECOND, port)
    assert fetch(tmp_path, port, (FIRST, SECOND)) == (0, SYSTEM)
    assert (len(first.ranges), second.ranges) == (1, [f"bytes={half}-"])


def test_rack_that_is_not_there_is_passed_over(tmp_path: Path, closing: ExitStack, port: int) -> None:
    second = start(closing, SECOND, port)
    assert fetch(tmp_path, port, (FIRST, SECOND)) == (0, SYSTEM)
    assert len(second.ranges) == 1


def test_only_rack_is_asked_again(tmp_path: Path, closing: ExitStack, port: int) -> None:
    first = start(closing, FIRST, port, gives=len(SYSTEM) // 2)
    assert fetch(tmp_path, port, (FIRST, "0.0.0.0")) == (0, SYSTEM)
    assert len(first.ranges) == 2


def test_fetching_ends_when_there_is_no_rack(tmp_path: Path, port: int) -> None:
    assert fetch(tmp_path, port, (FIRST, ""))[0] == 1
