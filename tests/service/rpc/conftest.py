# SPDX-License-Identifier: GPL-3.0-or-later
"""A real region: RPC over mutual TLS for racks, the web application for machines, and a rack that dials in."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import quote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import front
import pytest
from authority import Authority, csr_pem, key_pem, new_key
from cryptography.hazmat.primitives.asymmetric import ec
from exact import answered

from rackyard.region.client_certificate import ENVIRON_KEY
from rackyard.region.clock import Clock
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.rpc import create_rpc_app
from rackyard.region.rpc.peer import SOCKET_KEY
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE


@pytest.fixture
def authority(config: Config) -> Authority:
    """The region's CA and server certificate, in the files that the configuration names."""
    made = Authority()
    made.install(config)
    return made


@dataclass
class Answer:
    """Status, JSON body (None when there is none) and headers."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def error(self) -> str:
        return str(self.body["error"])


@dataclass
class Server:
    """A running RPC worker."""

    port: int
    ca: Path

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        identity: tuple[Path, Path] | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | Iterator[bytes] | None = None,
    ) -> Answer:
        tls = ssl.create_default_context(cafile=str(self.ca))
        if identity:
            tls.load_cert_chain(*(str(path) for path in identity))
        connection = http.client.HTTPSConnection("localhost", self.port, context=tls, timeout=60)
        try:
            data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
            connection.request(method, f"/rpc/1/{path}", body=data, headers=headers or {})
            response = connection.getresponse()
            content = response.read()
            is_json = response.headers.get_content_type() == "application/json"
            answer = Answer(response.status, json.loads(content) if is_json else content, dict(response.headers))
        finally:
            connection.close()
        # Whatever a test is about: a region says nothing to a rack that the contracts do not have.
        if answer.status == 200:
            answered(path, answer.body)
        return answer


@dataclass
class RackClient:
    """A rack as its agent would be: key and certificate in files, and calls."""

    server: Server
    hostname: str
    folder: Path
    system_id: str = ""
    enrolled: dict[str, Any] = field(default_factory=dict)
    _key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @property
    def identity(self) -> tuple[Path, Path]:
        return self.folder / f"{self.hostname}.crt", self.folder / f"{self.hostname}.key"

    def enroll(self, secret: str) -> Answer:
        request = {"secret": secret, "hostname": self.hostname, "csr": csr_pem(self._key), "version": "0.1.0"}
        answer = self.server.call("POST", "enroll", request)
        if answer.status == 200:
            self.enrolled = answer.body
            self.system_id = answer.body["system_id"]
            self.keep(answer.body["certificate"], self._key)
        return answer

    def keep(self, certificate: str, key: ec.EllipticCurvePrivateKey) -> None:
        self.identity[0].write_text(certificate)
        self.identity[1].write_bytes(key_pem(key))

    def post(self, path: str, body: Any) -> Answer:
        return self.server.call("POST", path, body, identity=self.identity)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.server.call("GET", path, identity=self.identity, headers=headers)

    def register(self, *addresses: tuple[str, str], abilities: tuple[str, ...] = ()) -> Answer:
        """Without abilities it is an agent of the release before."""
        interfaces = [{"name": name, "mac": None, "addresses": [address]} for name, address in addresses]
        body = {"version": "0.1.0", "interfaces": interfaces} | ({"abilities": [*abilities]} if abilities else {})
        answer = self.post("register", body)
        assert answer.status == 200, answer.body
        return answer


def write_toml(config: Config, path: Path) -> None:
    path.write_text(
        f"""
[region]
name = "{config.name}"
url = "{config.url}"
addresses = {json.dumps(list(config.addresses))}
rpc_ports = {list(config.rpc_ports)}
[database]
dsn = "{config.dsn}"
[keys]
secrets = "{config.secrets_key}"
tsig = "{config.tsig_key}"
[tls]
ca_cert = "{config.ca_cert}"
ca_key = "{config.ca_key}"
cert = "{config.tls_cert}"
key = "{config.tls_key}"
[paths]
images = "{config.images}"
[dns]
server = "{config.dns_server}"
port = {config.dns_port}
domain = "{config.domain}"
"""
    )


class _Plain:
    """The connection below TLS. In place of it the application has nginx's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def recv(self, size: int, flags: int) -> bytes:
        with socket.fromfd(self.fileno(), socket.AF_INET, socket.SOCK_STREAM) as plain:
            return plain.recv(size, flags)


