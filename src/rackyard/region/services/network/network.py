# SPDX-License-Identifier: GPL-3.0-or-later
"""One consistent picture of fabrics, VLANs, subnets and ranges, and finding things in it by what people type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TypeVar

from rackyard.region.db.network.picture import Fabric, IpRange, Subnet, Vlan
from rackyard.region.errors import NotFound
from rackyard.region.services.site import validation

Found = TypeVar("Found", Fabric, Vlan, IpRange)


@dataclass(frozen=True)
class Network:
    """Everything that is known of the network at one moment."""

    fabrics: list[Fabric]
    vlans: list[Vlan]
    subnets: list[Subnet]
    ranges: list[IpRange]

    def fabric(self, specifier: str) -> Fabric:
        """A fabric by id or name. Raises NotFound."""
        return _pick("fabric", self.fabrics, specifier)

    def vlan(self, specifier: str) -> Vlan:
        """A VLAN by id. Raises NotFound."""
        return _pick("VLAN", self.vlans, specifier)

    def vlan_of_fabric(self, fabric: Fabric, vid: str) -> Vlan:
        """A VLAN by its number within a fabric. Raises NotFound."""
        for vlan in self.vlans:
            if vlan.fabric_id == fabric.id and str(vlan.vid) == vid:
                return vlan
        raise NotFound(f"Fabric {fabric.name} has no VLAN {validation.shown(vid)}; create it or list them with GET.")

    def subnet(self, specifier: str) -> Subnet:
        """A subnet by id, name or CIDR, or by one of these alone: `id:1`, `name:pxe`, `cidr:192.0.2.0/24`. Raises
        NotFound."""
        kind, _colon, value = specifier.partition(":")
        asked = [(kind, value)] if kind in _SUBNET_WAYS else []
        for way, text in [*asked, *((way, specifier) for way in _SUBNET_WAYS)]:
            for candidate in self.subnets:
                if _SUBNET_WAYS[way](candidate, text):
                    return candidate
        raise _none_of("subnet", specifier)

    def range(self, specifier: str) -> IpRange:
        """An IP range by id. Raises NotFound."""
        return _pick("IP range", self.ranges, specifier)

    def vlan_of(self, subnet: Subnet) -> Vlan:
        """The VLAN that a subnet is on."""
        return next(vlan for vlan in self.vlans if vlan.id == subnet.vlan_id)

    def subnets_of(self, vlan: Vlan) -> list[Subnet]:
        """The subnets of a VLAN."""
        return [subnet for subnet in self.subnets if subnet.vlan_id == vlan.id]

    def ranges_of(self, subnet: Subnet) -> list[IpRange]:
        """The ranges of a subnet."""
        return [known for known in self.ranges if known.subnet_id == subnet.id]


def _pick(kind: str, known: list[Found], specifier: str) -> Found:
    for candidate in known:
        if str(candidate.id) == specifier:
            return candidate
    for candidate in known:
        if not isinstance(candidate, Vlan | IpRange) and candidate.name == specifier:
            return candidate
    raise _none_of(kind, specifier)


def _none_of(kind: str, specifier: str) -> NotFound:
    return NotFound(f"There is no {kind} {validation.shown(specifier)}; list what there is with GET.")


def _is_cidr(cidr: str, text: str) -> bool:
    try:
        return ip_network(text) == ip_network(cidr)
    except ValueError:
        return False


# The ways to name a subnet, in the order in which they are tried.
_SUBNET_WAYS: Mapping[str, Callable[[Subnet, str], bool]] = {
    "id": lambda subnet, text: str(subnet.id) == text,
    "name": lambda subnet, text: subnet.name == text,
    "cidr": lambda subnet, text: _is_cidr(subnet.cidr, text),
}
