# SPDX-License-Identifier: GPL-3.0-or-later
"""Role api_gateway: the real haproxy with the role's template, in front of two regions as operators reach them."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import front
import pytest
import yaml
from authority import Authority
from rpc.conftest import write_toml

from rackyard.region import draining
from rackyard.region.config import Config

from .namespace import program, wait_until

HERE, CLIENT, STRANGER = "127.0.0.1", "127.0.0.5", "127.0.0.6"
VERSION, HEALTH = "/MAAS/api/2.0/version/", "/MAAS/health"
ROLE = front.ROLES / "api_gateway"


@dataclass
class Region:
    """One region: nginx, the process that answers operators, and a way to the database of its own."""

    home: Path
    config: Config
    port: int
    nginx: front.Nginx
    process: subprocess.Popen[bytes]

    def is_well(self) -> bool:
        """Whether its processes have started, which takes longer than to listen."""
        connection = http.client.HTTPConnection(HERE, self.port, timeout=60)
        try:
            connection.request("GET", HEALTH)
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def asked(self) -> int:
        """How many requests of clients it got."""
        return sum(HEALTH not in line for line in self.nginx.requests())

    def clients(self) -> list[str]:
        """Who has asked, by nginx's own log."""
        lines = (self.home / "nginx/access.log").read_text().splitlines()
        return [line.split(" ", 1)[0] for line in lines if HEALTH not in line]

    def dies(self) -> None:
        self.nginx.signal(signal.SIGKILL)
        self.process.kill()


