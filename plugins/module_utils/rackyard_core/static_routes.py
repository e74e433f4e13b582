# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static routes between two subnets, which an operator names or gives the CIDR of."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from .client import RegionClient
from .declared import Kind

Row = Mapping[str, Any]
Values = Mapping[str, Any]
_ENDS = ("source", "destination")


def static_route_kind(client: RegionClient) -> Kind:
    """Routes by the subnets' names. A subnet may be missing in check mode: another task may be to declare it first."""
    subnets: Sequence[Row] = client.get("subnets/")

    def find(text: str) -> Row:
        return next((row for row in subnets if text in (row["name"], row["cidr"])), {})

    def wish(options: Values) -> dict[str, Any]:
        named = {**options, **{end: find(options[end]).get("name", options[end]) for end in _ENDS}}
        if named["gateway_ip"] is not None:
            named["gateway_ip"] = str(_gateway(named, find(options["source"]).get("cidr")))
        return named

    def form(values: Values) -> dict[str, Any]:
        given = dict(values)
        for end in _ENDS:
            if end in values:
                given[end] = _there(find(values[end]), values[end], values)["id"]
        return given

    return Kind(
        word="route",
        listing="static-routes/",
        one="static-routes/{id}/",
        key=_ENDS,
        new={"gateway_ip": None, "metric": 0},
        view=_view,
        form=form,
        wish=wish,
        label=_label,
        chosen=_chosen,
    )


def _view(row: Row) -> dict[str, Any]:
    return {**row, **{end: row[end]["name"] for end in _ENDS}}


def _label(values: Values) -> str:
    return f"from {values['source']} to {values['destination']}"


def _chosen(wish: Values, routes: Sequence[Values]) -> int:
    """The route through that gateway, else the only one there is."""
    gateways = [route["gateway_ip"] for route in routes]
    if wish["gateway_ip"] in gateways:
        return gateways.index(wish["gateway_ip"])
    if len(gateways) > 1:
        raise ValueError(
            f"There is more than one route {_label(wish)}, through {', '.join(gateways)}; "
            "name one of them by gateway_ip, or remove others"
        )
    return 0


def _gateway(wish: Values, cidr: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    text = wish["gateway_ip"]
    try:
        gateway = ipaddress.ip_address(text)
    except ValueError as reason:
        raise ValueError(f"gateway_ip '{text}' is no address ({reason}); write one of the source") from reason
    if wish["state"] == "present" and cidr and gateway not in ipaddress.ip_network(cidr):
        raise ValueError(f"The route {_label(wish)} leads through {gateway}, outside {cidr}; correct gateway_ip")
    return gateway


def _there(row: Row, text: str, values: Values) -> Row:
    if not row:
        raise ValueError(
            f"There is no subnet {text} for the route {_label(values)}; declare it with module rackyard.metal.subnet"
        )
    return row
