# SPDX-License-Identifier: GPL-3.0-or-later
"""Who counts as dead, and how soon: a rack in a network of its own, which loses its power, its agent, or its region."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import front
import name_server
import pytest
from name_server import DOMAIN, NameServer
from roles.namespace import Namespace

from rackyard.region.context import Context
from rackyard.region.services.racks import liveness
from rackyard.region.services.site import overview, regions

from .conftest import Door, RackClient, Server, write_toml
from .play import INTERFACES, declare_network

NAME = f"10-20-0-0--24.{DOMAIN}"
REGION, RACK = "10.98.71.1", "10.98.71.2"
# These addresses are this machine's, so one test has them at a time.
pytestmark = [pytest.mark.alone, pytest.mark.xdist_group("liveness")]
# What a rack's agent does all the time: its poll for jobs, with the agent's own transport.
AGENT = """
import sys, time
from pathlib import Path
from rackyard.rack import transport
from rackyard.rack.errors import RegionAway
tls = transport.client_tls(Path(sys.argv[2]))
tls.check_hostname = False
while True:
    try:
        body = {"wait": float(sys.argv[3]), "slots": 1, "held": []}
        transport.request("POST", sys.argv[1] + "/rpc/1/jobs", body=body, tls=tls, timeout_s=45)
    except RegionAway:
        time.sleep(0.5)
"""


class Site:
    """A region with its worker and its name server, and a rack at the other end of a cable."""

    def __init__(self, door: Door, rack: RackClient, named: NameServer, execute: Any, folder: Path) -> None:
        self.door = door
        self.named = named
        self.worker: subprocess.Popen[bytes] | None = None
        self._execute = execute
        self._url = f"https://{REGION}:{door.server.port}"
        self._identity = folder / "identity"
        self._identity.mkdir()
        for name, source in (
            ("ca.crt", door.server.ca),
            ("rack.crt", rack.identity[0]),
            ("rack.key", rack.identity[1]),
        ):
            (self._identity / name).write_bytes(source.read_bytes())
        self._net = Namespace(folder)
        link = f"ry{os.getpid()}"
        cable = ["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._net.pid)]
        subprocess.run(cable, check=True)
        subprocess.run(["ip", "address", "add", f"{REGION}/24", "dev", link], check=True)
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        self._net.run("ip", "address", "add", f"{RACK}/24", "dev", "eth0")
        self.plug("up")

    def plug(self, state: str) -> None:
        """The rack's cable: up or down, of which nobody is told."""
        self._net.run("ip", "link", "set", "eth0", state)

    def agent(self, wait_s: float = 30) -> subprocess.Popen[bytes]:
        """The rack's agent, once it polls."""
        environment = [f"PYTHONPATH={front.environment(Path())['PYTHONPATH']}"]
        command = [sys.executable, "-c", AGENT, self._url, str(self._identity), str(wait_s)]
        process = self._net.start("agent", "env", *environment, *command)
        self.wait(self.alive, 60)
        return process

    def alive(self) -> bool:
        """What the region says of the rack."""
        return bool(self._execute("SELECT alive FROM rack")[0][0])

    def named_there(self) -> bool:
        """Whether the rack's address is in the DNS."""
        return self.named.data(NAME) == {"10.20.0.2"}

    def wait(self, condition: Callable[[], bool], seconds: float) -> float:
        """How long it took."""
        began = time.monotonic()
        front.wait_for(condition, "the change", seconds)
        return time.monotonic() - began

    def stop(self) -> None:
        self._net.stop()