@dataclass
class Gateway:
    """haproxy, and the ports that stand for 80, 443 and the one for keepalived."""

    plain: int
    tls: int
    alive: int
    stats: Path
    ca: Path

    def connection(self, address: str = CLIENT) -> http.client.HTTPSConnection:
        tls = ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection("localhost", self.tls, timeout=20, context=tls, source_address=(address, 0))

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> int:
        connection = self.connection()
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def states(self) -> dict[str, str]:
        """UP or DOWN of each region, as haproxy has it."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.stats))
            control.sendall(b"show stat\n")
            text = b"".join(iter(lambda: control.recv(65536), b"")).decode()
        rows = [line.split(",") for line in text.splitlines() if line.startswith("regions,region")]
        return {row[1]: row[17].split(" ")[0] for row in rows}

    def serves(self) -> bool:
        connection = http.client.HTTPConnection(HERE, self.alive, timeout=5)
        try:
            connection.request("GET", "/serves")
            return connection.getresponse().status == 200
        finally:
            connection.close()


@pytest.fixture
def regions(config: Config, cluster: Any, tmp_path: Path) -> Iterator[list[Region]]:
    """Two regions with one database, each by a way of its own."""
    Authority().install(config)
    database = config.dsn.rsplit("=", 1)[1]
    with ExitStack() as running:
        found = []
        for name in ("region1", "region2"):
            home, port = tmp_path / name, front.free_port()
            (home / "run").mkdir(parents=True)
            (home / "way").symlink_to(cluster.socket_dir)
            own = replace(
                config, name=name, dsn=f"host={home}/way user=rackyard dbname={database} application_name={name}"
            )
            write_toml(own, home / "region.toml")
            nginx = front.region_nginx(
                home / "nginx", ports=[front.free_port()], plain_port=port, sockets=home / "run",
                tls=config.ca_cert.parent, images=config.images, gateways=[HERE],
            )  # fmt: skip
            bind = home / "run/region.sock"
            process = running.enter_context(front.process("region", bind, home / "region.toml", home / "log"))
            found.append(Region(home, own, port, nginx, process))
        for region in found:
            front.wait_for(lambda each=region: front.answers(each.home / "run/region.sock"), "the regions", 90)
            running.callback(region.nginx.stop)
            region.nginx.start()
            front.wait_for(region.is_well, "the region's health", 90)
        yield found


@pytest.fixture
def gateway(regions: list[Region], tmp_path: Path) -> Iterator[Gateway]:
    haproxy = program("haproxy", "haproxy")
    config = regions[0].config
    pem = tmp_path / "gateway.pem"
    pem.write_bytes(config.tls_cert.read_bytes() + config.tls_key.read_bytes())
    plain, tls, alive = front.free_port(), front.free_port(), front.free_port()
    inputs = {
        name: front.trusted(value) for name, value in yaml.safe_load((ROLE / "vars/main.yml").read_text()).items()
    } | {
        "api_gateway_address": HERE,
        "api_gateway_regions": ["127.0.1.1", "127.0.1.2"],
        "__api_gateway_pem": str(pem),
        "__api_gateway_alive_port": alive,
    }
    text = front.render("api_gateway", "etc/haproxy/haproxy.cfg", ["region"], inputs)
    stats = tmp_path / "haproxy.sock"
    for told, real in (
        (f"{HERE}:80 ", f"{HERE}:{plain} "),
        (f"{HERE}:443 ", f"{HERE}:{tls} "),
        ("127.0.1.1:5240", f"{HERE}:{regions[0].port}"),
        ("127.0.1.2:5240", f"{HERE}:{regions[1].port}"),
        ("/run/haproxy/admin.sock", str(stats)),
        ("  user haproxy\n  group haproxy\n", ""),
    ):
        assert told in text
        text = text.replace(told, real)
    (tmp_path / "haproxy.cfg").write_text(text)
    subprocess.run([haproxy, "-c", "-f", str(tmp_path / "haproxy.cfg")], check=True)
    running = subprocess.Popen([haproxy, "-db", "-f", str(tmp_path / "haproxy.cfg")])
    made = Gateway(plain, tls, alive, stats, config.ca_cert)
    try:
        wait_until(lambda: stats.exists() and made.states() == {"region1": "UP", "region2": "UP"}, "both regions")
        yield made
    finally:
        running.terminate()
        running.wait(10)


class Client:
    """Asks again and again on connections that it keeps, as API clients do; counts what went wrong."""

    def __init__(self, gateway: Gateway, method: str = "GET") -> None:
        self._gateway, self._method = gateway, method
        self.answered, self.failed = 0, list[str]()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        path = VERSION if self._method == "GET" else "/MAAS/api/2.0/machines/"
        connection = self._gateway.connection()
        while not self._stop.is_set():
            try:
                connection.request(self._method, path)
                response = connection.getresponse()
                response.read()
                if response.status >= 500:
                    self.failed.append(str(response.status))
                else:
                    self.answered += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
                connection = self._gateway.connection()
            time.sleep(0.05)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


def test_death_of_a_region_is_seen_by_nobody_who_only_reads(gateway: Gateway, regions: list[Region]) -> None:
    client = Client(gateway)
    wait_until(lambda: all(region.asked() > 10 for region in regions), "requests at both")
    regions[0].dies()
    wait_until(lambda: gateway.states()["region1"] == "DOWN", "the death to be noticed", 5)
    before = client.answered
    wait_until(lambda: client.answered > before + 50, "requests at the other")
    client.stop()
    assert client.failed == []


def test_death_of_a_region_costs_who_writes_what_was_under_way(gateway: Gateway, regions: list[Region]) -> None:
    client = Client(gateway, "POST")
    wait_until(lambda: all(region.asked() > 10 for region in regions), "requests at both")
    regions[0].dies()
    wait_until(lambda: gateway.states()["region1"] == "DOWN", "the death to be noticed", 5)
    before = client.answered
    wait_until(lambda: client.answered > before + 50, "requests at the other")
    client.stop()
    assert len(client.failed) <= 3, "one in flight for each of three connections"


def test_region_that_leaves_for_its_upgrade_loses_nothing(gateway: Gateway, regions: list[Region]) -> None:
    client = Client(gateway, "POST")
    wait_until(lambda: all(region.asked() > 10 for region in regions), "requests at both")
    (regions[0].home / "run" / draining.LEAVING).touch()
    time.sleep(draining.LEAVE_S)
    assert gateway.states() == {"region1": "NOLB", "region2": "UP"}
    asked = regions[0].asked()
    regions[0].dies()
    before = client.answered
    wait_until(lambda: client.answered > before + 50, "requests at the other")
    client.stop()
    assert (client.failed, regions[0].asked()) == ([], asked)


def test_region_whose_database_is_away_is_taken_out_and_comes_back(
    gateway: Gateway, regions: list[Region], cluster: Any
) -> None:
    (regions[1].home / "way").unlink()
    cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'region2'")
    wait_until(lambda: gateway.states() == {"region1": "UP", "region2": "DOWN"}, "region2 to be taken out", 10)
    asked = regions[1].asked()
    assert [gateway.ask(VERSION) for _ in range(20)] == [200] * 20
    assert regions[1].asked() == asked
    assert gateway.serves(), "one region is enough"
    (regions[0].home / "run" / draining.LEAVING).touch()
    wait_until(lambda: not gateway.serves(), "keepalived to be told that nobody can be asked", 10)
    assert gateway.ask(VERSION) == 503
    (regions[0].home / "run" / draining.LEAVING).unlink()
    (regions[1].home / "way").symlink_to(cluster.socket_dir)
    wait_until(lambda: gateway.states() == {"region1": "UP", "region2": "UP"}, "both to be back", 20)


def test_region_learns_who_asked_from_the_gateway_and_from_nobody_else(gateway: Gateway, regions: list[Region]) -> None:
    lie = {"X-Forwarded-For": "192.0.2.99"}
    for _ in range(4):
        assert gateway.ask(VERSION, headers=lie) == 200
    assert {who for region in regions for who in region.clients()} == {CLIENT}
    direct = http.client.HTTPConnection(HERE, regions[0].port, timeout=20, source_address=(STRANGER, 0))
    direct.request("GET", VERSION, headers=lie)
    assert direct.getresponse().status == 200
    wait_until(lambda: regions[0].clients()[-1] == STRANGER, "the line in the log")


def test_clients_are_sent_to_https_with_what_they_send(gateway: Gateway) -> None:
    connection = http.client.HTTPConnection(HERE, gateway.plain, timeout=20)
    connection.request("POST", "/MAAS/api/2.0/machines/", headers={"Host": "api.example.com"})
    response = connection.getresponse()
    assert (response.status, response.headers["Location"]) == (308, "https://api.example.com/MAAS/api/2.0/machines/")


@pytest.mark.parametrize("path", ["/MAAS/metadata/latest/", "/rpc/1/jobs", "/anything"])
def test_what_is_for_machines_and_racks_is_not_passed_on(gateway: Gateway, regions: list[Region], path: str) -> None:
    assert gateway.ask(path) == 404
    assert [region.asked() for region in regions] == [0, 0]
