# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets: no two overlap, and everything in one lies inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from rackyard.region.context import Context
from rackyard.region.db.network import picture as rows
from rackyard.region.db.network.picture import Fabric, Subnet, Vlan
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.network import addresses, fabrics, picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor
from rackyard.region.services.site.validation import Network as Cidr

# What becomes of machines that nobody has registered: nothing, status New, or that and to be commissioned as well.
ENLISTMENT = ("off", "new", "commission")


@dataclass(frozen=True)
class SubnetWish:
    """What an operator wants a subnet to be; None leaves things as they are. An empty `gateway_ip` means none.

    The VLAN is given by its id, or by fabric (id or name) and VID.
    """

    cidr: str | None = None
    name: str | None = None
    description: str | None = None
    vlan: str | None = None
    fabric: str | None = None
    vid: str | None = None
    gateway_ip: str | None = None
    dns_servers: Sequence[str] | None = None
    allow_dns: bool | None = None
    allow_proxy: bool | None = None
    router_advertisements: bool | None = None
    managed: bool | None = None
    enlistment: str | None = None


def create(ctx: Context, actor: Actor, wish: SubnetWish) -> Subnet:
    """A new subnet. Raises Forbidden, Invalid naming the subnet that is in the way and the remedy."""
    with picture.changing(ctx, actor) as (tx, before):
        if not wish.cidr:
            raise Invalid.field("cidr", "A subnet needs its CIDR; give one such as 198.51.100.0/24.")
        if wish.vlan is None and wish.fabric is None:
            before = fabrics.with_default(tx, before)
        columns = _columns(before, wish, None)
        subnet_id = rows.add(tx, "subnet", **columns)
        return picture.load(tx).subnet(str(subnet_id))


def update(ctx: Context, actor: Actor, specifier: str, wish: SubnetWish) -> Subnet:
    """Change what is given. Raises Forbidden, NotFound, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        subnet = before.subnet(specifier)
        columns = _columns(before, wish, subnet)
        rows.update(tx, "subnet", subnet.id, **columns)
        return picture.load(tx).subnet(str(subnet.id))


def delete(ctx: Context, actor: Actor, specifier: str) -> None:
    """Remove a subnet with its ranges. Raises Forbidden, NotFound, Conflict while machines are linked to it."""
    with picture.changing(ctx, actor) as (tx, before):
        subnet = before.subnet(specifier)
        addresses.require_unused(tx, subnet)
        rows.delete(tx, "subnet", subnet.id)


def _columns(before: Network, wish: SubnetWish, subnet: Subnet | None) -> dict[str, object]:
    cidr = _cidr(before, wish, subnet)
    name = wish.name or (subnet.name if subnet else str(cidr))
    gateway = subnet.gateway_ip if subnet and wish.gateway_ip is None else wish.gateway_ip or None
    servers = wish.dns_servers if wish.dns_servers is not None else subnet.dns_servers if subnet else []
    description = wish.description if wish.description is not None else subnet.description if subnet else ""
    return {
        "cidr": str(cidr),
        "name": _free_name(before, name, subnet),
        "description": validation.text("description", description),
        "vlan_id": vlan_for(before, wish, subnet).id,
        "gateway_ip": _gateway(gateway, cidr),
        "dns_servers": [str(validation.address("dns_servers", server)) for server in servers],
        "allow_dns": _flag(wish.allow_dns, subnet.allow_dns if subnet else True),
        "allow_proxy": _flag(wish.allow_proxy, subnet.allow_proxy if subnet else True),
        "router_advertisements": _advertised(wish, subnet, cidr),
        "managed": _flag(wish.managed, subnet.managed if subnet else True),
        "enlistment": _enlistment(wish, subnet),
    }


def _enlistment(wish: SubnetWish, subnet: Subnet | None) -> str:
    wanted = wish.enlistment or (subnet.enlistment if subnet else ENLISTMENT[0])
    if wanted not in ENLISTMENT:
        raise Invalid.field(
            "enlistment", f"{validation.shown(wanted)} is no way to enlist; use one of {', '.join(ENLISTMENT)}."
        )
    return wanted


def _advertised(wish: SubnetWish, subnet: Subnet | None, cidr: Cidr) -> bool:
    wanted = _flag(wish.router_advertisements, subnet.router_advertisements if subnet else False)
    if wanted and cidr.version != 6:
        raise Invalid.field(
            "router_advertisements", f"Router advertisements are of IPv6, and {cidr} is not; leave them off there."
        )
    return wanted


def _flag(wish: bool | None, otherwise: bool) -> bool:
    return otherwise if wish is None else wish


def _cidr(before: Network, wish: SubnetWish, subnet: Subnet | None) -> Cidr:
    cidr = validation.network("cidr", wish.cidr if wish.cidr else subnet.cidr if subnet else "")
    for other in before.subnets:
        if (subnet is None or other.id != subnet.id) and ip_network(other.cidr).overlaps(cidr):
            raise Invalid.field(
                "cidr",
                f"{cidr} overlaps subnet {other.name} ({other.cidr}); "
                "choose a CIDR that does not, or change or delete that subnet.",
            )
    for known in before.ranges_of(subnet) if subnet else []:
        if ip_address(known.start_ip) not in cidr or ip_address(known.end_ip) not in cidr:
            raise Invalid.field(
                "cidr",
                f"The range {known.start_ip} - {known.end_ip} would lie outside {cidr}; "
                "change or delete that range first.",
            )
    return cidr


def _free_name(before: Network, text: str, subnet: Subnet | None) -> str:
    name = validation.name("name", text)
    if name.isdecimal():
        raise Invalid.field("name", f"{validation.shown(name)} would be taken for an id; use a name with a letter.")
    for other in before.subnets:
        if other.name == name and (subnet is None or other.id != subnet.id):
            raise Invalid.field("name", f"Subnet {name} ({other.cidr}) exists already; choose another name.")
    return name


def _gateway(text: str | None, cidr: Cidr) -> str | None:
    if not text:
        return None
    gateway = validation.address("gateway_ip", text)
    if gateway not in cidr and not (gateway.version == 6 and gateway.is_link_local):
        raise Invalid.field("gateway_ip", f"Gateway {gateway} lies outside {cidr}; give an address inside it.")
    return str(gateway)


def vlan_for(before: Network, wish: SubnetWish, subnet: Subnet | None) -> Vlan:
    """The VLAN that a new or changed subnet would be on. Raises Invalid."""
    try:
        if wish.vlan is not None:
            return before.vlan(wish.vlan)
        if wish.fabric is not None or wish.vid is not None:
            fabric = before.fabric(wish.fabric) if wish.fabric is not None else _default_fabric(before)
            return before.vlan_of_fabric(fabric, wish.vid or "0")
    except NotFound as error:
        raise Invalid.field("vlan" if wish.vlan is not None else "fabric", error.message) from error
    if subnet is not None:
        return before.vlan_of(subnet)
    return before.vlan_of_fabric(_default_fabric(before), "0")


def _default_fabric(before: Network) -> Fabric:
    if not before.fabrics:
        raise Invalid.field("fabric", "There is no fabric yet; create one with POST fabrics/ first.")
    return before.fabrics[0]
