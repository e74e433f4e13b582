# SPDX-License-Identifier: GPL-3.0-or-later
"""What ISC dhcpd's configuration has for either family: networks with their subnets, ranges; and how it is judged.

Source: dhcpd.conf(5), dhcpd(8).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, TypeVar

from rackyard.daemons import values
from rackyard.daemons.model import Refused, Section

Address = TypeVar("Address", IPv4Address, IPv6Address)
# A subnet and the network that it is in: its CIDR and its lines.
RenderSubnet = Callable[[Section, Section], tuple[IPv4Network | IPv6Network, list[str]]]


def shared_networks(section: Section, what: str, subnet: RenderSubnet) -> list[str]:
    """All networks by name, each with its subnets by address; none without subnets. `what` names the section."""
    networks = sorted(values.mappings(section, "networks", what), key=lambda network: str(network.get("name")))
    return [line for network in networks for line in _network(network, what, subnet)]


def _network(network: Section, what: str, subnet: RenderSubnet) -> list[str]:
    label = values.name(network.get("name"), f"{what} network name")
    found = [subnet(each, network) for each in values.mappings(network, "subnets", f"{what} network {label}")]
    if not found:
        return []
    ordered = sorted(found, key=lambda each: (int(each[0].network_address), each[0].prefixlen))
    return ["", f"shared-network {label} {{", *(f"  {line}" for _cidr, lines in ordered for line in lines), "}"]


def pool_range(
    pool: Section, cidr: IPv4Network | IPv6Network, address: Callable[[Any, str], Address], what: str
) -> tuple[Address, Address]:
    """First and last address of a pool. Raises Refused when they are not of that subnet."""
    start, end = address(pool.get("start"), f"{what} pool start"), address(pool.get("end"), f"{what} pool end")
    if start not in cidr or end not in cidr or int(start) > int(end):
        raise Refused(f"{what}: pool {start} to {end} is not inside it; correct the IP range in the region")
    return start, end


def check(version: int, candidate: Path, workdir: Path) -> list[str]:
    """dhcpd's own checker for what is included in the role's file; `version` is that of IP."""
    wrapper = workdir / "check.conf"
    wrapper.write_text(f'authoritative;\ninclude "{candidate}";\n', encoding="ascii")
    return ["/usr/sbin/dhcpd", f"-{version}", "-t", "-cf", str(wrapper)]
