# SPDX-License-Identifier: GPL-3.0-or-later
"""Real rsyslogds of a rack and a region on two hosts: no line is lost while the region's host is without power."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackyard.daemons.syslog import names
from rackyard.daemons.syslog import render as render_include

from .namespace import Namespace, program, wait_until
from .test_templates import render

REGION, RACK = "10.10.0.11", "10.10.0.21"
# The machines' end is the rack's loopback: whose lines they are is the matter of other tests.
MACHINE = "127.0.0.1"
SEND = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for text in sys.argv[1:]:
    link.sendto(f"<14>Jan  1 00:00:00 m1 app: {text}".encode(), ("127.0.0.1", 5247))
"""


class Hosts:
    """A rack that relays to a region, each on a host of its own, and the cable between them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.region, self.rack = Namespace(home), Namespace(home)
        self.rack.cable("mgmt0", [f"{RACK}/24"], self.region, [f"{REGION}/24"])
        regions = [{"address": REGION, "port": 5247}]
        relp = [{"address": REGION, "port": 5245}]
        self._write("rack", {"clients": [], "targets": regions, "relp_targets": relp})
        self._write("region", {"clients": [f"{RACK}/32"], "relays": [RACK]})
        self._region = self._start("region", self.region)
        self._start("rack", self.rack)

    def _write(self, tier: str, section: dict[str, object]) -> None:
        place = self.home / tier
        place.mkdir()
        (place / "rsyslog.conf").write_bytes(render_include(section))
        (place / "machines.json").write_bytes(names({MACHINE: "m1"}))
        inputs = {"syslog_service_dir": str(place), "syslog_machines_dir": str(place / "machines")}
        text = render("syslog", "etc/rsyslog.d/50-rackyard.conf", [tier], inputs)
        (place / "main.conf").write_text(f'global(workDirectory="{place}")\n{text}')

    def _start(self, tier: str, host: Namespace) -> int:
        command = (program("rsyslogd", "rsyslog"), "-n", "-f", str(self.home / tier / "main.conf"), "-i", "NONE")
        process = host.start(tier, *command)
        wait_until(lambda: host.run("ss", "-ltun").count(":5247 ") >= 2, f"rsyslogd of the {tier}")
        return process.pid

    def say(self, *lines: str) -> None:
        self.rack.run("python3", "-c", SEND, *lines)

    def cut_power(self) -> None:
        """Nobody says good-bye: packets of the dying host do not leave it."""
        self.region.run("ip", "link", "set", "eth0", "down")
        os.killpg(self._region, signal.SIGKILL)

    def power_on(self) -> None:
        self._region = self._start("region", self.region)
        self.region.run("ip", "link", "set", "eth0", "up")

    def stored(self) -> str:
        return "".join(path.read_text() for path in (self.home / "region/machines/m1").glob("*.log"))

    def stop(self) -> None:
        self.rack.stop()
        self.region.stop()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    site = Hosts(tmp_path)
    try:
        yield site
    finally:
        site.stop()


def test_every_line_arrives_though_the_regions_host_lost_its_power(hosts: Hosts) -> None:
    hosts.say("before")
    wait_until(lambda: "before" in hosts.stored(), "the first line")
    hosts.cut_power()
    said = [f"line-{number:03}" for number in range(200)]
    for begin in range(0, 200, 50):
        hosts.say(*said[begin : begin + 50])
        time.sleep(1)
    hosts.power_on()
    hosts.say("after")
    wait_until(lambda: "after" in hosts.stored(), "the line after the gap", 60)
    wait_until(lambda: all(line in hosts.stored() for line in said), "all lines of the gap", 30)
