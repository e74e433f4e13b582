# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of racks. The internal domain has one for each managed subnet, with the addresses at which live racks serve
it; reverse zones lead from these addresses back to the subnet that they lie in. Names of machines, which operators have
given them, are served beside, and operators' domains."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address, ip_network

from rackyard.region.context import Context
from rackyard.region.db.network import domains as domain_rows
from rackyard.region.db.pool import Row
from rackyard.region.services.network import domains, zones
from rackyard.region.services.network.zones import Published, Records

TTL_S = 15
_LABEL = re.compile(r"[0-9a-f-]+--[0-9]{1,3}")

# A site has thousands of addresses in a few subnets.
_network = lru_cache(maxsize=4096)(ip_network)

# Beside a machine's name, and a pointer that an operator's address has: such names are ours to remove, whatever they
# led to.
_MARK = f'{TTL_S} TXT "heritage=rackyard"'


@dataclass(frozen=True)
class Change:
    """One difference between a zone and what it should hold: all that the name `label` must have."""

    label: str
    records: Records


@dataclass(frozen=True)
class Zone:
    """What a zone must hold, by label, and which of its names are ours to remove; others are left alone. Its serial is
    at least `serial`, if there is one."""

    name: str
    labels: Mapping[str, Records]
    ours: Callable[[str, Records], bool]
    serial: int | None = None


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
    network = _network(cidr)
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
    """The internal domain, then operators' domains and the reverse zones, each sorted.

    A subnet without a live rack has no name; one whose only live rack is drained keeps it, for the machines that began
    to boot before."""
    with ctx.db.transaction() as tx:
        serving = tx.all("racks.desired.serving")
        cidrs = {row["id"]: row["cidr"] for row in tx.all("racks.desired.subnets")}
        published = zones.published(tx, domains.internal(ctx))
        serial = domain_rows.wanted_serial(tx)
    domain = ctx.config.domain
    own = [Zone(name, published.zones[name], lambda _label, _records: True) for name in sorted(published.zones)]
    found = [_internal(domain, serving, cidrs, published), *own, *_reverse(domain, serving, cidrs, published)]
    return [replace(zone, serial=serial) for zone in found]


def reverse_zones(serving: Iterable[Row], cidrs: Mapping[int, str], published: Published) -> list[str]:
    """The reverse zones of all racks' addresses, living or not: so a death needs no new configuration; and of the
    addresses that operators' names have.

    `serving` says which addresses serve subnets, `cidrs` has the managed ones by id."""
    racks = {reverse_zone(address, cidr) for address, cidr, _alive in _placed(serving, cidrs)}
    return sorted(racks | {reverse_zone(address, cidr) for address, cidr in _within(published.pointers, cidrs)})


def _internal(domain: str, serving: Iterable[Row], cidrs: Mapping[int, str], published: Published) -> Zone:
    living: dict[int, list[Row]] = defaultdict(list)
    for row in serving:
        if row["alive"]:
            living[row["subnet_id"]].append(row)
    # A machine that is called like a subnet is called nothing: all machines there find their racks by that name.
    names = {label: records | {_MARK} for label, records in published.internal.items() if not is_subnet_label(label)}
    for subnet_id, cidr in cidrs.items():
        there = living[subnet_id]
        in_use = [row for row in there if not row["drained"]] or there
        if in_use:
            names[subnet_label(cidr)] = frozenset(_record(row["address"]) for row in in_use)
    return Zone(domain, names, lambda label, records: is_subnet_label(label) or _MARK in records)


def _reverse(domain: str, serving: Iterable[Row], cidrs: Mapping[int, str], published: Published) -> list[Zone]:
    found: dict[str, dict[str, Records]] = defaultdict(dict)
    for address, cidr in _within(published.pointers, cidrs):
        zone = reverse_zone(address, cidr)
        found[zone][_pointer_label(address, zone)] = published.pointers[address] | {_MARK}
    for address, cidr, alive in _placed(serving, cidrs):
        zone = reverse_zone(address, cidr)
        names = found[zone]
        if alive:
            names[_pointer_label(address, zone)] = frozenset({f"{TTL_S} PTR {subnet_name(cidr, domain)}."})
    return [Zone(name, found[name], lambda _label, records: _is_ours(records, domain)) for name in sorted(found)]


def _pointer_label(address: str, zone: str) -> str:
    return ip_address(address).reverse_pointer.removesuffix(zone).removesuffix(".") or "@"


def _within(addresses: Iterable[str], cidrs: Mapping[int, str]) -> list[tuple[str, str]]:
    """Each address in a managed subnet, with that subnet. Subnets do not overlap: each address is looked up by the
    lengths of their prefixes, for there may be thousands of the former and hundreds of the latter."""
    known: dict[tuple[int, int], dict[int, str]] = defaultdict(dict)
    for network in map(ip_network, cidrs.values()):
        host_bits = network.max_prefixlen - network.prefixlen
        known[network.version, host_bits][int(network.network_address) >> host_bits] = str(network)
    found = []
    for address in addresses:
        parsed = ip_address(address)
        number = int(parsed)
        for (version, host_bits), networks in known.items():
            if version == parsed.version and number >> host_bits in networks:
                found.append((address, networks[number >> host_bits]))
    return found


def _placed(serving: Iterable[Row], cidrs: Mapping[int, str]) -> list[tuple[str, str, bool]]:
    """Each address of a rack in a managed subnet, that subnet, and whether the rack lives."""
    return [
        (row["address"], cidrs[row["subnet_id"]], bool(row["alive"]))
        for row in serving
        if not row["relayed"] and row["subnet_id"] in cidrs
    ]


def _record(address: str) -> str:
    return f"{TTL_S} {'A' if ip_address(address).version == 4 else 'AAAA'} {address}"


def _is_ours(records: Records, domain: str) -> bool:
    """Whether the name leads back to one of a subnet, or to an operator's."""
    if _MARK in records:
        return True
    targets = [record.split()[2] for record in records if record.split()[1] == "PTR"]
    suffix = f".{domain}."
    return any(each.endswith(suffix) and is_subnet_label(each.removesuffix(suffix)) for each in targets)
