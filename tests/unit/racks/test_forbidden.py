# SPDX-License-Identifier: GPL-3.0-or-later
"""Which networks a site's proxies are closed for."""

from __future__ import annotations

from typing import Any

from rackyard.daemons.proxy import render
from rackyard.region.services.racks import forbidden

SITE: dict[str, Any] = {
    "bmcs": ["10.30.0.11", "10.30.0.12"],
    "rack_interfaces": ["10.10.0.21/24", "10.20.0.2/24", "10.30.0.2/24"],
    "regions": ["10.10.0.11"],
    "declared": ["10.20.0.0/24"],
    "managed": ["10.20.0.0/24"],
}


def networks(**changes: Any) -> list[str]:
    return forbidden.networks(**{**SITE, **changes})


def test_networks_of_bmcs_and_controllers_are_closed_and_that_of_machines_is_open() -> None:
    assert networks() == ["10.10.0.0/24", "10.20.0.2/32", "10.30.0.0/24"]


def test_region_outside_the_racks_networks_closes_its_address() -> None:
    found = networks(regions=["192.0.2.5"], bmcs=[], rack_interfaces=["10.20.0.2/24"])
    assert found == ["10.20.0.2/32", "192.0.2.5/32"]


def test_bmc_behind_a_router_closes_the_declared_subnet_else_what_is_usually_one_network() -> None:
    routed = ["10.99.7.12", "10.98.0.200", "2001:db8:30::7"]
    found = networks(bmcs=routed, declared=["10.20.0.0/24", "10.98.0.128/25"])
    assert {"10.98.0.128/25", "10.99.7.0/24", "2001:db8:30::/64"} <= set(found)
    assert "10.98.0.0/24" not in found


def test_smallest_known_network_around_a_bmc_counts() -> None:
    racks = ["10.64.0.2/10", "10.64.3.2/26"]
    found = networks(bmcs=["10.64.3.9"], rack_interfaces=racks, regions=[], managed=["10.64.0.0/24"])
    assert found == ["10.64.0.2/32", "10.64.3.0/26"]


def test_machines_that_share_the_network_of_their_bmcs_lose_it() -> None:
    assert networks(bmcs=["10.20.0.240"], rack_interfaces=["10.20.0.2/24"], regions=[]) == ["10.20.0.0/24"]


def test_interface_in_a_network_around_the_machines_closes_only_its_address() -> None:
    assert networks(bmcs=[], rack_interfaces=["10.0.0.5/8"], regions=[]) == ["10.0.0.5/32"]


def test_ipv6_networks_are_closed_too() -> None:
    found = networks(bmcs=["fd00:30::11"], rack_interfaces=["fd00:10::21/64", "fd00:30::2/64"], regions=["fd00:10::11"])
    assert found == ["fd00:10::/64", "fd00:30::/64"]


def test_ten_thousand_bmcs_are_a_few_lines_of_configuration() -> None:
    bmcs = [f"10.{30 + number // 5000}.{number // 250 % 20}.{number % 250 + 1}" for number in range(10_000)]
    found = networks(bmcs=bmcs, rack_interfaces=["10.30.0.254/16", "10.31.0.254/16"])
    assert found == ["10.10.0.11/32", "10.30.0.0/15"]
    assert len(networks(bmcs=bmcs, rack_interfaces=[])) < 4096
    assert render({"forbidden": found}).count(b"rackyard_forbidden") == 4
