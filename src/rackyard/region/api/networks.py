# SPDX-License-Identifier: GPL-3.0-or-later
"""`fabrics/`, `vlans/`, `subnets/` and `ipranges/`."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.takes import Kind, Takes, fixed, hold
from rackyard.region.db.network.picture import Subnet
from rackyard.region.services.network import fabrics, ip_ranges, picture, subnets
from rackyard.region.services.network.fabrics import FabricWish, FindVlan, VlanWish
from rackyard.region.services.network.ip_ranges import RangeWish
from rackyard.region.services.network.subnets import SubnetWish

fabric_collection = Resource("/fabrics/", "Fabrics", "All fabrics.")
one_fabric = Resource("/fabrics/<fabric>/", "Fabric", "One fabric, by id or name.", fabric="id")
vlan_collection = Resource("/fabrics/<fabric>/vlans/", "Vlans", "The VLANs of a fabric.", fabric="fabric_id")
vlan_of_fabric = Resource(
    "/fabrics/<fabric>/vlans/<vid>/", "Vlan", "A VLAN by its number in a fabric.", fabric="fabric_id"
)
one_vlan = Resource("/vlans/<int:vlan_id>/", "VlanById", "A VLAN by its id.", vlan_id="id")
subnet_collection = Resource("/subnets/", "Subnets", "All subnets.")
one_subnet = Resource("/subnets/<subnet>/", "Subnet", "One subnet.", subnet="id")
# A CIDR has a slash.
subnet_of_cidr = Resource("/subnets/<address>/<prefix>/", "SubnetByCidr", "One subnet, by its CIDR.")
range_collection = Resource("/ipranges/", "IPRanges", "All IP ranges.")
one_range = Resource("/ipranges/<int:range_id>/", "IPRange", "One IP range.", range_id="id")

_FABRIC: Takes = {"name": Kind.TEXT, "description": Kind.TEXT, "class_type": Kind.TEXT}
_VLAN: Takes = {
    "vid": Kind.TEXT,
    "name": Kind.TEXT,
    "description": Kind.TEXT,
    "mtu": Kind.TEXT,
    "dhcp_on": Kind.FLAG,
    "primary_rack": Kind.TEXT,
    "secondary_rack": Kind.TEXT,
    "relay_vlan": Kind.TEXT,
    "space": Kind.TEXT,
    **fixed("fabric"),
}
_SUBNET: Takes = {
    "cidr": Kind.TEXT,
    "name": Kind.TEXT,
    "description": Kind.TEXT,
    "vlan": Kind.TEXT,
    "fabric": Kind.TEXT,
    "vid": Kind.TEXT,
    "gateway_ip": Kind.TEXT,
    "dns_servers": Kind.WORDS,
    "allow_dns": Kind.FLAG,
    "allow_proxy": Kind.FLAG,
    "router_advertisements": Kind.FLAG,
    "managed": Kind.FLAG,
    "enlistment": Kind.TEXT,
    **fixed("rdns_mode", "active_discovery", "disabled_boot_architectures", "space"),
}
_RANGE: Takes = {
    "type": Kind.TEXT,
    "start_ip": Kind.TEXT,
    "end_ip": Kind.TEXT,
    "subnet": Kind.TEXT,
    "comment": Kind.TEXT,
    **fixed("user"),
}


@fabric_collection.read()
def list_fabrics(call: Call) -> list[dict[str, Any]]:
    """Every fabric with its VLANs."""
    known = picture.read(call.ctx)
    return [shapes.fabric(fabric, known) for fabric in known.fabrics]


@fabric_collection.create(takes=_FABRIC)
def create_fabric(call: Call) -> dict[str, Any]:
    """A new fabric with its untagged VLAN. `class_type` is what kind of network it is, in your own word."""
    made = fabrics.create_fabric(call.ctx, call.actor, _fabric_wish(call.params))
    return shapes.fabric(made, picture.read(call.ctx))


@one_fabric.read()
def read_fabric(call: Call, fabric: str) -> dict[str, Any]:
    """One fabric, by id or name."""
    known = picture.read(call.ctx)
    return shapes.fabric(known.fabric(fabric), known)


@one_fabric.update(takes=_FABRIC)
def update_fabric(call: Call, fabric: str) -> dict[str, Any]:
    """Change what is given; an empty `class_type` is none."""
    changed = fabrics.update_fabric(call.ctx, call.actor, fabric, _fabric_wish(call.params))
    return shapes.fabric(changed, picture.read(call.ctx))


@one_fabric.delete()
def delete_fabric(call: Call, fabric: str) -> None:
    """Remove a fabric without subnets."""
    fabrics.delete_fabric(call.ctx, call.actor, fabric)


@vlan_collection.read()
def list_vlans(call: Call, fabric: str) -> list[dict[str, Any]]:
    """The VLANs of a fabric."""
    known = picture.read(call.ctx)
    owner = known.fabric(fabric)
    return [shapes.vlan(vlan) for vlan in known.vlans if vlan.fabric_id == owner.id]


@vlan_collection.create(takes=_VLAN)
def create_vlan(call: Call, fabric: str) -> dict[str, Any]:
    """A new VLAN in a fabric."""

    def has() -> dict[str, Any]:
        owner = picture.read(call.ctx).fabric(fabric)
        return {"fabric": {"id": owner.id, "name": owner.name}}

    hold(call.params, _VLAN, has)
    return shapes.vlan(fabrics.create_vlan(call.ctx, call.actor, fabric, _vlan_wish(call.params)))


@vlan_of_fabric.read()
def read_vlan_of_fabric(call: Call, fabric: str, vid: str) -> dict[str, Any]:
    """A VLAN by its number in a fabric."""
    return shapes.vlan(_in_fabric(fabric, vid)(picture.read(call.ctx)))


@vlan_of_fabric.update(takes=_VLAN)
def update_vlan_of_fabric(call: Call, fabric: str, vid: str) -> dict[str, Any]:
    """Change a VLAN by its number in a fabric."""
    return _update_vlan(call, _in_fabric(fabric, vid))


@vlan_of_fabric.delete()
def delete_vlan_of_fabric(call: Call, fabric: str, vid: str) -> None:
    """Remove a VLAN by its number in a fabric."""
    fabrics.delete_vlan(call.ctx, call.actor, _in_fabric(fabric, vid))


@one_vlan.read()
def read_vlan(call: Call, vlan_id: int) -> dict[str, Any]:
    """One VLAN by id."""
    return shapes.vlan(_of_id(vlan_id)(picture.read(call.ctx)))


@one_vlan.update(takes=_VLAN)
def update_vlan(call: Call, vlan_id: int) -> dict[str, Any]:
    """Change name, MTU, space, DHCP, the racks that serve it, and the VLAN that it is relayed to."""
    return _update_vlan(call, _of_id(vlan_id))


@one_vlan.delete()
def delete_vlan(call: Call, vlan_id: int) -> None:
    """Remove a VLAN without subnets."""
    fabrics.delete_vlan(call.ctx, call.actor, _of_id(vlan_id))


@subnet_collection.read()
def list_subnets(call: Call) -> list[dict[str, Any]]:
    """Every subnet with its VLAN."""
    known = picture.read(call.ctx)
    return [shapes.subnet(subnet, known.vlan_of(subnet)) for subnet in known.subnets]


@subnet_collection.create(takes=_SUBNET)
def create_subnet(call: Call) -> dict[str, Any]:
    """A new subnet."""
    return _subnet(call, subnets.create(call.ctx, call.actor, _subnet_wish(call, None)))


@one_subnet.read()
def read_subnet(call: Call, subnet: str) -> dict[str, Any]:
    """One subnet, by id, name or CIDR, or by where it is: ip:, vlan:, vid:, fabric: or space: before it."""
    return _subnet(call, picture.read(call.ctx).subnet(subnet))


@one_subnet.update(takes=_SUBNET)
def update_subnet(call: Call, subnet: str) -> dict[str, Any]:
    """Change a subnet."""
    return _subnet(call, subnets.update(call.ctx, call.actor, subnet, _subnet_wish(call, subnet)))


@one_subnet.delete()
def delete_subnet(call: Call, subnet: str) -> None:
    """Remove a subnet with its ranges."""
    subnets.delete(call.ctx, call.actor, subnet)


@subnet_of_cidr.read()
def read_subnet_of_cidr(call: Call, address: str, prefix: str) -> dict[str, Any]:
    """One subnet, by its CIDR."""
    return read_subnet(call, f"{address}/{prefix}")


@subnet_of_cidr.update(takes=_SUBNET)
def update_subnet_of_cidr(call: Call, address: str, prefix: str) -> dict[str, Any]:
    """Change a subnet, by its CIDR."""
    return update_subnet(call, f"{address}/{prefix}")


@subnet_of_cidr.delete()
def delete_subnet_of_cidr(call: Call, address: str, prefix: str) -> None:
    """Remove a subnet with its ranges, by its CIDR."""
    delete_subnet(call, f"{address}/{prefix}")


@range_collection.read()
def list_ranges(call: Call) -> list[dict[str, Any]]:
    """Every IP range with its subnet."""
    known = picture.read(call.ctx)
    return [shapes.ip_range(ip_range, known) for ip_range in known.ranges]


@range_collection.create(takes=_RANGE)
def create_range(call: Call) -> dict[str, Any]:
    """A new IP range."""
    made = ip_ranges.create(call.ctx, call.actor, _range_wish(call.params))
    return shapes.ip_range(made, picture.read(call.ctx))


@one_range.read()
def read_range(call: Call, range_id: int) -> dict[str, Any]:
    """One IP range."""
    known = picture.read(call.ctx)
    return shapes.ip_range(known.range(str(range_id)), known)


@one_range.update(takes=_RANGE)
def update_range(call: Call, range_id: int) -> dict[str, Any]:
    """Change an IP range."""
    changed = ip_ranges.update(call.ctx, call.actor, range_id, _range_wish(call.params))
    return shapes.ip_range(changed, picture.read(call.ctx))


@one_range.delete()
def delete_range(call: Call, range_id: int) -> None:
    """Remove an IP range."""
    ip_ranges.delete(call.ctx, call.actor, range_id)


def _of_id(vlan_id: int) -> FindVlan:
    return lambda known: known.vlan(str(vlan_id))


def _in_fabric(fabric: str, vid: str) -> FindVlan:
    return lambda known: known.vlan_of_fabric(known.fabric(fabric), vid)


def _update_vlan(call: Call, find: FindVlan) -> dict[str, Any]:
    def has() -> dict[str, Any]:
        known = find(picture.read(call.ctx))
        return {"fabric": {"id": known.fabric_id, "name": known.fabric}}

    hold(call.params, _VLAN, has)
    return shapes.vlan(fabrics.update_vlan(call.ctx, call.actor, find, _vlan_wish(call.params)))


def _subnet(call: Call, known: Subnet) -> dict[str, Any]:
    return shapes.subnet(known, picture.read(call.ctx).vlan_of(known))


def _fabric_wish(params: Params) -> FabricWish:
    return FabricWish(params.text("name"), params.text("description"), params.text("class_type"))


def _vlan_wish(params: Params) -> VlanWish:
    return VlanWish(
        vid=params.text("vid"),
        name=params.text("name"),
        description=params.text("description"),
        mtu=params.text("mtu"),
        dhcp_on=params.flag("dhcp_on"),
        primary_rack=params.text("primary_rack"),
        secondary_rack=params.text("secondary_rack"),
        relay_vlan=params.text("relay_vlan"),
        space=params.text("space"),
    )


def _subnet_wish(call: Call, subnet: str | None) -> SubnetWish:
    params = call.params
    wish = SubnetWish(
        cidr=params.text("cidr"),
        name=params.text("name"),
        description=params.text("description"),
        vlan=params.text("vlan"),
        fabric=params.text("fabric"),
        vid=params.text("vid"),
        gateway_ip=params.text("gateway_ip"),
        dns_servers=params.words("dns_servers"),
        allow_dns=params.flag("allow_dns"),
        allow_proxy=params.flag("allow_proxy"),
        router_advertisements=params.flag("router_advertisements"),
        managed=params.flag("managed"),
        enlistment=params.text("enlistment"),
    )

    def has() -> dict[str, Any]:
        known = picture.read(call.ctx)
        # A subnet's space is that of the VLAN that it will be on.
        space = subnets.vlan_for(known, wish, known.subnet(subnet) if subnet else None).space
        return {"rdns_mode": 2, "active_discovery": False, "space": {"id": space.id, "name": space.name}}

    hold(params, _SUBNET, has)
    return wish


def _range_wish(params: Params) -> RangeWish:
    hold(params, _RANGE, dict)
    return RangeWish(
        type=params.text("type"),
        start_ip=params.text("start_ip"),
        end_ip=params.text("end_ip"),
        subnet=params.text("subnet"),
        comment=params.text("comment"),
    )
