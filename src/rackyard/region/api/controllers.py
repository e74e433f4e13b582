# SPDX-License-Identifier: GPL-3.0-or-later
"""`controllers/`, `rackcontrollers/` and `regioncontrollers/`: how the racks and regions of this site are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response

from rackyard.region import status_page
from rackyard.region.api import placing, power_types, shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT, moment
from rackyard.region.api.takes import Kind, Takes, fixed, hold
from rackyard.region.db.machines.groups import Group
from rackyard.region.db.racks.view import RackService
from rackyard.region.db.site.regions import RegionService
from rackyard.region.errors import NotFound
from rackyard.region.services.machines import groups
from rackyard.region.services.network import domains
from rackyard.region.services.racks import enrolment, view
from rackyard.region.services.racks.view import RackDetails
from rackyard.region.services.site import images, overview, regions, validation
from rackyard.region.services.site.regions import RegionDetails

standing = Resource("/controllers/", "Controllers", "How regions and racks are.")
collection = Resource("/rackcontrollers/", "RackControllers", "All racks.")
one = Resource("/rackcontrollers/<system_id>/", "RackController", "One rack.")
region_collection = Resource("/regioncontrollers/", "RegionControllers", "All regions.")
one_region = Resource("/regioncontrollers/<system_id>/", "RegionController", "One region.")

_WISH: Takes = {"zone": Kind.TEXT, **fixed("description", "domain", "power_type")}


@standing.read()
def read_controllers(call: Call) -> dict[str, Any]:
    """Ours: regions, racks, PostgreSQL, DHCP, names, and what is not well, as in `rackyard-region status --json`."""
    return overview.controllers(call.ctx)


@standing.read("page")
def show_controllers(call: Call) -> Response:
    """The same as a page of plain text."""
    return Response(status_page.page(overview.controllers(call.ctx)) + "\n", mimetype="text/plain")


@collection.read()
def list_racks(call: Call) -> list[dict[str, Any]]:
    """Every enrolled rack."""
    site = _site(call)
    return [_rack(details, site) for details in view.list_all(call.ctx)]


@one.read()
def read_rack(call: Call, system_id: str) -> dict[str, Any]:
    """One rack."""
    return _rack(view.read(call.ctx, system_id), _site(call))


@one.update(takes=_WISH)
def update_rack(call: Call, system_id: str) -> dict[str, Any]:
    """Put a rack in another `zone`: what fails together with it. Its VLANs and duties stay."""
    _put(call, groups.RACK, system_id)
    return read_rack(call, system_id)


@collection.create("set_zone", takes=placing.TAKES)
def set_zone_of_racks(call: Call) -> None:
    """Put racks (`nodes`, by system_id) in a zone: all of them or none."""
    placing.set_zone(call, groups.RACK)


@collection.read("describe_power_types")
def describe_power_types(call: Call) -> list[dict[str, Any]]:
    """The power types that racks have drivers for, each with the fields of its power parameters."""
    return power_types.shapes()


@one.read("list_boot_images")
def list_boot_images(call: Call, system_id: str) -> dict[str, Any]:
    """What machines can boot through this rack: all images of the regions, which it fetches when they are first asked
    for and keeps then. It is `connected` while it is alive."""
    rack = view.read(call.ctx, system_id).rack
    known = images.list_all(call.ctx)
    return {
        "images": [{"name": image.name, "architecture": image.arch, "subarches": ["generic"]} for image in known],
        "connected": rack.alive,
        "status": "synced" if rack.alive else "unknown",
    }


@one.delete()
def delete_rack(call: Call, system_id: str) -> None:
    """Revoke a rack: its certificate opens nothing from now on."""
    enrolment.revoke(call.ctx, call.actor, system_id)


@region_collection.read()
def list_regions(call: Call) -> list[dict[str, Any]]:
    """Every region that has told about itself."""
    site = _site(call)
    return [_region(details, site) for details in regions.list_all(call.ctx) if details.controller]


@one_region.read()
def read_region(call: Call, system_id: str) -> dict[str, Any]:
    """One region. Raises NotFound."""
    for details in regions.list_all(call.ctx):
        if details.controller and details.controller.system_id == system_id:
            return _region(details, _site(call))
    shown = validation.shown(system_id)
    raise NotFound(f"No region has the system_id {shown}; list them with GET regioncontrollers/.")


@one_region.update(takes=_WISH)
def update_region(call: Call, system_id: str) -> dict[str, Any]:
    """Put a region in another `zone`: what fails together with it."""
    _put(call, groups.REGION, system_id)
    return read_region(call, system_id)


@region_collection.create("set_zone", takes=placing.TAKES)
def set_zone_of_regions(call: Call) -> None:
    """Put regions (`nodes`, by system_id) in a zone: all of them or none."""
    placing.set_zone(call, groups.REGION)


def _put(call: Call, kind: str, system_id: str) -> None:
    hold(call.params, _WISH, lambda: {"description": "", "power_type": "", **_site(call)})
    groups.put_controller(call.ctx, call.actor, kind, system_id, call.params.text("zone"))


def _site(call: Call) -> dict[str, Any]:
    """What all controllers are in."""
    return {"domain": shapes.domain(domains.read(call.ctx, str(domains.INTERNAL_ID)))}


def _rack(details: RackDetails, site: dict[str, Any]) -> dict[str, Any]:
    """MAAS's fields; `alive`, `last_seen_at`, `certificate_not_after`, the generations and what waits are ours."""
    rack, said = details.rack, details.report
    return {
        **_controller(rack.system_id, rack.hostname, rack.zone, site, rack.version, details.services),
        "node_type": 2,
        "node_type_name": "Rack controller",
        "ip_addresses": [interface.address.partition("/")[0] for interface in details.interfaces],
        "interface_set": _interfaces(details),
        "alive": rack.alive,
        "last_seen_at": moment(rack.last_seen_at),
        "registered_at": moment(rack.registered_at),
        "certificate_not_after": moment(rack.cert_not_after),
        "desired_generation": rack.desired_generation,
        "applied_generation": rack.applied_generation,
        "channels": dict(said.channels) if said else None,
        "reports_waiting": said.reports_waiting if said else None,
        "posts_waiting": said.posts_waiting if said else None,
        "posts_refused": said.posts_refused if said else None,
        "resource_uri": f"{ROOT}/rackcontrollers/{rack.system_id}/",
    }


