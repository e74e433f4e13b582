# SPDX-License-Identifier: GPL-3.0-or-later
"""`rackcontrollers/`: the racks of this site."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT, moment
from rackyard.region.services.racks import enrolment, view
from rackyard.region.services.racks.view import RackDetails

collection = Resource("/rackcontrollers/")
one = Resource("/rackcontrollers/<system_id>/")


@collection.read()
def list_racks(call: Call) -> list[dict[str, Any]]:
    """Every enrolled rack."""
    return [_rack(details, call.ctx.config.domain) for details in view.list_all(call.ctx)]


@one.read()
def read_rack(call: Call, system_id: str) -> dict[str, Any]:
    """One rack."""
    return _rack(view.read(call.ctx, system_id), call.ctx.config.domain)


@one.delete()
def delete_rack(call: Call, system_id: str) -> None:
    """Revoke a rack: its certificate opens nothing from now on."""
    enrolment.revoke(call.ctx, call.actor, system_id)


def _rack(details: RackDetails, domain: str) -> dict[str, Any]:
    """MAAS's fields; `alive`, `last_seen_at`, `certificate_not_after` and `desired_generation` are ours."""
    rack = details.rack
    return {
        "system_id": rack.system_id,
        "hostname": rack.hostname,
        "fqdn": f"{rack.hostname}.{domain}",
        "domain": shapes.domain(domain),
        "description": "",
        "architecture": "",
        "zone": shapes.ZONE,
        "node_type": 2,
        "node_type_name": "Rack controller",
        "version": rack.version,
        "service_set": [
            {"name": service.name, "status": service.state, "status_info": service.info} for service in details.services
        ],
        "ip_addresses": [interface.address.partition("/")[0] for interface in details.interfaces],
        "interface_set": _interfaces(details),
        "tag_names": [],
        "alive": rack.alive,
        "last_seen_at": moment(rack.last_seen_at),
        "registered_at": moment(rack.registered_at),
        "certificate_not_after": moment(rack.cert_not_after),
        "desired_generation": rack.desired_generation,
        "resource_uri": f"{ROOT}/rackcontrollers/{rack.system_id}/",
    }


def _interfaces(details: RackDetails) -> list[dict[str, Any]]:
    shown: dict[str, dict[str, Any]] = {}
    for interface in details.interfaces:
        subnet = details.subnet(interface)
        entry = shown.setdefault(
            interface.name,
            {"name": interface.name, "mac_address": interface.mac, "type": "physical", "enabled": True, "links": []},
        )
        entry["links"].append(
            {
                "mode": "static",
                "ip_address": interface.address.partition("/")[0],
                "cidr": interface.address,
                "subnet": shapes.subnet(subnet, details.network.vlan_of(subnet)) if subnet else None,
            }
        )
    return list(shown.values())
