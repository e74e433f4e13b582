# SPDX-License-Identifier: GPL-3.0-or-later
"""One consistent picture of fabrics, VLANs, subnets and ranges, and finding things in it by what people type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from rackyard.region.db.network.picture import Fabric, IpRange, Subnet, Vlan
from rackyard.region.errors import NotFound
from rackyard.region.services.site import validation

Found = TypeVar("Found", Fabric, Vlan, Subnet, IpRange)


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
        """A subnet by id or name. Raises NotFound."""
        return _pick("subnet", self.subnets, specifier)

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
    raise NotFound(f"There is no {kind} {validation.shown(specifier)}; list what there is with GET.")
