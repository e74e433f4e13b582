# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that no proxy leads to: those of BMCs and of controllers.

Whole networks, not single addresses: a BMC that nobody registered is as closed as one that is known, and registering
one more in a known network changes no daemon's configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What counts as the network of a BMC that is reached through a router and lies in no network the region knows.
_ROUTED_PREFIX = {4: 24, 6: 64}


def networks(
    *,
    bmcs: Iterable[str],
    rack_interfaces: Iterable[str],
    regions: Iterable[str],
    declared: Iterable[str],
    managed: Iterable[str],
) -> list[str]:
    """The forbidden networks, merged, sorted, IPv4 first.

    `rack_interfaces` are addresses with the prefix length of their network, as racks report them; `declared` are all
    subnets, `managed` those that machines live in. A BMC closes the smallest known network around it. A controller
    closes its network too, unless machines live there: then its own addresses only.
    """
    return list(_merged(tuple(bmcs), tuple(rack_interfaces), tuple(regions), tuple(declared), tuple(managed)))


# Thousands of BMCs take a quarter of a second, every rack's document needs the answer, and it hardly ever changes.
@lru_cache(maxsize=1)
def _merged(
    bmcs: tuple[str, ...],
    rack_interfaces: tuple[str, ...],
    regions: tuple[str, ...],
    declared: tuple[str, ...],
    managed: tuple[str, ...],
) -> tuple[str, ...]:
    interfaces = [(ip_address(text.partition("/")[0]), ip_network(text, strict=False)) for text in rack_interfaces]
    living = [ip_network(text) for text in managed]
    closing = {network for _address, network in interfaces if not _overlaps(network, living)}
    around = _Index({network for _address, network in interfaces} | {ip_network(text) for text in declared})
    found: set[Network] = {around.smallest(bmc) or _routed(bmc) for bmc in map(ip_address, bmcs)}
    found |= closing | {_only(address) for address, _network in interfaces}
    found |= {_only(ip_address(region)) for region in regions}
    v4 = collapse_addresses(sorted(network for network in found if isinstance(network, IPv4Network)))
    v6 = collapse_addresses(sorted(network for network in found if isinstance(network, IPv6Network)))
    return tuple(str(network) for network in (*v4, *v6))


class _Index:
    """Networks by prefix length, so that thousands of BMCs cost a look-up per length and not one per network."""

    def __init__(self, known: Iterable[Network]) -> None:
        self._by_length: dict[tuple[int, int], dict[int, Network]] = {}
        for network in known:
            level = self._by_length.setdefault((network.version, network.prefixlen), {})
            level[int(network.network_address)] = network
        self._lengths = sorted(self._by_length, reverse=True)

    def smallest(self, address: Address) -> Network | None:
        """The network with the longest prefix that holds the address."""
        value = int(address)
        for version, length in self._lengths:
            if version == address.version:
                shift = address.max_prefixlen - length
                network = self._by_length[version, length].get(value >> shift << shift)
                if network is not None:
                    return network
        return None


def _routed(address: Address) -> Network:
    return ip_network((address, _ROUTED_PREFIX[address.version]), strict=False)


def _only(address: Address) -> Network:
    return ip_network(address)


def _overlaps(network: Network, others: Iterable[Network]) -> bool:
    return any(network.version == other.version and network.overlaps(other) for other in others)
