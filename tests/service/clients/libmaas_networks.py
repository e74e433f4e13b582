# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, names and groups, as an operator's program has them from python-libmaas."""

from __future__ import annotations

from typing import Any

from libmaas_checks import check, client, it
from maas.client.enum import IPRangeType

check("Version.read", True)(lambda: "devices-management" in client.version.get().capabilities)
check("Users.whoami", "admin")(lambda: client.users.whoami().username)


@check("Fabrics.create, read", ["boot", "lab"])
def _() -> Any:
    it.fabric = client.fabrics.create(name="lab", description="of a client")
    return [known.name for known in client.fabrics.list()]


check("Fabric.get_default", ["boot", "undefined"])(
    lambda: [client.fabrics.get_default().name, client.spaces.get_default().name]
)
check("Vlans.read", [[0, "untagged", 1500]])(
    lambda: [[known.vid, known.name, known.mtu] for known in client.fabrics.get(it.fabric.id).vlans]
)


@check("Subnets.create, read", [["pxe-a", "10.20.0.0/24", True]])
def _() -> Any:
    it.vlan = it.fabric.vlans.get_default()
    it.subnet = client.subnets.create("10.20.0.0/24", it.vlan, name="pxe-a", gateway_ip="10.20.0.1")
    known = [each for each in client.subnets.list() if each.id == it.subnet.id]
    return [[each.name, each.cidr, each.vlan.id == it.vlan.id] for each in known]


@check("Subnet.update", "pxe-b")
def _() -> Any:
    it.subnet.name = "pxe-b"
    it.subnet.save()
    return client.subnets.get(it.subnet.id).name


@check("Subnet.delete", False)
def _() -> Any:
    gone = client.subnets.create("10.77.0.0/24", it.vlan)
    gone.delete()
    return gone.id in [known.id for known in client.subnets.list()]


@check("Zones.create, read", [["default", ""], ["east", "of a client"]])
def _() -> Any:
    it.zone = client.zones.create("east", description="of a client")
    return [[known.name, known.description] for known in client.zones.list()]


@check("ResourcePools.create, read", [[0, "default"], [1, "web"]])
def _() -> Any:
    it.pool = client.resource_pools.create("web")
    return [[known.id, known.name] for known in client.resource_pools.list()]


@check("Domains.create, read", ["rackyard.internal", "lab.example.org"])
def _() -> Any:
    it.domain = client.domains.create("lab.example.org", ttl=60)
    return [known.name for known in client.domains.list()]


@check("Domain.update, delete", ["lab.example.net", 1])
def _() -> Any:
    it.domain.name = "lab.example.net"
    it.domain.save()
    name = client.domains.get(it.domain.id).name
    it.domain.delete()
    return [name, len(client.domains.list())]


@check("Spaces.create, read; Vlans.create", [20, "dmz", ["dmz", [20]]])
def _() -> Any:
    it.space = client.spaces.create(name="dmz", description="of a client")
    tagged = it.fabric.vlans.create(20, name="web", space=it.space)
    known = client.spaces.list()[0]
    return [tagged.vid, tagged.space.name, [known.name, [on.vid for on in known.vlans]]]


@check("Vlan.update, delete", ["web2", 9000, [0]])
def _() -> Any:
    tagged = client._origin.Vlan.read(it.fabric.id, 20)
    tagged.name, tagged.mtu = "web2", 9000
    tagged.save()
    tagged = client._origin.Vlan.read(it.fabric.id, 20)
    tagged.delete()
    return [tagged.name, tagged.mtu, [known.vid for known in client.fabrics.get(it.fabric.id).vlans]]


@check("Space.read, delete", ["dmz", ["undefined"]])
def _() -> Any:
    name = client.spaces.get(it.space.id).name
    it.space.delete()
    return [name, [known.name for known in client.spaces.list()]]


@check("Fabric.update, delete", ["b", ["boot", "lab"]])
def _() -> Any:
    other = client.fabrics.create(name="a")
    other.name = "b"
    other.save()
    name = client.fabrics.get(other.id).name
    other.delete()
    return [name, [known.name for known in client.fabrics.list()]]


@check("IPRanges.create, IPRange.read, delete", ["10.20.0.100", "dynamic", "of a client", 0])
def _() -> Any:
    made = client.ip_ranges.create("10.20.0.100", "10.20.0.120", type=IPRangeType.DYNAMIC, comment="of a client")
    known = client.ip_ranges.get(made.id)
    known.delete()
    left = [each for each in client.ip_ranges.list() if each.id == made.id]
    return [known.start_ip, known.type.value, known.comment, len(left)]


@check("StaticRoutes.create, read, StaticRoute.delete", [["pxe-b", "store"], ["10.20.0.254", 5], 0])
def _() -> Any:
    store = client.subnets.create("10.99.0.0/16", it.vlan, name="store")
    made = client.static_routes.create(store, it.subnet, "10.20.0.254", 5)
    (known,) = client.static_routes.list()
    route = client.static_routes.get(made.id)
    route.delete()
    ends = [known.source.name, known.destination.name]
    return [ends, [route.gateway_ip, route.metric], len(client.static_routes.list())]
