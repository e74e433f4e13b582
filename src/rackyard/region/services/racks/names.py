# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of racks. The internal domain has one for each managed subnet, with the live racks' addresses in it;
reverse zones lead from these addresses back to it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from rackyard.region.context import Context
from rackyard.region.db.pool import Row

TTL_S = 15
_LABEL = re.compile(r"[0-9a-f-]+--[0-9]{1,3}")

# What a name has, each as `15 A 10.20.0.2`: TTL, type, data.
Records = frozenset[str]


@dataclass(frozen=True)
class Change:
    """One difference between a zone and what it should hold: all that the name `label` must have."""

    label: str
    records: Records


@dataclass(frozen=True)
class Zone:
    """What a zone must hold, by label, and which of its names are ours to remove; others are left alone."""

    name: str
    labels: Mapping[str, Records]
    ours: Callable[[str, Records], bool]


def subnet_label(cidr: str) -> str:
    """The name of a subnet: `198.51.100.0/24` → `198-51-100-0--24`."""
    return str(ip_network(cidr)).replace("/", "--").replace(".", "-").replace(":", "-")


def subnet_name(cidr: str, domain: str) -> str:
    """The full name of a subnet: `10-20-0-0--24.rackyard.internal`, without a final dot."""
    return f"{subnet_label(cidr)}.{domain}"


def is_subnet_label(label: str) -> bool:
    """Whether a name of the internal domain is one of ours."""
    return _LABEL.fullmatch(label) is not None


def reverse_zone(address: str, cidr: str) -> str:
    """The zone for an address of a subnet: the smallest that is not wider than the subnet, so that no name of anybody
    else is in it. `10.20.1.2` of a /22 → `1.20.10.in-addr.arpa`; of a /25, a zone for the address alone."""
    network = ip_network(cidr)
    bits = 8 if network.version == 4 else 4
    kept = -(-network.prefixlen // bits)
    pointer = ip_address(address).reverse_pointer.split(".")
    return ".".join(pointer[network.max_prefixlen // bits - kept :])


def differences(zone: Zone, current: Mapping[str, Records]) -> list[Change]:
    """What to change so that the zone holds what it must."""
    strangers = {label for label, records in current.items() if label not in zone.labels and zone.ours(label, records)}
    wanted = {**zone.labels, **dict.fromkeys(strangers, frozenset[str]())}
    return [
        Change(label, records)
        for label, records in sorted(wanted.items())
        if records != current.get(label, frozenset[str]())
    ]


def wanted(ctx: Context) -> list[Zone]:
    """The internal domain, then the reverse zones, sorted. A subnet without a live rack has no name; one whose only
    live rack is drained keeps it, for the machines that began to boot before."""
    with ctx.db.transaction() as tx:
        racks = tx.all("racks.desired.all_rack_addresses")
        cidrs = [row["cidr"] for row in tx.all("racks.desired.subnets")]
    return [_internal(ctx.config.domain, racks, cidrs), *_reverse(ctx.config.domain, racks, cidrs)]


def reverse_zones(racks: Iterable[Row], cidrs: Iterable[str]) -> list[str]:
    """The reverse zones of all racks' addresses, living or not: so a death needs no new configuration."""
    return sorted({reverse_zone(address, cidr) for address, cidr, _alive in _placed(racks, cidrs)})


def _internal(domain: str, racks: Iterable[Row], cidrs: Iterable[str]) -> Zone:
    living = [row for row in racks if row["alive"]]
    names = {}
    for cidr in cidrs:
        there = [row for row in living if ip_address(row["address"]) in ip_network(cidr)]
        serving = [row for row in there if not row["drained"]] or there
        if serving:
            names[subnet_label(cidr)] = frozenset(_record(row["address"]) for row in serving)
    return Zone(domain, names, lambda label, _records: is_subnet_label(label))


def _reverse(domain: str, racks: Iterable[Row], cidrs: Iterable[str]) -> list[Zone]:
    zones: dict[str, dict[str, Records]] = defaultdict(dict)
    for address, cidr, alive in _placed(racks, cidrs):
        zone = reverse_zone(address, cidr)
        names = zones[zone]
        if alive:
            label = ip_address(address).reverse_pointer.removesuffix(zone).removesuffix(".") or "@"
            names[label] = frozenset({f"{TTL_S} PTR {subnet_name(cidr, domain)}."})
    return [Zone(name, zones[name], lambda _label, records: _is_ours(records, domain)) for name in sorted(zones)]


def _placed(racks: Iterable[Row], cidrs: Iterable[str]) -> list[tuple[str, str, bool]]:
    """Each address in a managed subnet, the smallest such subnet, and whether its rack lives."""
    networks = sorted((ip_network(cidr) for cidr in cidrs), key=lambda each: -each.prefixlen)
    placed = []
    for row in racks:
        home = next((each for each in networks if ip_address(row["address"]) in each), None)
        if home is not None:
            placed.append((row["address"], str(home), bool(row["alive"])))
    return placed


def _record(address: str) -> str:
    return f"{TTL_S} {'A' if ip_address(address).version == 4 else 'AAAA'} {address}"


def _is_ours(records: Records, domain: str) -> bool:
    """Whether the name leads back to one of a subnet."""
    targets = [record.split()[2] for record in records if record.split()[1] == "PTR"]
    suffix = f".{domain}."
    return any(each.endswith(suffix) and is_subnet_label(each.removesuffix(suffix)) for each in targets)
