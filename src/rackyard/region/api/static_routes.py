# SPDX-License-Identifier: GPL-3.0-or-later
"""`static-routes/`."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.services.network import picture, static_routes
from rackyard.region.services.network.static_routes import RouteWish

route_collection = Resource("/static-routes/", "StaticRoutes", "All static routes.")
one_route = Resource("/static-routes/<int:route_id>/", "StaticRoute", "One static route, by id.", route_id="id")

_ROUTE: Takes = {"source": Kind.TEXT, "destination": Kind.TEXT, "gateway_ip": Kind.TEXT, "metric": Kind.TEXT}


@route_collection.read()
def list_routes(call: Call) -> list[dict[str, Any]]:
    """Every static route with its subnets."""
    known = picture.read(call.ctx)
    return [shapes.static_route(route, known) for route in known.routes]


@route_collection.create(takes=_ROUTE)
def create_route(call: Call) -> dict[str, Any]:
    """A new route from a subnet to another one. Machines are told of it by DHCP."""
    made = static_routes.create(call.ctx, call.actor, _wish(call.params))
    return shapes.static_route(made, picture.read(call.ctx))


@one_route.read()
def read_route(call: Call, route_id: int) -> dict[str, Any]:
    """One static route."""
    known = picture.read(call.ctx)
    return shapes.static_route(known.route(str(route_id)), known)


@one_route.update(takes=_ROUTE)
def update_route(call: Call, route_id: int) -> dict[str, Any]:
    """Change a static route."""
    changed = static_routes.update(call.ctx, call.actor, route_id, _wish(call.params))
    return shapes.static_route(changed, picture.read(call.ctx))


@one_route.delete()
def delete_route(call: Call, route_id: int) -> None:
    """Remove a static route."""
    static_routes.delete(call.ctx, call.actor, route_id)


def _wish(params: Params) -> RouteWish:
    return RouteWish(
        source=params.text("source"),
        destination=params.text("destination"),
        gateway_ip=params.text("gateway_ip"),
        metric=params.text("metric"),
    )
