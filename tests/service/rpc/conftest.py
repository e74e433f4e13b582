# SPDX-License-Identifier: GPL-3.0-or-later
"""A real region: gunicorn with mutual TLS for racks, the web application for machines, and a rack that dials in."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rackyard.region.clock import Clock
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.rpc import create_rpc_app
from rackyard.region.rpc.peer import SOCKET_KEY
from rackyard.region.services.racks import enrolment

ROOT = Path(__file__).parents[3]


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def csr_pem(key: ec.EllipticCurvePrivateKey, name: str = "whatever") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """A certificate authority that signs what a test asks for."""

    def __init__(self, name: str = "Rackyard test CA") -> None:
        self.key = new_key()
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self.name, self.key, is_ca=True)

    def server(self) -> tuple[bytes, bytes]:
        """Certificate and key of a region at 127.0.0.1."""
        key = new_key()
        return self._pem(self._build(_subject("region1"), key, is_ca=False)), key_pem(key)

    def client(self, name: str) -> tuple[bytes, bytes]:
        """Certificate and key of anybody."""
        key = new_key()
        return self._pem(self._build(_subject(name), key, is_ca=False)), key_pem(key)

    @property
    def pem(self) -> bytes:
        return self._pem(self.certificate)

    def _build(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool) -> x509.Certificate:
        now = datetime.now(UTC).replace(tzinfo=None)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        if not is_ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    @staticmethod
    def _pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture
def authority(config: Config) -> Authority:
    """The region's CA and server certificate, in the files that the configuration names."""
    made = Authority()
    certificate, key = made.server()
    config.ca_cert.write_bytes(made.pem)
    config.ca_key.write_bytes(key_pem(made.key))
    config.tls_cert.write_bytes(certificate)
    config.tls_key.write_bytes(key)
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
            return Answer(response.status, json.loads(content) if is_json else content, dict(response.headers))
        finally:
            connection.close()


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

    def register(self, *addresses: tuple[str, str]) -> Answer:
        interfaces = [{"name": name, "mac": None, "addresses": [address]} for name, address in addresses]
        answer = self.post("register", {"hostname": self.hostname, "version": "0.1.0", "interfaces": interfaces})
        assert answer.status == 200, answer.body
        return answer


def gunicorn() -> list[str]:
    """gunicorn of this Python, else Debian's."""
    probe = subprocess.run([sys.executable, "-c", "import gunicorn, flask, psycopg2"], capture_output=True, check=False)
    if probe.returncode == 0:
        return [sys.executable, "-m", "gunicorn"]
    debian = shutil.which("gunicorn", path="/usr/bin")
    if debian is None:
        pytest.exit("gunicorn is missing; install it with: apt-get install gunicorn python3-flask", returncode=3)
    return [debian]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
domain = "{config.domain}"
"""
    )


class _Handler(WSGIRequestHandler):
    """Hands the connection to the application as gunicorn does."""

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()

    def get_environ(self) -> dict[str, Any]:
        return super().get_environ() | {SOCKET_KEY: self.request}

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


@pytest.fixture
def gunicorn_server(config: Config, authority: Authority, tmp_path: Path) -> Iterator[Server]:
    """An RPC worker exactly as its unit starts it, on the test's database; it takes seconds to start."""
    toml = tmp_path / "region.toml"
    write_toml(config, toml)
    port = free_port()
    environment = {
        **os.environ,
        "RACKYARD_REGION_CONFIG": str(toml),
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'plugins/module_utils'}",
    }
    tls = ["--certfile", str(config.tls_cert), "--keyfile", str(config.tls_key), "--ca-certs", str(config.ca_cert)]
    worker = ["--worker-class", "rackyard.region.rpc.patience.ImpatientThreadWorker"]
    command = [*gunicorn(), "--bind", f"127.0.0.1:{port}", *tls, "--cert-reqs", "1", *worker]
    log = (tmp_path / "gunicorn.log").open("wb")
    process = subprocess.Popen(
        [*command, "--threads", "8", "--graceful-timeout", "1", "rackyard.region.wsgi:rpc_app()"],
        env=environment,
        stdout=log,
        stderr=log,
    )
    running = Server(port, config.ca_cert)
    try:
        _wait_for(running, process, tmp_path / "gunicorn.log")
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.call("GET", "ca").status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"gunicorn does not answer: {log.read_text()}")


class MovableClock(Clock):
    """The real time, moved by a test; processes that a test starts keep the real one."""

    def __init__(self) -> None:
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
        for table, column in (("rack", "last_seen_at"), ("region_process", "heartbeat_at")):
            tx.script(f"UPDATE {table} SET {column} = {column} - interval '{float(seconds)} s'")  # noqa: S608


@pytest.fixture
def rack(server: Server, world: Context, tmp_path: Path) -> RackClient:
    """An enrolled rack."""
    client = RackClient(server, "rack1", tmp_path)
    assert client.enroll(secret_of(enrolment.mint_token(world))).status == 200
    return client


def secret_of(token: str) -> str:
    from rackyard.region.services.racks.identity import decode_token

    return str(decode_token(token)["secret"])


def now_iso(offset_s: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=offset_s)).isoformat()


def key() -> str:
    return uuid.uuid4().hex
