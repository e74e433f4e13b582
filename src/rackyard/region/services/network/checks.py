# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold in the network as a whole, whichever part of it was changed.

Each part checks its own values where it is changed; these are about how parts fit together, so they are looked at after
every change. What was wrong before (a rack that lost its address) is no reason to refuse an unrelated change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from rackyard.region.db.network.addresses import Misplaced
from rackyard.region.db.network.picture import IpRange, RackAddress, StaticRoute, Subnet, Vlan
from rackyard.region.errors import Invalid
from rackyard.region.services.network.network import Network

# An option of DHCP has 255 bytes (RFC 2132), a route up to 9 of them (RFC 3442), and there are other options.
MAX_DESTINATIONS = 20


@dataclass(frozen=True)
class Problem:
    """Something that does not fit: the field to blame and words with the remedy."""

    field: str
    words: str


def check(before: Network, after: Network, racks: Sequence[RackAddress]) -> None:
    """Raise Invalid for the first problem that a change brought."""
    known = set(problems(before, racks))
    for problem in problems(after, racks):
        if problem not in known:
            raise Invalid.field(problem.field, problem.words)


def check_addresses(before: Sequence[Misplaced], after: Sequence[Misplaced]) -> None:
    """Raise Invalid for the first address that is kept for somebody and does not fit any more."""
    for wrong in after:
        if wrong not in before:
            raise Invalid.field(
                wrong.field,
                f"{wrong.ip} is {wrong.whose} in subnet {wrong.subnet}, and {wrong.words}; {wrong.remedy}, or choose "
                "other addresses.",
            )


def problems(network: Network, racks: Sequence[RackAddress]) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for subnet in network.subnets:
        for known in network.ranges_of(subnet):
            yield from _given_away(subnet, known)
        yield from _too_many_routes(network, subnet)
    for route in network.routes:
        yield from _unroutable(network, route)
    for vlan in network.vlans:
        yield from _alone(vlan)
        if vlan.dhcp_on:
            yield from _unserved(network, vlan, racks)
        if vlan.relay_vlan is not None:
            yield from _unrelayed(network, vlan, network.vlan(str(vlan.relay_vlan.id)))


def _given_away(subnet: Subnet, known: IpRange) -> Iterator[Problem]:
    if known.type == "dynamic" and subnet.gateway_ip and _contains(known, subnet.gateway_ip):
        yield Problem(
            "gateway_ip",
            f"Gateway {subnet.gateway_ip} of subnet {subnet.name} would be in its dynamic range {known.start_ip} - "
            f"{known.end_ip} (id {known.id}), and DHCP would give it to a machine; choose another address, or "
            "change that range.",
        )


def _too_many_routes(network: Network, subnet: Subnet) -> Iterator[Problem]:
    found = {route.destination_id for route in network.routes if route.source_id == subnet.id}
    if len(found) > MAX_DESTINATIONS:
        yield Problem(
            "source",
            f"Subnet {subnet.name} would have routes to {len(found)} subnets, and an answer of DHCP has room for "
            f"{MAX_DESTINATIONS}; have its gateway_ip route, or remove others.",
        )


def _unroutable(network: Network, route: StaticRoute) -> Iterator[Problem]:
    source, destination = network.ends_of(route)
    inside, beyond = ip_network(source.cidr), ip_network(destination.cidr)
    what = f"The route from {source.name} ({source.cidr}) to {destination.name} ({destination.cidr})"
    if inside.version != 4:
        yield Problem(
            "source",
            f"{what} would begin in a subnet of IPv6, where DHCP tells no routes; have the routers there say it "
            "in their router advertisements.",
        )
    elif beyond.version != inside.version:
        yield Problem(
            "destination", f"{what} would lead from one family of addresses to the other; name subnets of IPv4."
        )
    elif ip_address(route.gateway_ip) not in inside:
        yield Problem(
            "gateway_ip",
            f"{what} would lead through {route.gateway_ip}, outside {source.cidr}, where machines cannot reach it; "
            "give an address inside, or remove the route.",
        )
    for known in network.ranges_of(source):
        if known.type == "dynamic" and _contains(known, route.gateway_ip):
            yield Problem(
                "gateway_ip",
                f"{what} would lead through {route.gateway_ip}, in the dynamic range {known.start_ip} - {known.end_ip} "
                f"(id {known.id}), and DHCP would give that to a machine; choose another address, or change "
                "that range.",
            )


