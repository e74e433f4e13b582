# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rack's dhcpd for IPv6 serves, and where the rack advertises that it does.

dhcpd has no failover for IPv6, so two racks of a VLAN give out addresses of their own: of each range the primary the
first half and the secondary the other. Either answers everybody while the other is gone; an address that the dead one
gave is good until its lease ends, and then the machine gets another. Both know the other's half by the configuration
alone, so nothing has to be agreed upon and a death changes no file.

Subnets behind a relay are not served: firmware names itself by a UUID there, which leads to no MAC address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Any

from rackyard.region.db.pool import Row
from rackyard.region.services.racks.dhcp_snippets import Snippets

Pool = Mapping[str, Any]


@dataclass(frozen=True)
class Served:
    """What there is to serve: subnets with their VLAN, by the id of each its racks' addresses and its ranges, and what
    operators say of them."""

    subnets: Iterable[Row]
    serving: Mapping[int, Sequence[Row]]
    pools: Mapping[int, Sequence[Pool]]
    domain: str
    snippets: Snippets = field(default_factory=Snippets)


def networks(served: Served, rack_id: int, servers: Callable[[Row], list[str]]) -> list[dict[str, Any]]:
    """The networks of a rack, a VLAN each; `servers` are the racks' addresses for a subnet, this rack's first."""
    by_vlan: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for subnet in served.subnets:
        racks = _racks(subnet, served.serving[subnet["id"]])
        pools = _share(served.pools.get(subnet["id"], []), racks, rack_id)
        if pools:
            by_vlan[subnet["vlan_id"]].append(_subnet(subnet, servers(subnet), pools, served))
    return [{"name": f"vlan-{vlan_id}", "subnets": found} for vlan_id, found in sorted(by_vlan.items())]


def advertisements(served: Served, own: Sequence[Row]) -> list[dict[str, Any]]:
    """The interfaces on which a rack, of which these are the addresses, tells machines which network is on their link:
    where a person has said that no router does. It sends them to DHCP only where a rack answers that."""
    found: dict[str, dict[str, Any]] = {}
    for subnet in served.subnets:
        answered = bool(served.pools.get(subnet["id"]) and _racks(subnet, served.serving[subnet["id"]]))
        for row in own if subnet["router_advertisements"] else ():
            if ip_address(row["address"]) in subnet["network"]:
                empty = {"name": row["name"], "mtu": subnet["mtu"], "dhcp": False, "prefixes": []}
                one = found.setdefault(row["name"], empty)
                one["dhcp"] |= answered
                if subnet["cidr"] not in one["prefixes"]:
                    one["prefixes"].append(subnet["cidr"])
    return [found[name] for name in sorted(found)]


def _subnet(subnet: Row, servers: list[str], pools: list[dict[str, Any]], served: Served) -> dict[str, Any]:
    return {
        "cidr": subnet["cidr"],
        "server": servers[0],
        # Racks first: only they resolve the internal domain. The option holds no address of IPv4.
        "dns_servers": list(dict.fromkeys([*servers, *(each for each in subnet["dns_servers"] if ":" in each)])),
        "ntp_servers": servers,
        "domain_name": served.domain,
        "pools": pools,
        **served.snippets.for_subnet(subnet["id"]),
    }


def _racks(subnet: Row, serving: Iterable[Row]) -> list[int]:
    """The racks that answer in a subnet of IPv6, because they have an address in it, the primary first."""
    if subnet["network"].version != 6 or not subnet["dhcp_on"]:
        return []
    there = {row["rack_id"] for row in serving if not row["relayed"]}
    return [each for each in (subnet["primary_rack_id"], subnet["secondary_rack_id"]) if each in there]


def _share(pools: Iterable[Pool], racks: Sequence[int], rack_id: int) -> list[dict[str, Any]]:
    """The rack's part of each range. A single address is the primary's."""
    found = []
    for pool in pools if rack_id in racks else ():
        start, end = IPv6Address(pool["start"]), IPv6Address(pool["end"])
        first = (int(end) - int(start)) // len(racks) + 1  # how many the primary has
        if racks[0] != rack_id:
            start += first
        elif len(racks) == 2:
            end = start + (first - 1)
        if start <= end:
            found.append({**pool, "start": str(start), "end": str(end)})
    return found