def _region(details: RegionDetails, site: dict[str, Any]) -> dict[str, Any]:
    """MAAS's fields; `alive`, `last_seen_at` and `certificate_not_after` are ours."""
    said = details.controller
    assert said is not None
    return {
        **_controller(said.system_id, said.name, said.zone, site, said.version, details.services),
        "node_type": 3,
        "node_type_name": "Region controller",
        "ip_addresses": sorted({each.address for each in details.processes}),
        "interface_set": [],
        "alive": details.alive,
        "last_seen_at": moment(said.seen_at),
        "certificate_not_after": moment(said.cert_not_after),
        "resource_uri": f"{ROOT}/regioncontrollers/{said.system_id}/",
    }


def _controller(
    system_id: str,
    hostname: str,
    zone: Group,
    site: dict[str, Any],
    version: str,
    services: Iterable[RackService | RegionService],
) -> dict[str, Any]:
    """What both kinds have. `failure` and `failed_at`, of the last time that a service was dead, are ours."""
    return {
        "system_id": system_id,
        "hostname": hostname,
        "fqdn": f"{hostname}.{site['domain']['name']}",
        "description": "",
        "architecture": "",
        **site,
        "zone": shapes.zone(zone),
        "version": version,
        "tag_names": [],
        "service_set": [
            {
                "name": each.name,
                "status": each.state,
                "status_info": each.info,
                "failure": each.failure,
                "failed_at": moment(each.failed_at),
            }
            for each in services
        ],
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
                **({"subnet": shapes.subnet(subnet, details.network.vlan_of(subnet))} if subnet else {}),
            }
        )
    return list(shown.values())