def _unserved(network: Network, vlan: Vlan, racks: Sequence[RackAddress]) -> Iterator[Problem]:
    if vlan.primary_rack is None:
        yield Problem("dhcp_on", f"DHCP on {vlan} needs a rack that serves it; give primary_rack as well.")
        return
    pools = [subnet for subnet in network.subnets_of(vlan) if _has_pool(network.ranges_of(subnet))]
    if not pools:
        yield Problem(
            "dhcp_on",
            f"dhcp can only be turned on when a dynamic IP range is defined, and {vlan} would have none: add one to a "
            "subnet of it (POST ipranges/), or turn DHCP off first (dhcp_on=false).",
        )
        return
    for field, system_id in (("primary_rack", vlan.primary_rack), ("secondary_rack", vlan.secondary_rack)):
        own = [rack for rack in racks if rack.system_id == system_id]
        for version in (4, 6):
            there = [subnet for subnet in pools if ip_network(subnet.cidr).version == version]
            # A rack that has told no address yet has only just been enrolled.
            if own and there and not _is_in(own, there):
                wanted = ", ".join(subnet.cidr for subnet in there)
                yield Problem(
                    field,
                    f"Rack {own[0].hostname} has no address in {wanted}, so {_loss(field)} DHCP on {vlan} (it has "
                    f"{', '.join(sorted(rack.address for rack in own))}); give it an interface there or name another "
                    "rack.",
                )


def _unrelayed(network: Network, vlan: Vlan, relay: Vlan) -> Iterator[Problem]:
    if relay.relay_vlan is not None:
        yield Problem(
            "relay_vlan",
            f"{vlan} would be relayed to {relay}, which is relayed itself, to {relay.relay_vlan}; name that one.",
        )
    elif not relay.dhcp_on:
        yield Problem(
            "relay_vlan",
            f"{vlan} would be relayed to {relay}, where DHCP is off: turn it on there (dhcp_on=true), or relay {vlan} "
            "to another VLAN or to none (relay_vlan).",
        )
    for subnet in network.subnets_of(vlan):
        if not subnet.managed or not _has_pool(network.ranges_of(subnet)):
            continue
        if ip_network(subnet.cidr).version == 6:
            # Firmware names itself by a UUID to a relay, which leads to no MAC address and so to no machine.
            yield Problem(
                "relay_vlan",
                f"Subnet {subnet.name} has a dynamic range of IPv6 addresses, and {vlan} would be relayed to {relay}: "
                "machines behind a relay are served by IPv4 only. Delete the range, or give a rack an interface in "
                f"{vlan} (dhcp_on=true, primary_rack).",
            )
        elif not subnet.gateway_ip:
            yield Problem(
                "gateway_ip",
                f"Machines in subnet {subnet.name}, which is relayed to {relay}, reach their racks through a router "
                "only; give the subnet its gateway_ip.",
            )


def _alone(vlan: Vlan) -> Iterator[Problem]:
    if vlan.secondary_rack is not None and vlan.primary_rack is None:
        yield Problem(
            "secondary_rack",
            f"{vlan} would have a secondary_rack and no primary_rack; give primary_rack as well.",
        )


def _loss(field: str) -> str:
    return "nobody would serve" if field == "primary_rack" else "it could not serve"


def _is_in(racks: Iterable[RackAddress], subnets: Iterable[Subnet]) -> bool:
    networks = [ip_network(subnet.cidr) for subnet in subnets]
    return any(ip_address(rack.address) in network for rack in racks for network in networks)


def _has_pool(ranges: Iterable[IpRange]) -> bool:
    return any(known.type == "dynamic" for known in ranges)


def _contains(known: IpRange, address: str) -> bool:
    start, end, wanted = ip_address(known.start_ip), ip_address(known.end_ip), ip_address(address)
    return start.version == wanted.version and int(start) <= int(wanted) <= int(end)
