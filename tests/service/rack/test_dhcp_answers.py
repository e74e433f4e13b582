# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dhcpd with the role's file and the service's: what each firmware is told, and that a lease becomes evidence.

It runs in a network namespace of its own, with a raw-socket client at the other end of a veth pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from roles.dhcp_server import Dhcpd, entries

from rackyard.daemons.dhcp import render
from rackyard.rack.evidence import from_journal
from rackyard.region.services.network.checks import MAX_DESTINATIONS

from .conftest import wait_until

# As many as a subnet has at most, which is the longest answer.
ROUTES = [
    {"destination": "192.168.128.0/17", "gateway": "10.20.0.254"},
    *(
        {"destination": f"10.99.{number}.128/25", "gateway": f"10.20.0.{number + 2}"}
        for number in range(1, MAX_DESTINATIONS)
    ),
]
SECTION: dict[str, Any] = {
    "networks": [
        {
            "name": "vlan-1",
            "mtu": 1500,
            "subnets": [
                {
                    "cidr": "10.20.0.0/24",
                    "next_server": "10.20.0.2",
                    "routers": ["10.20.0.1"],
                    "routes": ROUTES,
                    "dns_servers": ["10.20.0.2"],
                    "ntp_servers": ["10.20.0.2"],
                    "domain_name": "rackyard.internal",
                    "pools": [{"start": "10.20.0.100", "end": "10.20.0.200"}],
                }
            ],
        }
    ]
}
BASE = "http://10.20.0.2:5248"


@pytest.fixture(scope="module")
def dhcpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dhcpd]:
    server = Dhcpd(tmp_path_factory.mktemp("dhcpd"), "10.20.0.2/24", render(SECTION))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "filename"),
    [
        (["--architecture", "0"], "lpxelinux.0"),
        (["--architecture", "7"], "bootx64.efi"),
        (["--architecture", "9"], "bootx64.efi"),
        (["--architecture", "11"], "bootaa64.efi"),
        (["--architecture", "16", "--vendor-class", "HTTPClient:Arch:00016"], f"{BASE}/boot/bootx64.efi"),
        (["--architecture", "19", "--vendor-class", "HTTPClient:Arch:00019"], f"{BASE}/boot/bootaa64.efi"),
        (["--architecture", "0", "--user-class", "iPXE"], f"{BASE}/ipxe.cfg"),
        (["--architecture", "7", "--user-class", "iPXE"], f"{BASE}/ipxe.cfg"),
        (["--architecture", "0", "--vendor-class", "udhcp 1.36"], ""),
    ],
)
def test_each_firmware_is_told_its_loader(dhcpd: Dhcpd, arguments: list[str], filename: str) -> None:
    answer = dhcpd.ask(*arguments)
    assert answer["filename"] == filename
    assert answer["next_server"] == "10.20.0.2"
    assert answer["dns_servers"] == answer["ntp_servers"] == ["10.20.0.2"]


def test_routes_come_with_the_default_one_which_their_takers_read_nowhere_else(dhcpd: Dhcpd) -> None:
    """RFC 3442."""
    answer = dhcpd.ask()
    assert answer["routers"] == ["10.20.0.1"]
    told = [[route["destination"], route["gateway"]] for route in ROUTES]
    assert answer["routes"] == [*told, ["0.0.0.0/0", "10.20.0.1"]]
    assert (answer["dns_servers"], answer["domain"]) == (["10.20.0.2"], "rackyard.internal"), "there is room for all"


def test_bios_gets_the_path_prefix_and_http_boot_its_vendor_class(dhcpd: Dhcpd) -> None:
    assert dhcpd.ask("--architecture", "0")["path_prefix"] == f"{BASE}/"
    http = dhcpd.ask("--architecture", "16", "--vendor-class", "HTTPClient:Arch:00016")
    assert http["vendor_class"] == "HTTPClient"


def test_lease_and_its_release_become_evidence(dhcpd: Dhcpd) -> None:
    answer = dhcpd.ask()

    def seen() -> list[dict[str, Any]]:
        return [found.item for found in map(from_journal, entries(dhcpd.log())) if found is not None]

    wait_until(lambda: "release" in [item["action"] for item in seen()], "the release")
    commits = [item for item in seen() if item["action"] == "commit"]
    assert commits[-1]["ip"] == answer["address"]
    assert commits[-1]["lease_s"] == 600
    assert len(commits[-1]["mac"]) == 17
