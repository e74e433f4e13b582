# SPDX-License-Identifier: GPL-3.0-or-later
"""Two racks with a real dhcpd each: one cable between them, and a switch where machines are."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from rackyard.daemons import dhcp

from .dhcp_server import PROBE, command, prepare, starts
from .namespace import Namespace, wait_until

PAIR = "pair-1-2"
# What the rack's agent does, in the rack's network.
AGENT = """
import json, sys
from pathlib import Path
from rackyard.daemons.dhcp_control import Control
from rackyard.daemons.dhcp_hosts import HostRegister
from rackyard.daemons.dhcp_pairs import Pairs
from rackyard.daemons import dhcp
from rackyard.rack.partners import Partners
home, order, section = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
control = Control(home / "rackyard-omapi.key")
pairs = Pairs(control)
if order == "states":
    line = {"name": "dhcp", "state": "running", "info": ""}
    partners = Partners(home, pairs).look([line])
    print(json.dumps({"pairs": partners.states, "line": partners.seen_in([line])[0]}))
else:
    print(json.dumps(dhcp.tell_running(HostRegister(home / "leases", control), pairs)(section, False)))
"""


class Rack:
    """One rack: `number` 2 is the primary, 3 the secondary."""

    def __init__(self, home: Path, number: int, networks: list[dict[str, Any]], mclt_s: int) -> None:
        self.home = home
        self.number = number
        self.networks = networks
        self.mclt_s = mclt_s
        self.hosts: list[str] = []
        self.reservations: dict[str, list[str]] = {}
        self.alone = False
        self.declared: int | None = None
        (home / "dhcp").mkdir(parents=True)
        self.net = Namespace(home)
        prepare(home, home / "dhcp")

    @property
    def section(self) -> dict[str, Any]:
        """What a region would tell it."""
        pair: dict[str, Any] = {
            "name": PAIR,
            "role": "primary" if self.number == 2 else "secondary",
            "address": f"10.10.0.{self.number}",
            "peer_address": f"10.10.0.{5 - self.number}",
            "mclt_s": self.mclt_s,
            "partner_down": self.declared,
        }
        networks = [
            {**network, "subnets": [self._subnet(subnet) for subnet in network["subnets"]]} for network in self.networks
        ]
        if self.alone:
            return {"networks": [{**each, "subnets": _unshared(each["subnets"])} for each in networks], "hosts": []}
        told = {"hosts": self.hosts, "reservations": self.reservations}
        return {"networks": networks, "pairs": [pair], **told}

    def _subnet(self, subnet: dict[str, Any]) -> dict[str, Any]:
        return {**subnet, "pair": PAIR, "next_server": subnet["cidr"].replace("0/24", str(self.number))}

    def start(self) -> None:
        """Start dhcpd with what the section says now."""
        (self.home / "dhcp/dhcpd.conf").write_bytes(dhcp.render(self.section))
        before = self.starts()
        self.process = self.net.start("dhcpd", *command(self.home, *self.interfaces()))
        wait_until(lambda: self.starts() > before, "dhcpd's start")

    def interfaces(self) -> list[str]:
        return [f"rack{index}" for index, _network in enumerate(self.networks)]

    def starts(self) -> int:
        return starts(self.home / "dhcpd.log")

    def kill(self) -> None:
        """As a power cut would: dhcpd says nothing any more, and the link to it is gone."""
        self.net.run("ip", "link", "set", "pair", "down")
        self.stop()

    def stop(self) -> None:
        """End dhcpd."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """The rack is back."""
        self.net.run("ip", "link", "set", "pair", "up")
        self.start()

    def agent(self, order: str) -> Any:
        """What the agent does now: `states` or `tell`."""
        (self.home / "agent.py").write_text(AGENT)
        paths = ":".join(path for path in sys.path if path)
        call = shlex.join([sys.executable, f"{self.home}/agent.py", str(self.home), order, json.dumps(self.section)])
        return json.loads(self.net.run("sh", "-c", f"PYTHONPATH={paths} {call}"))

    def state(self) -> str:
        """How its dhcpd stands to the partner."""
        pairs = self.agent("states")["pairs"]
        assert [pair["name"] for pair in pairs] == [PAIR]
        return str(pairs[0]["own"])

    def log(self) -> str:
        return self.net.log("dhcpd")


def _unshared(subnets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**subnet, "pair": None} for subnet in subnets]


class Site:
    """Two racks, the cable between them, and a switch for each network, each with a machine's card."""

    def __init__(self, home: Path, networks: list[dict[str, Any]], mclt_s: int = 300) -> None:
        self.machines = Namespace(home)
        self.racks = [Rack(home / f"rack{number}", number, networks, mclt_s) for number in (2, 3)]
        self.primary, self.secondary = self.racks
        run = self.primary.net.run
        run("ip", "link", "add", "pair", "type", "veth", "peer", "name", "pair", "netns", str(self.secondary.net.pid))
        for rack in self.racks:
            rack.net.run("ip", "address", "add", f"10.10.0.{rack.number}/24", "dev", "pair")
            rack.net.run("ip", "link", "set", "pair", "up")
        for index, network in enumerate(networks):
            self._switch(index, network)

    def _switch(self, index: int, network: dict[str, Any]) -> None:
        run = self.machines.run
        run("ip", "link", "add", f"switch{index}", "type", "bridge")
        run("ip", "link", "set", f"switch{index}", "up")
        run("ip", "link", "add", f"machine{index}", "type", "veth", "peer", "name", f"port{index}")
        for link in (f"port{index}", f"machine{index}"):
            run("ip", "link", "set", link, "up")
        run("ip", "link", "set", f"port{index}", "master", f"switch{index}")
        (cidr,) = (each["cidr"] for each in network["subnets"])
        for rack in self.racks:
            port = f"port{index}-{rack.number}"
            run("ip", "link", "add", port, "type", "veth", "peer", "name", f"rack{index}", "netns", str(rack.net.pid))
            run("ip", "link", "set", port, "master", f"switch{index}", "up")
            rack.net.run("ip", "address", "add", cidr.replace("0/24", f"{rack.number}/24"), "dev", f"rack{index}")
            rack.net.run("ip", "link", "set", f"rack{index}", "up")

    def start(self) -> None:
        """Both dhcpds, which find each other."""
        for rack in self.racks:
            rack.start()
        wait_until(lambda: [rack.state() for rack in self.racks] == ["normal", "normal"], "the pair", 60)

    def lease(self, mac: str, *arguments: str, network: int = 0, timeout_s: int = 30) -> dict[str, Any] | None:
        """What a machine gets and keeps, None when it gets no address."""
        self.machines.run("ip", "link", "set", f"machine{network}", "address", mac)
        probe = [sys.executable, str(PROBE), f"machine{network}", "--keep", "--timeout", str(timeout_s), *arguments]
        said = self.machines.run("sh", "-c", f"{shlex.join(probe)} || true", timeout_s=2 * timeout_s + 10)
        return json.loads(said) if said.strip() else None

    def stop(self) -> None:
        for rack in self.racks:
            rack.net.stop()
        self.machines.stop()
