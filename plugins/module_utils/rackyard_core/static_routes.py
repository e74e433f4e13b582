# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A static route between two subnets: what it should be, the plan that makes it so, and carrying that out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import RegionClient
from .plan import Action, Plan, differing

Row = Mapping[str, Any]


class BadRoute(ValueError):
    """The wish contradicts itself or what is there; the message names the route and the remedy."""


@dataclass(frozen=True)
class RouteWish:
    """A route as an operator declares it; subnets by name or CIDR. None means "leave it alone"."""

    source: str
    destination: str
    gateway_ip: str | None
    metric: int | None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> RouteWish:
        """From the options of module ``static_route``. Raises BadRoute for a malformed address."""
        text = options["gateway_ip"]
        try:
            gateway = None if text is None else str(ipaddress.ip_address(text))
        except ValueError as reason:
            raise BadRoute(f"gateway_ip '{text}' is no address ({reason}); write one of the source") from reason
        return cls(options["source"], options["destination"], gateway, options["metric"])

    def __str__(self) -> str:
        return f"route from {self.source} to {self.destination}"


@dataclass(frozen=True)
class RouteView:
    """The subnets that a wish names, None for one that is not there, and the routes between them."""

    source: Row | None
    destination: Row | None
    routes: Sequence[Row]

    @classmethod
    def read(cls, client: RegionClient, wish: RouteWish) -> RouteView:
        """What is there now."""
        subnets = client.get("subnets/")
        source, destination = (_subnet(subnets, text) for text in (wish.source, wish.destination))
        if source is None or destination is None:
            return cls(source, destination, ())
        wanted = (source["id"], destination["id"])
        routes = client.get("static-routes/")
        return cls(
            source, destination, [row for row in routes if (row["source"]["id"], row["destination"]["id"]) == wanted]
        )

    def check(self, wish: RouteWish, check_mode: bool) -> None:
        """Refuse what the region would refuse. Raises BadRoute.

        In check mode a subnet may be missing: another task may be to declare it first."""
        for text, row in ((wish.source, self.source), (wish.destination, self.destination)):
            if row is None and not check_mode:
                raise BadRoute(
                    f"There is no subnet {text} for the {wish}; declare it with module rackyard.metal.subnet"
                )
        if self.source is None or wish.gateway_ip is None:
            return
        if ipaddress.ip_address(wish.gateway_ip) not in ipaddress.ip_network(self.source["cidr"]):
            raise BadRoute(
                f"The {wish} leads through {wish.gateway_ip}, outside {self.source['cidr']}; correct gateway_ip"
            )

    def find(self, wish: RouteWish) -> Row | None:
        """The route through that gateway, else the only one there is. Raises BadRoute when several could be meant."""
        through = [row for row in self.routes if row["gateway_ip"] == wish.gateway_ip]
        if not through and len(self.routes) > 1:
            gateways = ", ".join(row["gateway_ip"] for row in self.routes)
            raise BadRoute(
                f"There is more than one {wish}, through {gateways}; name one of them by gateway_ip, or remove others"
            )
        return next(iter([*through, *self.routes]), None)


def _subnet(subnets: Sequence[Row], text: str) -> Row | None:
    return next((row for row in subnets if text in (row["name"], row["cidr"])), None)


def view_of(row: Row | None) -> dict[str, Any]:
    """A route in the module's words, empty for None."""
    if row is None:
        return {}
    return {
        "source": row["source"]["name"],
        "destination": row["destination"]["name"],
        "gateway_ip": row["gateway_ip"],
        "metric": row["metric"],
    }


def plan_present(view: Mapping[str, Any], wish: RouteWish) -> Plan:
    """Create or correct."""
    desired = {"gateway_ip": wish.gateway_ip, "metric": wish.metric}
    if view:
        changes = differing(view, desired)
        return Plan(view, {**view, **changes}, (Action("update", str(wish), changes),) if changes else ())
    made = {"source": wish.source, "destination": wish.destination, **desired, "metric": wish.metric or 0}
    return Plan({}, made, (Action("create", str(wish), made),))


def plan_absent(view: Mapping[str, Any], wish: RouteWish) -> Plan:
    """Remove."""
    return Plan(view, {}, (Action("delete", str(wish)),) if view else ())


def carry_out(client: RegionClient, view: RouteView, row: Row | None, wanted: Plan) -> None:
    """Do the plan's actions. Raises RegionRefused with the region's own words."""
    for action in wanted.actions:
        if row is None and view.source and view.destination:
            ends = {"source": view.source["id"], "destination": view.destination["id"]}
            client.post("static-routes/", **{**action.values, **ends})
        elif row and action.verb == "update":
            client.put(f"static-routes/{row['id']}/", **action.values)
        elif row:
            client.delete(f"static-routes/{row['id']}/")
