# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack's nginx between machines and two regions of which one dies, hangs, or lacks something: all real processes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import front
import pytest

from rackyard.daemons import http as nginx_files
from rackyard.rack import enroll
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import CODE, RackHost, Region, wait_until

# A region knows no such boot (404); without a region, nobody can say (503).
METADATA = f"/MAAS/metadata/latest/by-id/{'0' * 32}/?op=get_preseed"
# Requests are counted against the time they took.
pytestmark = pytest.mark.alone
# After so long nginx asks a region again that failed.
AVOIDED_S = 10.0


@dataclass
class Upstream:
    """nginx of a region, and its metadata process."""

    home: Path
    port: int
    nginx: front.Nginx
    metadata: subprocess.Popen[bytes]

    @property
    def images(self) -> Path:
        return self.home / "images"

    def hang(self) -> None:
        """It takes requests and never answers; whoever would start its worker anew is paused as well."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self.metadata.poll() is None:
            children = Path(f"/proc/{self.metadata.pid}/task/{self.metadata.pid}/children").read_text().split()
            for pid in (self.metadata.pid, *map(int, children)):
                os.kill(pid, number)

    def fetched(self, path: str) -> int:
        return self.nginx.requests().count(f"GET {path}")


@dataclass
class Spell:
    """Some requests: what was answered, how often nginx met a region that failed, how long it took in all."""

    statuses: set[int]
    failures: int
    seconds: float

    def avoided(self, regions: int = 1) -> bool:
        """Whether so many regions failed, each of which was tried once and then once in ten seconds."""
        return 1 <= self.failures <= regions * (1 + self.seconds / AVOIDED_S)


@dataclass
class Proxy:
    """The rack's nginx, as machines see it."""

    nginx: front.Nginx
    port: int
    files: Path
    regions: list[Upstream]

    def get(self, path: str = METADATA) -> tuple[int, bytes]:
        """Status and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def raw(self, path: str) -> int:
        """The status for a path that no client of good manners would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: rack\r\nConnection: close\r\n\r\n".encode())
            return int(connection.makefile("rb").readline().split()[1])

    def several(self, path: str = METADATA, count: int = 20) -> Spell:
        """One request after the other; `{}` in the path is the number."""
        before, began = self._failures(), time.monotonic()
        statuses = {self.get(path.format(number))[0] for number in range(count)}
        return Spell(statuses, self._failures() - before, time.monotonic() - began)

    def _failures(self) -> int:
        return sum(self.nginx.errors().count(words) for words in ("upstream timed out", "connect() failed (111"))

    def follow(self, *regions: Upstream, render: Callable[[dict], bytes] = nginx_files.render) -> None:
        """Use these regions, and forget what was seen of them."""
        endpoints = [{"address": "127.0.0.1", "port": region.port} for region in regions]
        (self.files / "regions.conf").write_bytes(render({"tls_regions": endpoints}))
        self.nginx.reload()


@contextmanager
def upstream(region: Region, home: Path) -> Iterator[Upstream]:
    """One more region of the same site: same database, same authority, files of its own."""
    sockets, port = home / "run", front.free_port()
    for folder in (sockets, home / "images"):
        folder.mkdir(parents=True)
    tls = region.ctx.config.ca_cert.parent
    nginx = front.region_nginx(
        home / "nginx", ports=[port], plain_port=front.free_port(), sockets=sockets, tls=tls, images=home / "images"
    )
    bind = sockets / "metadata.sock"
    with front.process("metadata", bind, region.home / "region.toml", home / "metadata.log") as metadata:
        wait_until(lambda: front.answers(bind), "the metadata process", timeout_s=60)
        nginx.start()
        found = Upstream(home, port, nginx, metadata)
        try:
            yield found
        finally:
            nginx.signal(signal.SIGCONT)
            found.go_on()
            nginx.stop()


@pytest.fixture
def proxy(region: Region, rack: RackHost, tmp_path: Path) -> Iterator[Proxy]:
    """An enrolled rack whose nginx spreads over two regions, and its boot service."""
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    region.stop()
    root, port, boot = rack.config.daemons_root, front.free_port(), front.free_port()
    gateway = front.free_port()
    (root / "http").mkdir(parents=True)
    certificate = (rack.config.identity / "rack.crt").read_bytes()
    (root / "http/identity.conf").write_bytes(nginx_files.render_identity(rack.config.identity, certificate))
    environment = {**os.environ, "PYTHONPATH": CODE, "RACKYARD_RACK_CONFIG": str(rack.config_file)}
    command = [*front.gunicorn(), "--bind", f"127.0.0.1:{boot}", "--worker-class", "gthread", "--threads", "8"]
    with ExitStack() as running:
        regions = [running.enter_context(upstream(region, tmp_path / name)) for name in ("one", "two")]
        section = {"tls_regions": [{"address": "127.0.0.1", "port": each.port} for each in regions]}
        (root / "http/regions.conf").write_bytes(nginx_files.render(section))
        with (tmp_path / "boot.log").open("wb") as log:
            service = subprocess.Popen(
                [*command, "rackyard.rack.wsgi:boot_app()"], env=environment, stderr=log, cwd="/"
            )
        running.callback(service.wait)
        running.callback(service.terminate)
        nginx = front.rack_nginx(tmp_path / "rack-nginx", root / "http", port=port, gateway=gateway, boot=boot)
        running.callback(nginx.stop)
        nginx.start()
        found = Proxy(nginx, port, root / "http", regions)
        wait_until(lambda: found.get("/ipxe.cfg")[0] == 200, "the boot service", timeout_s=60)
        wait_until(lambda: found.get()[0] == 404, "the regions", timeout_s=60)
        yield found


