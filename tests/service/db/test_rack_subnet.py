# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rack serves which subnet, and at which address: the view that every query asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Rows = list[tuple[Any, ...]]
Found = set[tuple[str, str, str, bool]]


@pytest.fixture
def declare(execute: Callable[..., Rows]) -> Callable[..., None]:
    """A VLAN with its subnets, relayed to another VLAN or not."""
    execute("INSERT INTO fabric (name) VALUES ('lab')")

    def add(vid: int, *cidrs: str, relay: int | None = None) -> None:
        execute(
            "INSERT INTO vlan (fabric_id, vid, name, relay_vlan_id)"
            " SELECT id, %s, %s, (SELECT id FROM vlan WHERE vid = %s) FROM fabric",
            (vid, f"vlan-{vid}", relay),
        )
        for cidr in cidrs:
            execute(
                "INSERT INTO subnet (name, vlan_id, cidr) SELECT %s, id, %s FROM vlan WHERE vid = %s", (cidr, cidr, vid)
            )

    return add


@pytest.fixture
def serving(execute: Callable[..., Rows]) -> Callable[[], Found]:
    """Rack, subnet, address, whether it is behind a relay; each once."""

    def read() -> Found:
        rows = execute(
            "SELECT rack.hostname, subnet.cidr::text, host(rack_subnet.address), rack_subnet.relayed FROM rack_subnet"
            " JOIN rack ON rack.id = rack_subnet.rack_id JOIN subnet ON subnet.id = rack_subnet.subnet_id"
        )
        assert len(rows) == len(set(rows))
        return set(rows)

    return read


def test_rack_serves_where_it_has_an_address_and_nowhere_else(declare, serving, add_rack) -> None:
    declare(0, "10.20.0.0/24", "10.22.0.0/24")
    add_rack("rack1", "10.20.0.2/24")
    add_rack("rack2", "192.0.2.9/24")
    assert serving() == {("rack1", "10.20.0.0/24", "10.20.0.2", False)}


def test_racks_serve_what_is_relayed_to_their_vlan_at_the_address_that_they_have_there(
    declare, serving, add_rack
) -> None:
    declare(0, "10.20.0.0/24")
    declare(7, "10.90.0.0/24", "10.91.0.0/24", relay=0)
    declare(8, "10.92.0.0/24")
    add_rack("rack1", "10.20.0.2/24")
    add_rack("rack2", "10.20.0.3/24")
    add_rack("rack3", "10.92.0.3/24")
    relayed = {
        (rack, cidr, address, True)
        for rack, address in (("rack1", "10.20.0.2"), ("rack2", "10.20.0.3"))
        for cidr in ("10.90.0.0/24", "10.91.0.0/24")
    }
    assert {row for row in serving() if row[3]} == relayed
    assert ("rack3", "10.92.0.0/24", "10.92.0.3", False) in serving()


def test_rack_with_an_address_of_its_own_in_a_relayed_subnet_serves_it_there(
    declare, serving, add_rack, execute: Callable[..., Rows]
) -> None:
    declare(0, "10.20.0.0/24")
    declare(7, "10.90.0.0/24", relay=0)
    add_rack("rack1", "10.20.0.2/24")
    execute("INSERT INTO rack_interface (rack_id, name, address) SELECT id, 'far0', '10.90.0.2/24' FROM rack")
    assert serving() == {("rack1", "10.20.0.0/24", "10.20.0.2", False), ("rack1", "10.90.0.0/24", "10.90.0.2", False)}


def test_address_is_of_the_family_of_the_subnet(declare, serving, add_rack, execute: Callable[..., Rows]) -> None:
    declare(0, "10.20.0.0/24", "fd00:20::/64")
    declare(7, "10.90.0.0/24", "fd00:90::/64", relay=0)
    declare(8, "fd00:91::/64", relay=0)
    add_rack("rack1", "10.20.0.2/24")
    # The same address on two interfaces, as on a bridge and its port, is one address.
    for interface in ("pxe0", "pxe1"):
        execute(
            "INSERT INTO rack_interface (rack_id, name, address) SELECT id, %s, 'fd00:20::2/64' FROM rack", (interface,)
        )
    assert {(cidr, address) for _rack, cidr, address, relayed in serving() if relayed} == {
        ("10.90.0.0/24", "10.20.0.2"),
        ("fd00:90::/64", "fd00:20::2"),
        ("fd00:91::/64", "fd00:20::2"),
    }
