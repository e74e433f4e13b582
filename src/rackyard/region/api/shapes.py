# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON of MAAS API 2.0 that does not belong to machines. Every field that strict clients expect is there."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from rackyard.region.db.machines.groups import Group
from rackyard.region.db.network.domains import Domain
from rackyard.region.db.network.picture import Fabric, IpRange, Space, StaticRoute, Subnet, Vlan
from rackyard.region.db.site.events import Event
from rackyard.region.services.network.domains import INTERNAL_ID, DomainDetails
from rackyard.region.services.network.network import Network
from rackyard.region.services.site.events import LEVEL_NAMES

ROOT = "/MAAS/api/2.0"
# How MAAS writes the time of an event or a script.
EVENT_TIME = "%a, %d %b. %Y %H:%M:%S"
_NODE_TYPES = {"machine": "Machine", "rack": "Rack controller"}


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC, as it is stored."""
    return value.isoformat() if value else None


def event_time(value: datetime | None) -> str | None:
    """A time as MAAS writes it for people."""
    return value.strftime(EVENT_TIME) if value else None


# A thousand machines of a list are in a few zones.
_quoted = lru_cache(maxsize=1024)(quote)


def zone(known: Group) -> dict[str, Any]:
    """A zone."""
    return _group(known, f"zones/{_quoted(known.name)}/")


def pool(known: Group) -> dict[str, Any]:
    """A resource pool."""
    return _group(known, f"resourcepool/{known.id}/")


def _group(known: Group, path: str) -> dict[str, Any]:
    return {
        "id": known.id,
        "name": known.name,
        "description": known.description,
        "resource_uri": f"{ROOT}/{path}",
    }


def domain(known: DomainDetails) -> dict[str, Any]:
    """A domain."""
    own = known.domain
    return {
        "id": own.id,
        "name": own.name,
        "authoritative": own.authoritative,
        "ttl": own.ttl,
        "resource_record_count": known.record_count,
        "is_default": known.is_default,
        "resource_uri": f"{ROOT}/domains/{own.id}/",
    }


def internal_domain(name: str, *, is_default: bool) -> dict[str, Any]:
    """The domain of racks' names."""
    return domain(DomainDetails(Domain(INTERNAL_ID, name, None, True), 0, is_default))


def vlan(known: Vlan) -> dict[str, Any]:
    """A VLAN."""
    return {
        "id": known.id,
        "name": known.name,
        "description": known.description,
        "vid": known.vid,
        "fabric": known.fabric,
        "fabric_id": known.fabric_id,
        "mtu": known.mtu,
        "dhcp_on": known.dhcp_on,
        "primary_rack": known.primary_rack,
        "secondary_rack": known.secondary_rack,
        "external_dhcp": None,
        "relay_vlan": vlan(known.relay_vlan) if known.relay_vlan else None,
        "space": known.space.name,
        "resource_uri": f"{ROOT}/vlans/{known.id}/",
    }


def fabric(known: Fabric, network: Network) -> dict[str, Any]:
    """A fabric with its VLANs."""
    return {
        "id": known.id,
        "name": known.name,
        "description": known.description,
        "class_type": known.class_type or None,
        "vlans": [vlan(member) for member in network.vlans if member.fabric_id == known.id],
        "resource_uri": f"{ROOT}/fabrics/{known.id}/",
    }


def space(known: Space, network: Network) -> dict[str, Any]:
    """A space with its VLANs and their subnets."""
    vlans = network.vlans_in(known)
    return {
        "id": known.id,
        "name": known.name,
        "description": known.description,
        "vlans": [vlan(member) for member in vlans],
        "subnets": [subnet(member, on) for on in vlans for member in network.subnets_of(on)],
        "resource_uri": f"{ROOT}/spaces/{known.id}/",
    }


def subnet(known: Subnet, on: Vlan) -> dict[str, Any]:
    """A subnet with its VLAN."""
    return {
        "id": known.id,
        "name": known.name,
        "description": known.description,
        "vlan": vlan(on),
        "cidr": known.cidr,
        "gateway_ip": known.gateway_ip,
        "dns_servers": known.dns_servers,
        "rdns_mode": 2,
        "active_discovery": False,
        "allow_dns": known.allow_dns,
        "allow_proxy": known.allow_proxy,
        "managed": known.managed,
        # Ours: MAAS leaves them to routers.
        "router_advertisements": known.router_advertisements,
        # Ours: MAAS enlists everywhere or nowhere.
        "enlistment": known.enlistment,
        "disabled_boot_architectures": [],
        "space": on.space.name,
        "resource_uri": f"{ROOT}/subnets/{known.id}/",
    }


def ip_range(known: IpRange, network: Network) -> dict[str, Any]:
    """An IP range with its subnet."""
    owner = network.subnet(str(known.subnet_id))
    return {
        "id": known.id,
        "type": known.type,
        "start_ip": known.start_ip,
        "end_ip": known.end_ip,
        "comment": known.comment,
        "user": None,
        "subnet": subnet(owner, network.vlan_of(owner)),
        "resource_uri": f"{ROOT}/ipranges/{known.id}/",
    }


def static_route(known: StaticRoute, network: Network) -> dict[str, Any]:
    """A static route with its subnets."""
    source, destination = network.ends_of(known)
    return {
        "id": known.id,
        "source": subnet(source, network.vlan_of(source)),
        "destination": subnet(destination, network.vlan_of(destination)),
        "gateway_ip": known.gateway_ip,
        "metric": known.metric,
        "resource_uri": f"{ROOT}/static-routes/{known.id}/",
    }


def event(known: Event) -> dict[str, Any]:
    """An event. Ours are `created_at`, exact and sortable, and `node_type_name`, as in MAAS's nodes."""
    return {
        "id": known.id,
        "username": known.username or None,
        "node": known.system_id,
        "hostname": known.hostname,
        "node_type_name": _NODE_TYPES.get(known.node_kind or ""),
        "level": LEVEL_NAMES.get(known.level, str(known.level)),
        "created": event_time(known.created_at),
        "created_at": moment(known.created_at),
        "type": known.type,
        "description": known.description,
    }
