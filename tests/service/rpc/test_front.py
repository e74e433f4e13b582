# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps racks and machines from each other's harm at the region's door: the real nginx and real processes."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from authority import Authority

from rackyard.region.context import Context
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import RackClient, Server, secret_of


@pytest.fixture
def server(gunicorn_server: Server) -> Server:
    """These are about the real thing."""
    return gunicorn_server


@pytest.fixture
def other(server: Server, world: Context, tmp_path: Path) -> RackClient:
    """A second rack."""
    client = RackClient(server, "rack2", tmp_path)
    assert client.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE))).status == 200
    return client


@pytest.fixture
def silent(server: Server) -> Iterator[list[socket.socket]]:
    """300 TCP connections that say nothing."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _each in range(300)]


def seconds(call) -> float:
    began = time.monotonic()
    assert call().status == 200
    return time.monotonic() - began


def test_silent_connections_slow_nobody_down(rack: RackClient, silent: list[socket.socket]):
    for path in ("desired", "jobs"):
        rack.get(path)  # the first question of a process makes its connection to the database
    assert max(seconds(lambda: rack.get("desired")) for _turn in range(3)) < 1
    assert max(seconds(lambda: rack.get("jobs")) for _turn in range(3)) < 1
    assert seconds(lambda: rack.post("events", {"events": []})) < 1


def test_connection_that_says_nothing_is_closed(server: Server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(20)
        assert connection.recv(1) == b""


def open_poll(rack: RackClient, path: str) -> ssl.SSLSocket:
    tls = ssl.create_default_context(cafile=str(rack.server.ca))
    tls.load_cert_chain(*(str(each) for each in rack.identity))
    plain = socket.create_connection(("localhost", rack.server.port))
    connection = tls.wrap_socket(plain, server_hostname="localhost")
    connection.sendall(f"GET /rpc/1/{path}?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def test_rack_that_polls_without_end_stops_no_other(rack: RackClient, other: RackClient):
    other.get("jobs")
    with ExitStack() as stack:
        for _turn in range(100):
            for path in ("jobs", "desired"):
                stack.enter_context(open_poll(rack, path))
        assert seconds(lambda: other.get("jobs?wait=0")) < 1
        assert seconds(lambda: other.get("desired")) < 1
        assert seconds(lambda: other.post("events", {"events": []})) < 1


def test_newer_poll_ends_the_older_one_at_once(rack: RackClient):
    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(rack.get, "jobs?wait=30")
        time.sleep(1)
        newer = threading.Thread(target=rack.get, args=("jobs?wait=2",))
        newer.start()
        began = time.monotonic()
        answer = older.result(timeout=10)
        assert (answer.status, answer.body) == (200, {"jobs": []})
        assert time.monotonic() - began < 1
        newer.join()


@pytest.mark.parametrize("path", ["jobs?wait=30", "desired?wait=30"])
def test_open_poll_of_a_revoked_rack_ends_at_once(rack: RackClient, world: Context, path: str):
    etag = {"If-None-Match": rack.get("desired").headers["ETag"]}
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(rack.get, path, etag)
        time.sleep(1)
        assert not poll.done()
        enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack1")
        began = time.monotonic()
        poll.result(timeout=15)
        assert time.monotonic() - began < 2
    assert rack.get("jobs").status == 403


@pytest.fixture
def crowd(server: Server, authority: Authority, world: Context, execute, tmp_path: Path) -> list[RackClient]:
    """Sixty racks: more than the processes have threads and database connections."""
    racks = []
    for number in range(60):
        client = RackClient(server, f"crowd{number}", tmp_path)
        certificate, key = authority.client(client.hostname)
        client.identity[0].write_bytes(certificate)
        client.identity[1].write_bytes(key)
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).hexdigest()
        execute(
            "INSERT INTO rack (system_id, hostname, cert_sha256) VALUES (%s, %s, decode(%s, 'hex'))",
            (world.random.system_id(), client.hostname, digest),
        )
        racks.append(client)
    return racks


def test_waiting_racks_hold_nothing_that_others_need(rack: RackClient, crowd: list[RackClient]):
    rack.get("jobs")
    with ExitStack() as stack:
        for each in crowd:
            stack.enter_context(open_poll(each, "jobs"))
        time.sleep(2)
        assert max(seconds(lambda: rack.get("jobs")) for _turn in range(3)) < 1
        assert max(seconds(lambda: rack.post("events", {"events": []})) for _turn in range(3)) < 1


def test_images_are_for_racks_only(server: Server, rack: RackClient, world: Context):
    (world.config.images / "vmlinuz").write_bytes(b"kernel")
    for identity, status in ((None, 403), (rack.identity, 200)):
        tls = ssl.create_default_context(cafile=str(server.ca))
        if identity:
            tls.load_cert_chain(*(str(each) for each in identity))
        connection = http.client.HTTPSConnection("localhost", server.port, context=tls)
        connection.request("GET", "/MAAS/images/vmlinuz")
        assert connection.getresponse().status == status
        connection.close()


def test_operators_api_is_not_on_the_rpc_ports(server: Server, rack: RackClient):
    for path in ("../../MAAS/api/2.0/version/", "../../MAAS/", "../../MAAS/accounts/authenticate/"):
        assert server.call("GET", path, identity=rack.identity).status == 404