@contextmanager
def worker(config: Any, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The region's worker, on a host without daemons of its own and without systemd."""
    write_toml(config, folder / "worker.toml")
    arguments = ["--config", str(folder / "worker.toml"), "--root", str(folder / "lib")]
    environment = front.environment(folder / "worker.toml") | {"PATH": "/nonexistent"}
    with (folder / "worker.log").open("wb") as log:
        command = ["/usr/bin/python3", "-m", "rackyard.region.worker", *arguments]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def server(door: Door) -> Server:
    """The rack enrols at the real thing."""
    return door.server


@pytest.fixture
def site(door: Door, api: Any, rack: RackClient, world: Context, execute: Any, tmp_path: Path) -> Iterator[Site]:
    rack.register(*INTERFACES)
    declare_network(api, rack.system_id)
    with name_server.running(tmp_path / "named") as named:
        own = {"rpc_ports": (door.server.port,), "addresses": ("127.0.0.1",)}
        config = replace(world.config, dns_port=named.port, tsig_key=named.key_file, **own)
        place = Site(door, rack, named, execute, tmp_path)
        try:
            with worker(config, tmp_path) as place.worker:
                led = "UPDATE leadership SET since = since - interval '1 hour' RETURNING 1"
                front.wait_for(lambda: bool(execute(led)), "a worker that has led for long", 60)
                yield place
        finally:
            place.stop()


def test_rack_without_power_is_found_dead_in_10_s_and_its_return_at_once(site: Site, world: Context):
    site.agent()
    site.wait(site.named_there, 60)
    time.sleep(liveness.AWAY_S + 2)
    assert site.alive()
    site.plug("down")
    dead_s = site.wait(lambda: not site.alive(), 12)
    gone_s = dead_s + site.wait(lambda: not site.named_there(), 5)
    print(f"\ndead after {dead_s:.1f} s, its name gone after {gone_s:.1f} s")
    assert dead_s < 10
    seen = overview.controllers(world)
    assert [each["alive"] for each in seen["racks"]] == [False]
    assert "rack rack1" in {each["object"] for each in seen["troubles"]}
    assert gone_s < 15
    site.plug("up")
    back_s = site.wait(site.named_there, 15)
    print(f"its name is back after {back_s:.1f} s")
    assert site.alive()


def test_region_whose_worker_hangs_is_found_dead_in_10_s_and_its_return_at_once(site: Site, world: Context):
    def alive() -> bool:
        # Until its worker has spoken it is judged by its ports, as a region of the release before.
        return any(each.controller is not None and each.alive for each in regions.list_all(world))

    front.wait_for(alive, "the worker's word", 20)
    assert site.worker is not None
    site.worker.send_signal(signal.SIGSTOP)
    dead_s = site.wait(lambda: not alive(), 15)
    print(f"\nregion dead after {dead_s:.1f} s")
    assert dead_s < 10
    site.worker.send_signal(signal.SIGCONT)
    assert site.wait(alive, 15) < 5


def test_killed_agent_is_missed_unless_another_one_polls_for_the_rack(site: Site):
    first = site.agent()
    site.wait(site.named_there, 60)
    second = site.agent()
    time.sleep(5)
    os.killpg(first.pid, signal.SIGKILL)
    watched_until = time.monotonic() + liveness.AWAY_S + 3
    while time.monotonic() < watched_until:
        assert site.alive()
        time.sleep(0.1)
    os.killpg(second.pid, signal.SIGKILL)
    assert site.wait(lambda: not site.named_there(), 15) < 10


def test_frozen_agent_is_missed_when_its_poll_has_ended(site: Site):
    agent = site.agent(wait_s=3)
    site.wait(site.named_there, 60)
    time.sleep(5)  # in one of its polls
    os.killpg(agent.pid, signal.SIGSTOP)
    assert site.wait(lambda: not site.alive(), 15) < 3 + 10


def test_rack_is_not_dead_because_its_region_did_not_listen(site: Site):
    site.agent()
    for name in ("polls", "rpc"):
        site.door.children[name].send_signal(signal.SIGHUP)  # gunicorn's workers start anew
    watched_until = time.monotonic() + liveness.AWAY_S + 3
    site.door.nginx.stop()
    while time.monotonic() < watched_until:
        assert site.alive()
        time.sleep(0.1)
    site.door.nginx.start()
    watched_until = time.monotonic() + liveness.AWAY_S + 3
    while time.monotonic() < watched_until:
        assert site.alive()
        time.sleep(0.1)
