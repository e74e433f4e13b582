# SPDX-License-Identifier: GPL-3.0-or-later
"""The internal domain: one name per managed subnet, whose addresses are the live racks' in that subnet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from rackyard.region.context import Context

TTL_S = 15
_LABEL = re.compile(r"[0-9a-f-]+--[0-9]{1,3}")


@dataclass(frozen=True)
class Change:
    """One difference between the zone and what it should hold: the addresses `label` must have."""

    label: str
    addresses: frozenset[str]


def subnet_label(cidr: str) -> str:
    """The name of a subnet: `198.51.100.0/24` → `198-51-100-0--24`."""
    return str(ip_network(cidr)).replace("/", "--").replace(".", "-").replace(":", "-")


def subnet_name(cidr: str, domain: str) -> str:
    """The full name of a subnet: `10-20-0-0--24.rackyard.internal`, without a final dot."""
    return f"{subnet_label(cidr)}.{domain}"


def is_subnet_label(label: str) -> bool:
    """Whether a name of the zone is one of ours (others are left alone)."""
    return _LABEL.fullmatch(label) is not None


def differences(desired: Mapping[str, frozenset[str]], current: Mapping[str, frozenset[str]]) -> list[Change]:
    """What to change so that `current` becomes `desired`; names that are not subnet names are never touched."""
    ours = {label for label in current if is_subnet_label(label)}
    changes = []
    for label in sorted(ours | set(desired)):
        wanted = desired.get(label, frozenset())
        if wanted != current.get(label, frozenset()):
            changes.append(Change(label, wanted))
    return changes


def record_type(address: str) -> str:
    """`A` or `AAAA`."""
    return "A" if ip_address(address).version == 4 else "AAAA"


def wanted(ctx: Context) -> dict[str, frozenset[str]]:
    """Label of each managed subnet → addresses of the live racks in it. A subnet without a live rack has no name."""
    with ctx.db.transaction() as tx:
        racks = [row["address"] for row in tx.all("racks.desired.all_rack_addresses") if row["alive"]]
        subnets = [row["cidr"] for row in tx.all("racks.desired.subnets")]
    names = {}
    for cidr in subnets:
        network = ip_network(cidr)
        addresses = frozenset(each for each in racks if ip_address(each) in network)
        if addresses:
            names[subnet_label(cidr)] = addresses
    return names
