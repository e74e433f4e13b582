# SPDX-License-Identifier: GPL-3.0-or-later
"""Web servers as BMCs, on the loopback: one that switches a machine by webhook, and a stand-in for Proxmox VE.

Proxmox VE cannot run here. What the stand-in answers is the small part of its API that the driver uses, from its
published description; that a Proxmox answers so, it cannot show."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from authority import Authority


class WebBmc:
    """A web server whose answers are `answer(method, path, headers, body)`: a status with its phrase, headers, a body.

    `asked` has each request as "METHOD path"."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()
        self.port = 0

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], bytes]:
        raise NotImplementedError


class Hook(WebBmc):
    """A machine behind a webhook; `odd` replaces what it answers to the query."""

    def __init__(self) -> None:
        super().__init__()
        self.power = "stopped"
        self.wanted_header = ""
        self.odd: Callable[[], tuple[str, dict[str, str], bytes]] | None = None

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], bytes]:
        if headers.get("Authorization", "") != self.wanted_header:
            return "401 Unauthorized", {}, b""
        if (method, path) == ("GET", "/m1?of=power"):
            return self.odd() if self.odd else ("200 OK", {}, json.dumps({"status": self.power}).encode())
        if method != "POST" or path not in ("/m1/on", "/m1/off"):
            return "404 Not Found", {}, b""
        self.power = "running" if path == "/m1/on" else "stopped"
        return "204 No Content", {}, b""


class Proxmox(WebBmc):
    """The stand-in: two nodes, VMs by number, a token and a password."""

    root = "/api2/json"

    def __init__(self) -> None:
        super().__init__()
        self.vms = {
            101: {"vmid": 101, "name": "web", "node": "pve1", "type": "qemu", "status": "stopped"},
            102: {"vmid": 102, "name": "twin", "node": "pve1", "type": "qemu", "status": "stopped"},
            103: {"vmid": 103, "name": "twin", "node": "pve2", "type": "qemu", "status": "stopped"},
            104: {"vmid": 104, "name": "box", "node": "pve2", "type": "lxc", "status": "running"},
        }
        self.locked = 0

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], bytes]:
        if (method, path) == ("POST", f"{self.root}/access/ticket"):
            if parse_qs(body) != {"username": ["root@pam"], "password": ["sesame & more"]}:
                return "401 authentication failure", {}, b'{"data":null}'
            return self._data({"ticket": "PVE:root@pam:65::abc+/=", "CSRFPreventionToken": "65:def"})
        by_token = headers.get("Authorization") == "PVEAPIToken=root@pam!rack=0-1-2"
        by_ticket = headers.get("Cookie") == "PVEAuthCookie=PVE:root@pam:65::abc+/="
        if by_ticket and method == "POST":
            by_ticket = headers.get("CSRFPreventionToken") == "65:def"
        if not by_token and not by_ticket:
            return "401 No ticket", {}, b'{"data":null}'
        if (method, path) == ("GET", f"{self.root}/cluster/resources?type=vm"):
            return self._data(list(self.vms.values()))
        for number, vm in self.vms.items():
            place = f"{self.root}/nodes/{vm['node']}/qemu/{number}/status/"
            if path.startswith(place):
                return self._status(method, vm, path.removeprefix(place))
        return "501 Method not implemented", {}, b'{"data":null}'

    def _status(self, method: str, vm: dict, command: str) -> tuple[str, dict[str, str], bytes]:
        if (method, command) == ("GET", "current"):
            return self._data({"status": vm["status"], "name": vm["name"]})
        if self.locked:
            self.locked -= 1
            return "500 VM is locked (backup)", {}, b'{"data":null}'
        vm["status"] = {"start": "running", "stop": "stopped", "shutdown": "stopped", "reset": "running"}[command]
        return self._data(f"UPID:{vm['node']}:0:qm{command}:{vm['vmid']}:root@pam:")

    @staticmethod
    def _data(data: object) -> tuple[str, dict[str, str], bytes]:
        return "200 OK", {"Content-Type": "application/json"}, json.dumps({"data": data}).encode()


@contextmanager
def served(bmc: WebBmc, tls: tuple[Path, Path] | None = None) -> Iterator[None]:
    """While the web server listens, with certificate and key if it speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            bmc.asked.append(f"{self.command} {self.path}")
            status, headers, content = bmc.answer(self.command, self.path, dict(self.headers), body)
            code, _space, phrase = status.partition(" ")
            self.send_response(int(code), phrase)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                self.close_connection = True  # the client has read as much as it wanted

        do_GET = do_POST = _do  # names of http.server

        def log_message(self, *_words: object) -> None:
            """Nothing: the tests look at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    bmc.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        bmc.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(authority: Authority, where: Path) -> tuple[Path, Path]:
    """Files with a certificate and a key of 127.0.0.1."""
    files = where / "bmc.crt", where / "bmc.key"
    for path, content in zip(files, authority.server(), strict=True):
        path.write_bytes(content)
    return files
