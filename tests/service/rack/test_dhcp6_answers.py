# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dhcpd for IPv6 with the role's file and the service's: what firmware is told; a lease becomes evidence.

It runs in a network namespace of its own, with a client at the other end of a veth pair that names itself by a UUID, as
UEFI does: nothing but its link-local address tells whose lease it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from roles.dhcp_server import MAC, Dhcpd, entries

from rackyard.daemons.dhcp6 import render
from rackyard.daemons.ra import render as render_ra
from rackyard.rack.evidence6 import Dhcp6Log

from .conftest import program, wait_until

RACK = "fd00:20::2"
POOL = {"start": "fd00:20::1:0", "end": "fd00:20::1:fff"}
SUBNET = {
    "cidr": "fd00:20::/64", "server": RACK, "dns_servers": [RACK], "ntp_servers": [RACK],
    "domain_name": "rackyard.internal", "pools": [POOL],
}  # fmt: skip
SECTION: dict[str, Any] = {"networks": [{"name": "vlan-1", "subnets": [SUBNET]}]}
BASE = f"http://[{RACK}]:5248"
ADVERTISED = {"interfaces": [{"name": "rack", "mtu": 1500, "dhcp": True, "prefixes": ["fd00:20::/64"]}]}
HTTP = ("--architecture", "16", "--vendor-class", "HTTPClient:Arch:00016:UNDI:003001")


class Dhcpd6(Dhcpd):
    """dhcpd, and a radvd beside it."""

    def advertise(self) -> None:
        """A radvd with the service's file."""
        file = self.home / "radvd.conf"
        file.write_bytes(render_ra(ADVERTISED))
        file.chmod(0o644)
        options = ["--nodaemon", "--logmethod", "stderr_clean", "--config", str(file)]
        self.net.start("radvd", program("radvd", "radvd"), *options, "--pidfile", str(self.home / "radvd.pid"))

    def addresses(self) -> str:
        """The machine's own."""
        return self.net.run("ip", "-6", "address", "show", "dev", "machine")

    def routes(self) -> str:
        """Where the machine's system sends what by IPv6."""
        return self.net.run("ip", "-6", "route", "show", "dev", "machine")


@pytest.fixture(scope="module")
def dhcpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dhcpd6]:
    server = Dhcpd6(tmp_path_factory.mktemp("dhcpd6"), f"{RACK}/64", render(SECTION))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def seen(dhcpd: Dhcpd6) -> list[dict[str, Any]]:
    """Every lease that the log tells of."""
    reader = Dhcp6Log()
    return [found.item for found in map(reader.read, entries(dhcpd.log())) if found is not None]


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (HTTP, f"{BASE}/boot/bootx64.efi"),
        (("--architecture", "19", "--vendor-class", "HTTPClient:Arch:00019"), f"{BASE}/boot/bootaa64.efi"),
        (("--architecture", "16", "--user-class", "iPXE"), f"{BASE}/ipxe.cfg"),
        (("--architecture", "7", "--vendor-class", "PXEClient:Arch:00007"), ""),
        ((), ""),
    ],
)
def test_each_firmware_is_told_its_loader(dhcpd: Dhcpd6, arguments: tuple[str, ...], url: str) -> None:
    answer = dhcpd.ask(*arguments)
    assert answer["url"] == url
    assert answer["dns_servers"] == answer["ntp_servers"] == [RACK]
    assert answer["domain"] == "rackyard.internal"
    assert POOL["start"][:-1] in answer["address"]


def test_an_answer_counts_for_http_boot_only_when_it_says_so(dhcpd: Dhcpd6) -> None:
    assert dhcpd.ask(*HTTP)["vendor_class"] == "HTTPClient"
    assert dhcpd.ask()["vendor_class"] == ""


@pytest.mark.parametrize("duid", ["uuid", "mac"])
def test_lease_becomes_evidence_of_the_machine(dhcpd: Dhcpd6, duid: str) -> None:
    before = len(seen(dhcpd))
    address = dhcpd.ask(*HTTP, "--duid", duid)["address"]
    wait_until(lambda: f"releases address {address}" in dhcpd.log(), "the release")
    (found,) = seen(dhcpd)[before:]
    assert (found["action"], found["ip"], found["mac"], found["lease_s"]) == ("commit", address, MAC, 600)


def test_an_advertisement_tells_a_system_its_network_and_neither_a_router_nor_an_address(dhcpd: Dhcpd6) -> None:
    assert "fd00:20::/64" not in dhcpd.routes(), "DHCP for IPv6 tells no network"
    dhcpd.advertise()
    wait_until(lambda: "fd00:20::/64" in dhcpd.routes(), "the advertisement")
    assert "default" not in dhcpd.routes()
    assert "fd00:20::" not in dhcpd.addresses()
