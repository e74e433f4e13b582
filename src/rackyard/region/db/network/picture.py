# SPDX-License-Identifier: GPL-3.0-or-later
"""Spaces, fabrics, VLANs, subnets, IP ranges and static routes as rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Space:
    """A name for VLANs that reach each other."""

    id: int
    name: str
    description: str


# Where MAAS shows the VLANs that have no space. It is no row.
UNDEFINED = Space(-1, "undefined", "")


@dataclass(frozen=True)
class Fabric:
    """A layer 2 world of its own: VLAN numbers mean something only within it."""

    id: int
    name: str
    description: str
    class_type: str


@dataclass(frozen=True)
class Vlan:
    """One VLAN; `primary_rack` and `secondary_rack` are the system_ids of the racks that serve DHCP.

    A router relays the DHCP of a VLAN with a `relay_vlan` to the racks in that one; what it is relayed to itself is not
    said here."""

    id: int
    fabric_id: int
    fabric: str
    vid: int
    name: str
    description: str
    mtu: int
    dhcp_on: bool
    primary_rack: str | None
    secondary_rack: str | None
    space: Space
    relay_vlan: Vlan | None = None

    def __str__(self) -> str:
        return f"VLAN {self.vid} of fabric {self.fabric}"


@dataclass(frozen=True)
class Subnet:
    """One subnet; addresses are text in their shortest form."""

    id: int
    name: str
    description: str
    vlan_id: int
    cidr: str
    gateway_ip: str | None
    dns_servers: list[str]
    allow_dns: bool
    allow_proxy: bool
    router_advertisements: bool
    managed: bool
    enlistment: str


@dataclass(frozen=True)
class IpRange:
    """Addresses of a subnet, both ends included: given out by DHCP (dynamic) or kept from it (reserved)."""

    id: int
    subnet_id: int
    type: str
    start_ip: str
    end_ip: str
    comment: str


@dataclass(frozen=True)
class StaticRoute:
    """How machines of the subnet `source` reach the subnet `destination`; the lowest metric counts."""

    id: int
    source_id: int
    destination_id: int
    gateway_ip: str
    metric: int


@dataclass(frozen=True)
class RackAddress:
    """An address that a rack has."""

    address: str
    hostname: str
    system_id: str


def spaces(tx: Transaction) -> list[Space]:
    """All spaces by id."""
    return [Space(**row) for row in tx.all("network.picture.spaces")]


def fabrics(tx: Transaction) -> list[Fabric]:
    """All fabrics by id."""
    return [Fabric(**row) for row in tx.all("network.picture.fabrics")]


def vlans(tx: Transaction) -> list[Vlan]:
    """All VLANs by id."""
    rows = tx.all("network.picture.vlans")
    relays = {row["id"]: row.pop("relay_vlan_id") for row in rows}
    spaces_of = {row["id"]: _space(row) for row in rows}
    found = {row["id"]: Vlan(**row, space=spaces_of[row["id"]]) for row in rows}
    return [replace(vlan, relay_vlan=found.get(relays[vlan.id])) for vlan in found.values()]


def subnets(tx: Transaction) -> list[Subnet]:
    """All subnets by id."""
    return [Subnet(**row) for row in tx.all("network.picture.subnets")]


def ranges(tx: Transaction) -> list[IpRange]:
    """All IP ranges by start address."""
    return [IpRange(**row) for row in tx.all("network.picture.ranges")]


def routes(tx: Transaction) -> list[StaticRoute]:
    """All static routes by id."""
    return [StaticRoute(**row) for row in tx.all("network.picture.routes")]


def rack_addresses(tx: Transaction) -> list[RackAddress]:
    """Every address of every enrolled rack."""
    return [RackAddress(**row) for row in tx.all("network.picture.rack_addresses")]


def rack_id(tx: Transaction, name: str) -> int | None:
    """The id of the enrolled rack with this system_id or hostname."""
    row = tx.one("network.picture.rack_id", name=name)
    return int(row["id"]) if row else None


def lock(tx: Transaction) -> None:
    """One change of the network at a time, so that what was checked still holds at the commit."""
    tx.run("network.picture.lock")


def add(tx: Transaction, kind: str, **columns: Any) -> int:
    """A new space, fabric, vlan, subnet, range or route; its id."""
    row = tx.one(f"network.picture.add_{kind}", **columns)
    assert row is not None
    return int(row["id"])


def update(tx: Transaction, kind: str, row_id: int, **columns: Any) -> None:
    """Write all columns of one row."""
    tx.run(f"network.picture.update_{kind}", id=row_id, **columns)


def delete(tx: Transaction, kind: str, row_id: int) -> None:
    """Remove one row."""
    tx.run(f"network.picture.delete_{kind}", id=row_id)


def _space(row: dict[str, Any]) -> Space:
    """The space of a VLAN's row, out of which its columns are taken."""
    known = Space(row.pop("space_id"), row.pop("space_name"), row.pop("space_description"))
    return UNDEFINED if known.id is None else known