def test_metadata_comes_from_every_region_and_from_the_one_that_is_left_within_one_request(proxy: Proxy) -> None:
    one, two = proxy.regions
    assert proxy.several().statuses == {404}
    assert min(one.fetched(METADATA), two.fetched(METADATA)) >= 3

    one.nginx.stop()
    spell = proxy.several()
    assert (spell.statuses, spell.avoided()) == ({404}, True), spell

    one.nginx.start()
    two.nginx.signal(signal.SIGSTOP)  # a host that is cut off: connections come about, and nothing more
    time.sleep(AVOIDED_S + 0.5)
    spell = proxy.several()
    assert (spell.statuses, spell.avoided()) == ({404}, True), spell


def test_region_that_hangs_costs_one_request_in_some_seconds(proxy: Proxy) -> None:
    one, two = proxy.regions
    one.hang()
    spell = proxy.several()
    assert (spell.statuses, spell.avoided()) == ({404}, True), spell

    proxy.follow(one)
    spell = proxy.several()
    assert (spell.statuses, spell.avoided()) == ({503}, True), "the rack itself answers"
    one.go_on()
    wait_until(lambda: proxy.get()[0] == 404, "the region is asked again", 3 * AVOIDED_S)

    proxy.follow(one, two)
    two.hang()
    one.hang()
    spell = proxy.several()
    assert (spell.statuses, spell.avoided(2)) == ({503}, True), spell


def test_image_is_fetched_once_however_many_ask_and_from_a_region_that_has_it(proxy: Proxy) -> None:
    one, two = proxy.regions
    content = os.urandom(1024) * 16 * 1024
    (two.images / "squashfs").write_bytes(content)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _turn: proxy.get("/images/squashfs"), range(24)))
    assert all((status, found == content) == (200, True) for status, found in answers)
    assert two.fetched("/MAAS/images/squashfs") == 1
    assert one.fetched("/MAAS/images/squashfs") <= 1, "at most the 404 of the one that lacks it"
    for each in (one, two):
        each.nginx.stop()
    assert proxy.get("/images/squashfs") == (200, content), "kept"
    assert proxy.get("/images/other")[0] == 502


@pytest.mark.parametrize("how", ["dead", "paused"])
def test_image_comes_from_the_region_that_is_left(proxy: Proxy, how: str) -> None:
    one, two = proxy.regions
    for number in range(8):
        (two.images / f"file{number}").write_bytes(b"content")
    assert proxy.get("/images/none")[0] == 404, "neither has it"
    if how == "dead":
        one.nginx.stop()
    else:
        one.nginx.signal(signal.SIGSTOP)
    spell = proxy.several("/images/file{}", 8)
    assert (spell.statuses, spell.avoided()) == ({200}, True), spell
    # The one that is left lacks it; of the one that is away, when it was asked last, nobody knows.
    assert proxy.get("/images/none")[0] in (404, 502, 504)


def test_images_come_though_no_region_has_its_metadata_at_work(proxy: Proxy) -> None:
    for each in proxy.regions:
        each.metadata.terminate()
        each.metadata.wait()
        (each.images / "kernel").write_bytes(b"kernel")
    assert proxy.several().statuses == {503}
    assert proxy.get("/images/kernel") == (200, b"kernel")


def test_agent_of_the_release_before_is_understood(proxy: Proxy) -> None:
    one, two = proxy.regions
    (two.images / "kernel").write_bytes(b"kernel")

    def before(section: dict) -> bytes:
        ports = [each["port"] for each in section["tls_regions"]]
        servers = "".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=3s;\n" for port in ports)
        return f"upstream rackyard_regions {{\n{servers}keepalive 8;\n}}\n".encode()

    proxy.follow(one, two, render=before)
    assert proxy.get()[0] == 404
    assert proxy.get("/images/kernel") == (200, b"kernel")
    proxy.follow(one, render=before)
    one.nginx.stop()
    assert proxy.get("/images/other")[0] == 502
    assert proxy.get()[0] == 503


OTHERS = (
    "/MAAS/", "/MAAS/api/2.0/version/", "/MAAS//api/2.0/version/", "/MAAS/metadata/../api/2.0/version/",
    "/MAAS/metadata/%2e%2e/api/2.0/version/", "/MAAS/metadata/..%2fapi/2.0/version/", "/MAAS/metadata/./../r/",
    "/MAAS/metadata/../../rpc/1/jobs", "/images/../MAAS/api/2.0/version/", "/images/%2e%2e/rpc/1/jobs",
    "/images/..%2f..%2frpc/1/jobs", "/MAAS/images/kernel", "/MAAS/r/", "/MAAS/accounts/login/", "/rpc/1/jobs",
    "/MAAS/accounts/authenticate/", "/MAAS/metadata/../accounts/authenticate/",
    "/rpc/1/boot-config", "//MAAS/api/2.0/version/", "/maas/api/2.0/version/", "/MAAS/metadata", "/images",
)  # fmt: skip


def test_nothing_but_metadata_and_images_is_passed_on_to_regions(proxy: Proxy) -> None:
    for path in OTHERS:
        assert proxy.raw(path) in (301, 400, 404, 405), path
    # By the first of them it was seen that the proxy is there; a region notes it when it has been answered.
    assert {request for each in proxy.regions for request in each.nginx.requests()} <= {f"GET {METADATA}"}
