# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine behind a router: a real relay agent brings its DHCP to a real dhcpd, and it reaches its rack by the address
that it is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons import dhcp
from rackyard.rack.evidence import from_journal

from .dhcp_server import command, prepare, starts
from .namespace import Namespace, program, wait_until

RACK, ROUTER_NEAR, ROUTER_FAR, MAC = "10.20.0.2", "10.20.0.254", "10.90.0.1", "52:54:00:90:01:01"
SAID = ("ip", "router", "dns", "ntpsrv", "siaddr", "serverid", "lease", "boot_file")
# What a system does with its lease; each event is a line, once that is done.
SCRIPT = """#!/bin/sh
if [ "$1" = bound ]; then
    ip address replace "$ip/$mask" dev "$interface"
    ip route replace default via "$router"
fi
echo "$1 {said}"
"""


def network(number: int, *routers: str) -> dict[str, Any]:
    pool = {"start": f"10.{number}.0.100", "end": f"10.{number}.0.199"}
    subnet = {
        "cidr": f"10.{number}.0.0/24", "next_server": RACK, "routers": [*routers], "dns_servers": [RACK],
        "ntp_servers": [RACK], "domain_name": "rackyard.internal", "pools": [pool],
    }  # fmt: skip
    return {"name": f"vlan-{number}", "mtu": 1500, "subnets": [subnet]}


class Site:
    """A rack, a router with a relay agent, and a machine in the network behind it."""

    def __init__(self, home: Path, networks: list[dict[str, Any]]) -> None:
        self.home = home
        self.rack, self.router, self.machine = (Namespace(home) for _place in range(3))
        self.router.cable("near", [f"{ROUTER_NEAR}/24"], self.rack, [f"{RACK}/24"])
        self.router.cable("far", [f"{ROUTER_FAR}/24"], self.machine, [])
        self.machine.run("ip", "link", "set", "eth0", "address", MAC)
        self.router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.rack.run("ip", "route", "add", "10.90.0.0/24", "via", ROUTER_NEAR)
        relay = [program("dhcrelay", "isc-dhcp-relay"), "-4", "-d", "--no-pid", "-id", "far", "-iu", "near", RACK]
        self.router.start("dhcrelay", *relay)
        self._start_dhcpd(networks)

    def _start_dhcpd(self, networks: list[dict[str, Any]]) -> None:
        prepare(self.home, self.home)
        (self.home / "dhcpd.conf").write_bytes(dhcp.render({"networks": networks}))
        self.rack.start("dhcpd", *command(self.home, "eth0"))
        wait_until(lambda: starts(self.home / "dhcpd.log") > 0, "dhcpd's start")

    def boot(self) -> int:
        """Start the machine's DHCP client; its process."""
        script = self.home / "lease"
        script.write_text(SCRIPT.format(said=" ".join(f"{name}=${name}" for name in SAID)))
        script.chmod(0o755)
        options = [part for name in ("router", "dns", "ntpsrv", "bootfile") for part in ("-O", name)]
        busybox = program("busybox", "busybox")
        client = self.machine.start("udhcpc", busybox, "udhcpc", "-f", "-i", "eth0", "-s", str(script), *options)
        return client.pid

    def told(self, event: str) -> list[dict[str, str]]:
        """What the client was told at each event of that kind."""
        lines = [line.split(" ") for line in self.machine.log("udhcpc").splitlines()]
        return [dict(part.split("=", 1) for part in line[1:] if "=" in part) for line in lines if line[0] == event]

    def stop(self) -> None:
        for place in (self.machine, self.router, self.rack):
            place.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, [network(20), network(90, ROUTER_FAR)])
    try:
        yield made
    finally:
        made.stop()


def test_machine_behind_a_router_gets_its_address_from_the_rack_reaches_it_and_keeps_what_it_has(site: Site) -> None:
    client = site.boot()
    wait_until(lambda: site.told("bound"), "a lease through the relay")
    (lease,) = site.told("bound")
    assert lease["ip"].startswith("10.90.0.1"), lease
    assert (lease["router"], lease["serverid"], lease["lease"]) == (ROUTER_FAR, RACK, "600")
    assert (lease["siaddr"], lease["dns"], lease["ntpsrv"]) == (RACK, RACK, RACK)
    site.machine.run(program("busybox", "busybox"), "ping", "-c", "1", "-W", "5", RACK)

    # A system asks for more time at the rack itself, which is beyond its cable.
    os.kill(client, signal.SIGUSR1)
    wait_until(lambda: site.told("renew"), "the renewal")
    assert site.told("renew")[0]["ip"] == lease["ip"]
    said = site.rack.log("dhcpd").splitlines()
    request = f"DHCPREQUEST for {lease['ip']}"
    assert any(line.startswith(request) and f"via {ROUTER_FAR}" in line for line in said), "by the relay agent"
    assert any(line.startswith(request) and "via eth0" in line for line in said), "by the router"
    commits = [line for line in said if line.startswith("rackyard-lease commit")]
    # The relay agent passes on what it sees of the second request as well.
    assert len(commits) >= 2
    for line in commits:
        entry = {"MESSAGE": line, "SYSLOG_IDENTIFIER": "dhcpd", "__REALTIME_TIMESTAMP": "1", "__CURSOR": line}
        evidence = from_journal(entry)
        assert evidence is not None
        assert (evidence.item["ip"], evidence.item["mac"]) == (lease["ip"], MAC)


def test_dhcpd_that_is_not_told_of_the_subnet_answers_nobody_there(tmp_path: Path) -> None:
    site = Site(tmp_path, [network(20)])
    try:
        site.boot()
        wait_until(lambda: "unknown network segment" in site.rack.log("dhcpd"), "a request through the relay")
        assert site.told("bound") == []
    finally:
        site.stop()
