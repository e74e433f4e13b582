# SPDX-License-Identifier: GPL-3.0-or-later
"""Static routes: what machines of a subnet reach another one through, when it is not the default route."""

from __future__ import annotations

from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.network import picture as rows
from rackyard.region.db.network.picture import StaticRoute, Subnet
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor

MAX_METRIC = 999_999_999


@dataclass(frozen=True)
class RouteWish:
    """What an operator wants a route to be; None leaves things as they are. Subnets are named as in their URL."""

    source: str | None = None
    destination: str | None = None
    gateway_ip: str | None = None
    metric: str | None = None


def create(ctx: Context, actor: Actor, wish: RouteWish) -> StaticRoute:
    """A new route. Raises Forbidden, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        columns = _columns(before, wish, None)
        route_id = rows.add(tx, "route", **columns)
        return picture.load(tx).route(str(route_id))


def update(ctx: Context, actor: Actor, route_id: int, wish: RouteWish) -> StaticRoute:
    """Change what is given. Raises Forbidden, NotFound, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        known = before.route(str(route_id))
        rows.update(tx, "route", known.id, **_columns(before, wish, known))
        return picture.load(tx).route(str(known.id))


def delete(ctx: Context, actor: Actor, route_id: int) -> None:
    """Remove a route. Raises Forbidden, NotFound."""
    with picture.changing(ctx, actor) as (tx, before):
        known = before.route(str(route_id))
        rows.delete(tx, "route", known.id)


def _named(network: Network, route: StaticRoute) -> str:
    source, destination = network.ends_of(route)
    return f"Route from {source.name} to {destination.name} through {route.gateway_ip}"


def _columns(before: Network, wish: RouteWish, known: StaticRoute | None) -> dict[str, object]:
    source = _subnet(before, "source", wish.source, known.source_id if known else None)
    destination = _subnet(before, "destination", wish.destination, known.destination_id if known else None)
    if source.id == destination.id:
        raise Invalid.field("destination", f"Machines in {source.name} are in it already; name another subnet.")
    if not wish.gateway_ip and known is None:
        raise Invalid.field("gateway_ip", f"A route needs its gateway_ip; give an address of {source.cidr}.")
    gateway = str(validation.address("gateway_ip", wish.gateway_ip or (known.gateway_ip if known else "")))
    for other in before.routes:
        same = (other.source_id, other.destination_id, other.gateway_ip) == (source.id, destination.id, gateway)
        if same and (known is None or other.id != known.id):
            raise Invalid.field(
                "gateway_ip", f"{_named(before, other)} exists already (id {other.id}); change that one."
            )
    metric = validation.number("metric", wish.metric, 0, MAX_METRIC) if wish.metric else known.metric if known else 0
    return {"source_id": source.id, "destination_id": destination.id, "gateway_ip": gateway, "metric": metric}


def _subnet(before: Network, field: str, specifier: str | None, otherwise: int | None) -> Subnet:
    if not specifier and otherwise is None:
        raise Invalid.field(field, f"A route needs its {field}; name a subnet by id, name or CIDR.")
    try:
        return before.subnet(specifier or str(otherwise))
    except NotFound as error:
        raise Invalid.field(field, error.message) from error
