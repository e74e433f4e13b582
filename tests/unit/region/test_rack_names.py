# SPDX-License-Identifier: GPL-3.0-or-later
"""Reverse zones: no wider than the subnet, no more than needed."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackyard.region.services.network.zones import Published
from rackyard.region.services.racks import names


@pytest.mark.parametrize(
    ("address", "cidr", "zone"),
    [
        ("10.20.0.2", "10.20.0.0/24", "0.20.10.in-addr.arpa"),
        ("10.20.1.2", "10.20.0.0/22", "1.20.10.in-addr.arpa"),
        ("10.20.0.2", "10.20.0.0/16", "20.10.in-addr.arpa"),
        ("10.20.0.2", "10.0.0.0/9", "20.10.in-addr.arpa"),
        ("10.20.0.2", "10.0.0.0/8", "10.in-addr.arpa"),
        ("10.20.0.130", "10.20.0.128/25", "130.0.20.10.in-addr.arpa"),
        ("10.20.0.2", "10.20.0.2/32", "2.0.20.10.in-addr.arpa"),
        ("fd00:20::2", "fd00:20::/64", "0.0.0.0.0.0.0.0.0.2.0.0.0.0.d.f.ip6.arpa"),
        ("fd00:20::2", "fd00:20::/62", "0.0.0.0.0.0.0.0.0.2.0.0.0.0.d.f.ip6.arpa"),
    ],
)
def test_zone_of_an_address(address: str, cidr: str, zone: str):
    assert names.reverse_zone(address, cidr) == zone


@given(st.ip_addresses(v=4), st.integers(1, 32))
def test_zone_claims_nothing_outside_of_the_subnet(address, length: int):
    subnet = ip_network(f"{address}/{length}", strict=False)
    labels = names.reverse_zone(str(address), str(subnet)).removesuffix(".in-addr.arpa").split(".")
    octets = labels[::-1]
    claimed = ip_network((".".join([*octets, *["0"] * (4 - len(octets))]), 8 * len(octets)))
    assert claimed.subnet_of(subnet)
    assert ip_address(address) in claimed


def test_zones_are_those_of_all_racks_addresses_that_lie_in_managed_subnets():
    serving = [
        {"address": "10.20.0.2", "subnet_id": 1, "relayed": False, "alive": False},
        {"address": "10.20.7.2", "subnet_id": 2, "relayed": False, "alive": True},
        {"address": "10.20.7.2", "subnet_id": 3, "relayed": True, "alive": True},
        {"address": "192.0.2.1", "subnet_id": 4, "relayed": False, "alive": True},
    ]
    cidrs = {1: "10.20.0.0/22", 2: "10.20.7.0/24", 3: "10.90.0.0/24"}
    assert names.reverse_zones(serving, cidrs, Published()) == ["0.20.10.in-addr.arpa", "7.20.10.in-addr.arpa"]


def test_zones_of_operators_addresses_are_those_in_managed_subnets():
    pointers = dict.fromkeys(("10.20.1.9", "10.20.0.129", "192.0.2.1"), frozenset({"30 PTR www.example.org."}))
    found = names.reverse_zones([], {1: "10.20.1.0/24", 2: "10.20.0.128/25"}, Published({}, pointers))
    assert found == ["1.20.10.in-addr.arpa", "129.0.20.10.in-addr.arpa"]


def test_only_differences_of_our_own_names_are_changed():
    current = {
        "10-20-0-0--24": frozenset({"15 A 10.20.0.2"}), "10-21-0-0--24": frozenset({"15 A 10.21.0.2"}),
        "10-23-0-0--24": frozenset({"60 A 10.23.0.2"}), "region1": frozenset({"15 A 1.2.3.4"}),
    }  # fmt: skip
    wanted = {f"10-{number}-0-0--24": frozenset({f"15 A 10.{number}.0.2"}) for number in (20, 22, 23)}
    zone = names.Zone("rackyard.internal", wanted, lambda label, _records: names.is_subnet_label(label))
    changes = {change.label: change.records for change in names.differences(zone, current)}
    assert changes == {
        "10-21-0-0--24": frozenset(), "10-22-0-0--24": wanted["10-22-0-0--24"],
        "10-23-0-0--24": wanted["10-23-0-0--24"],
    }  # fmt: skip
