# SPDX-License-Identifier: GPL-3.0-or-later
"""The internal domain: one name per managed subnet, whose addresses are the live racks' in that subnet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

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
