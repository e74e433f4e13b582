# SPDX-License-Identifier: GPL-3.0-or-later
"""IP ranges: inside their subnet, apart from each other, and never over an address that something has."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from netaddr import IPAddress, IPRange, IPSet

from rackyard.region.context import Context
from rackyard.region.db.network import picture as rows
from rackyard.region.db.network.picture import IpRange, RackAddress, Subnet
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor
from rackyard.region.services.site.validation import Address


@dataclass(frozen=True)
class RangeWish:
    """What an operator wants a range to be; None leaves things as they are. The subnet is found if not given."""

    type: str | None = None
    start_ip: str | None = None
    end_ip: str | None = None
    subnet: str | None = None
    comment: str | None = None


def create(ctx: Context, actor: Actor, wish: RangeWish) -> IpRange:
    """A new range. Raises Forbidden, Invalid naming what is in the way and the remedy."""
    with picture.changing(ctx, actor) as (tx, before):
        columns = _columns(before, rows.rack_addresses(tx), wish, None)
        range_id = rows.add(tx, "range", **columns)
        return picture.load(tx).range(str(range_id))


def update(ctx: Context, actor: Actor, range_id: int, wish: RangeWish) -> IpRange:
    """Change what is given. Raises Forbidden, NotFound, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        known = before.range(str(range_id))
        columns = _columns(before, rows.rack_addresses(tx), wish, known)
        rows.update(tx, "range", known.id, **columns)
        return picture.load(tx).range(str(known.id))


def delete(ctx: Context, actor: Actor, range_id: int) -> None:
    """Remove a range. Raises Forbidden, NotFound."""
    with picture.changing(ctx, actor) as (tx, before):
        known = before.range(str(range_id))
        rows.delete(tx, "range", known.id)


def _columns(before: Network, racks: list[RackAddress], wish: RangeWish, known: IpRange | None) -> dict[str, object]:
    kind = wish.type or (known.type if known else "")
    if kind not in ("dynamic", "reserved"):
        raise Invalid.field("type", f"{validation.shown(kind)} is no range type; use dynamic or reserved.")
    start = _end("start_ip", wish.start_ip, known.start_ip if known else None)
    end = _end("end_ip", wish.end_ip, known.end_ip if known else None)
    if start.version != end.version or int(start) > int(end):
        raise Invalid.field(
            "end_ip", f"End IP address {end} must not be less than start IP address {start}; swap them."
        )
    subnet = _subnet(before, wish, known, start)
    _check_inside(subnet, start, end)
    _check_apart(before, start, end, known)
    if kind == "dynamic":
        _check_free(subnet, racks, start, end)
    return {
        "subnet_id": subnet.id,
        "type": kind,
        "start_ip": str(start),
        "end_ip": str(end),
        "comment": validation.text(
            "comment", wish.comment if wish.comment is not None else known.comment if known else ""
        ),
    }


def _end(field: str, text: str | None, otherwise: str | None) -> Address:
    if not text and otherwise is None:
        raise Invalid.field(field, f"A range needs {field}; give an address such as 198.51.100.100.")
    return validation.address(field, text or otherwise or "")


def _subnet(before: Network, wish: RangeWish, known: IpRange | None, start: Address) -> Subnet:
    if wish.subnet:
        try:
            return before.subnet(wish.subnet)
        except NotFound as error:
            raise Invalid.field("subnet", error.message) from error
    if known:
        return before.subnet(str(known.subnet_id))
    for subnet in before.subnets:
        if start in ip_network(subnet.cidr):
            return subnet
    raise Invalid.field("start_ip", f"No subnet contains {start}; create the subnet first with POST subnets/.")


def _check_inside(subnet: Subnet, start: Address, end: Address) -> None:
    cidr = ip_network(subnet.cidr)
    for field, address in (("start_ip", start), ("end_ip", end)):
        if address not in cidr:
            raise Invalid.field(
                field,
                f"{address} lies outside subnet {subnet.name} ({subnet.cidr}); give addresses inside it.",
            )
    if cidr.prefixlen < cidr.max_prefixlen - 1:
        if start == cidr.network_address:
            # RFC 4291, 2.6.1, for IPv6.
            owner = "the network's own address" if cidr.version == 4 else "the address of any router of the network"
            raise Invalid.field("start_ip", f"{start} is {owner}; begin at {start + 1}.")
        if cidr.version == 4 and end == cidr.broadcast_address:
            raise Invalid.field("end_ip", f"{end} is the broadcast address of {subnet.cidr}; end at {end - 1}.")


def _check_apart(before: Network, start: Address, end: Address, known: IpRange | None) -> None:
    wanted = IPSet(IPRange(str(start), str(end)))
    for other in before.ranges:
        if known is not None and other.id == known.id:
            continue
        first, last = other.start_ip, other.end_ip
        if not wanted.isdisjoint(IPSet(IPRange(first, last))):
            raise Invalid.field(
                "start_ip",
                f"{start} - {end} overlaps the {other.type} range {first} - {last} (id {other.id}); "
                "choose addresses that do not, or change or delete that range.",
            )


def _check_free(subnet: Subnet, racks: list[RackAddress], start: Address, end: Address) -> None:
    taken = [(rack.address, f"rack {rack.hostname}") for rack in racks]
    if subnet.gateway_ip:
        taken.append((subnet.gateway_ip, f"the gateway of {subnet.name}"))
    wanted = IPRange(str(start), str(end))
    for address, owner in taken:
        if IPAddress(address) in wanted:
            raise Invalid.field(
                "start_ip",
                f"The dynamic range {start} - {end} contains {address} of {owner}; choose addresses around it.",
            )
