# SPDX-License-Identifier: GPL-3.0-or-later
"""`controllers/`, `rackcontrollers/` and `regioncontrollers/`: how the racks and regions of this site are."""

from __future__ import annotations

from typing import Any

from flask import Response

from rackyard.region import status_page
from rackyard.region.api import bson, controller_shapes, node_filters, placing, power_types, shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.takes import Kind, Takes, fixed, hold
from rackyard.region.services.machines import groups
from rackyard.region.services.network import domains, picture
from rackyard.region.services.racks import enrolment, view
from rackyard.region.services.site import images, overview, regions

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


@collection.read(takes=node_filters.FILTER)
def list_racks(call: Call) -> list[dict[str, Any]]:
    """Enrolled racks that match what is given: one of the values of each filter. None is in a resource pool."""
    return node_filters.controllers(call, racks(call))


def racks(call: Call) -> list[dict[str, Any]]:
    """Every enrolled rack."""
    site = _site(call)
    return [controller_shapes.rack(details, site) for details in view.list_all(call.ctx)]


@one.read()
def read_rack(call: Call, system_id: str) -> dict[str, Any]:
    """One rack."""
    return controller_shapes.rack(view.read(call.ctx, system_id), _site(call))


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


@collection.read("power_parameters", takes={"id": Kind.TEXTS})
def show_power_parameters_of_racks(call: Call) -> dict[str, dict[str, str]]:
    """The power settings of racks by system_id, of several `id`s those: none has any here."""
    wanted = call.params.texts("id")
    known = [details.rack.system_id for details in view.list_all(call.ctx)]
    return {system_id: {} for system_id in known if not wanted or system_id in wanted}


@one.read("power_parameters")
def show_power_parameters(call: Call, system_id: str) -> dict[str, str]:
    """The power settings of a rack: it has none here. Raises NotFound."""
    view.read(call.ctx, system_id)
    return {}


@one.read("query_power_state")
def query_power_state(call: Call, system_id: str) -> dict[str, str]:
    """`on` while the rack speaks; of a silent one it is `unknown`, as no BMC of it is known."""
    return {"state": controller_shapes.power_state(alive=view.read(call.ctx, system_id).rack.alive)}


@one.read("details")
def show_details(call: Call, system_id: str) -> Response:
    """As of machines, in BSON: both null, as neither lshw nor LLDP is asked on a rack. Raises NotFound."""
    view.read(call.ctx, system_id)
    return bson.details(None)


@one.delete()
def delete_rack(call: Call, system_id: str) -> None:
    """Revoke a rack: its certificate opens nothing from now on."""
    enrolment.revoke(call.ctx, call.actor, system_id)


@region_collection.read(takes=node_filters.FILTER)
def list_regions(call: Call) -> list[dict[str, Any]]:
    """Regions that have told about themselves and match what is given, as with racks."""
    return node_filters.controllers(call, all_regions(call))


def all_regions(call: Call) -> list[dict[str, Any]]:
    """Every region that has told about itself."""
    site, network = _site(call), picture.read(call.ctx)
    known = [details for details in regions.list_all(call.ctx) if details.controller]
    return [controller_shapes.region(details, site, network) for details in known]


@one_region.read()
def read_region(call: Call, system_id: str) -> dict[str, Any]:
    """One region. Raises NotFound."""
    return controller_shapes.region(regions.read(call.ctx, system_id), _site(call), picture.read(call.ctx))


@one_region.read("power_parameters")
def show_power_parameters_of_region(call: Call, system_id: str) -> dict[str, str]:
    """The power settings of a region: it has none here. Raises NotFound."""
    regions.read(call.ctx, system_id)
    return {}


@one_region.read("details")
def show_details_of_region(call: Call, system_id: str) -> Response:
    """As of machines, in BSON: both null, as neither lshw nor LLDP is asked on a region. Raises NotFound."""
    regions.read(call.ctx, system_id)
    return bson.details(None)


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
