# SPDX-License-Identifier: GPL-3.0-or-later
"""One consistent picture of spaces, fabrics, VLANs, subnets and ranges; and finding things in it by what is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TypeVar

from rackyard.region.db.network.picture import UNDEFINED, Fabric, IpRange, Space, StaticRoute, Subnet, Vlan
from rackyard.region.errors import BadRequest, NotFound
from rackyard.region.services.site import validation

Found = TypeVar("Found", Space, Fabric, Vlan, IpRange, StaticRoute)
# MAAS's clients ask for the default fabric and space by this id.
DEFAULT = "0"


@dataclass(frozen=True)
class Network:
    """Everything that is known of the network at one moment."""

    spaces: list[Space]
    fabrics: list[Fabric]
    vlans: list[Vlan]
    subnets: list[Subnet]
    ranges: list[IpRange]
    routes: list[StaticRoute]

    def fabric(self, specifier: str) -> Fabric:
        """A fabric by id or name; 0 is the first one, if no other has that id. Raises NotFound."""
        if specifier == DEFAULT and self.fabrics:
            return self.fabrics[0]
        return _pick("fabric", self.fabrics, specifier)

    def space(self, specifier: str) -> Space:
        """A space by id or name; 0 is that of VLANs without one. Raises NotFound."""
        if specifier in (DEFAULT, str(UNDEFINED.id), UNDEFINED.name):
            return UNDEFINED
        return _pick("space", self.spaces, specifier)

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
        """A subnet by id, name or CIDR, or by what a word before a colon says: `name:pxe`, `cidr:192.0.2.0/24`,
        `ip:192.0.2.7`, `vlan:1`, `vid:20`, `fabric:lab`, `space:dmz`. Raises NotFound; BadRequest for several."""
        kind, _colon, value = specifier.partition(":")
        asked = [(kind, value)] if kind in _SUBNET_WAYS else []
        for way, text in [*asked, *((way, specifier) for way in _SUBNET_ITSELF)]:
            is_meant = _SUBNET_WAYS[way]
            found = [subnet for subnet in self.subnets if is_meant(subnet, self.vlan_of(subnet), text)]
            if len(found) > 1:
                names = ", ".join(f"{subnet.name} ({subnet.cidr})" for subnet in found)
                raise BadRequest(f"{validation.shown(specifier)} is more than one subnet: {names}; name one of them.")
            if found:
                return found[0]
        raise _none_of("subnet", specifier)

    def range(self, specifier: str) -> IpRange:
        """An IP range by id. Raises NotFound."""
        return _pick("IP range", self.ranges, specifier)

    def route(self, specifier: str) -> StaticRoute:
        """A static route by id. Raises NotFound."""
        return _pick("static route", self.routes, specifier)

    def ends_of(self, route: StaticRoute) -> tuple[Subnet, Subnet]:
        """Source and destination of a static route."""
        return self.subnet(str(route.source_id)), self.subnet(str(route.destination_id))

    def vlan_of(self, subnet: Subnet) -> Vlan:
        """The VLAN that a subnet is on."""
        return next(vlan for vlan in self.vlans if vlan.id == subnet.vlan_id)

    def vlans_in(self, space: Space) -> list[Vlan]:
        """The VLANs of a space."""
        return [vlan for vlan in self.vlans if vlan.space.id == space.id]

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
        if not isinstance(candidate, Vlan | IpRange | StaticRoute) and candidate.name == specifier:
            return candidate
    raise _none_of(kind, specifier)


def _none_of(kind: str, specifier: str) -> NotFound:
    return NotFound(f"There is no {kind} {validation.shown(specifier)}; list what there is with GET.")


def _is_cidr(cidr: str, text: str) -> bool:
    try:
        return ip_network(text) == ip_network(cidr)
    except ValueError:
        return False


def _holds(cidr: str, text: str) -> bool:
    try:
        return ip_address(text) in ip_network(cidr)
    except ValueError:
        return False


# The ways to name a subnet: itself, tried in this order also where none is given, or by where it is.
_SUBNET_ITSELF = ("id", "name", "cidr")
_SUBNET_WAYS: Mapping[str, Callable[[Subnet, Vlan, str], bool]] = {
    "id": lambda subnet, _vlan, text: str(subnet.id) == text,
    "name": lambda subnet, _vlan, text: subnet.name == text,
    "cidr": lambda subnet, _vlan, text: _is_cidr(subnet.cidr, text),
    "ip": lambda subnet, _vlan, text: _holds(subnet.cidr, text),
    "vlan": lambda _subnet, vlan, text: text in (str(vlan.id), vlan.name),
    "vid": lambda _subnet, vlan, text: text == str(vlan.vid),
    "fabric": lambda _subnet, vlan, text: text in (str(vlan.fabric_id), vlan.fabric),
    "space": lambda _subnet, vlan, text: text in (str(vlan.space.id), vlan.space.name),
}