class _Handler(WSGIRequestHandler):
    """Does what nginx does, which other tests have for real: ends TLS and hands the certificate on."""

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ() | {SOCKET_KEY: _Plain(self.request)}
        environ.pop(ENVIRON_KEY, None)
        der = self.request.getpeercert(binary_form=True)
        return environ | ({ENVIRON_KEY: quote(ssl.DER_cert_to_PEM_cert(der))} if der else {})

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no news."""


@pytest.fixture
def server(ctx: Context, authority: Authority) -> Iterator[Server]:
    """The RPC application behind real mutual TLS, in this process: quick, and by the test's clock."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ctx.config.ca_cert))
    tls.verify_mode = ssl.CERT_OPTIONAL
    tls.load_cert_chain(str(ctx.config.tls_cert), str(ctx.config.tls_key))
    listening = make_server("127.0.0.1", 0, create_rpc_app(ctx.config, ctx), _ThreadingServer, _Handler)
    listening.socket = tls.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield Server(listening.server_port, ctx.config.ca_cert)
    listening.shutdown()
    listening.server_close()
    thread.join()


@dataclass
class Door:
    """One RPC port as on a region: nginx, the process for calls and the one for polls."""

    server: Server
    nginx: front.Nginx
    children: dict[str, subprocess.Popen[bytes]]


@pytest.fixture
def gunicorn_server(door: Door) -> Server:
    """The same for who only calls."""
    return door.server


@pytest.fixture
def door(config: Config, authority: Authority, tmp_path: Path) -> Iterator[Door]:
    """It takes seconds to start."""
    toml, sockets, port = tmp_path / "region.toml", tmp_path / "run", front.free_port()
    write_toml(config, toml)
    sockets.mkdir()
    nginx = front.region_nginx(
        tmp_path / "nginx", ports=[port], plain_port=front.free_port(), sockets=sockets, tls=config.ca_cert.parent,
        images=config.images,
    )  # fmt: skip
    running = Server(port, config.ca_cert)
    log = tmp_path / "gunicorn.log"
    with ExitStack() as started:
        binds = {kind: sockets / f"{kind}-{port}.sock" for kind in ("rpc", "polls")}
        children = {kind: started.enter_context(front.process(kind, bind, toml, log)) for kind, bind in binds.items()}
        for kind, child in children.items():
            front.wait_for(
                lambda k=kind, c=child: front.answers(binds[k]) or c.poll() is not None, f"{kind}: {log}", 90
            )
        started.callback(nginx.stop)
        nginx.start()
        _wait_for(running, log)
        yield Door(running, nginx, children)


def _wait_for(server: Server, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if server.call("GET", "ca").status == 200 and server.call("GET", "jobs").status == 403:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"gunicorn does not answer: {log.read_text()}")


class MovableClock(Clock):
    """The real time, moved by a test; processes that a test starts keep the real one."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta()
        self.passes_for: Callable[[float], None] = lambda _seconds: None

    def now(self) -> datetime:
        return super().now() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)
        self.passes_for(seconds)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def world(ctx: Context) -> Context:
    """The test's own view of the database that the RPC worker uses."""
    assert isinstance(ctx.clock, MovableClock)
    ctx.clock.passes_for = lambda seconds: _age(ctx, seconds)
    return ctx


def _age(ctx: Context, seconds: float) -> None:
    """What PostgreSQL's clock dates is older by so much, when a test lets time pass."""
    with ctx.db.transaction() as tx:
        for table, column in (("rack", "last_seen_at"), ("rack", "hung_up_at"), ("region_process", "heartbeat_at")):
            tx.script(f"UPDATE {table} SET {column} = {column} - interval '{float(seconds)} s'")  # noqa: S608


@pytest.fixture
def rack(server: Server, world: Context, tmp_path: Path) -> RackClient:
    """An enrolled rack."""
    client = RackClient(server, "rack1", tmp_path)
    assert client.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE))).status == 200
    return client


def secret_of(token: str) -> str:
    from rackyard.region.services.racks.identity import decode_token

    return str(decode_token(token)["secret"])


def now_iso(offset_s: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=offset_s)).isoformat()


def key() -> str:
    return uuid.uuid4().hex
