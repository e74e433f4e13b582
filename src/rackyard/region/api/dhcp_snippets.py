# SPDX-License-Identifier: GPL-3.0-or-later
"""`dhcp-snippets/`."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.network.dhcp_snippets import Scope, Snippet
from rackyard.region.services.network import dhcp_snippets
from rackyard.region.services.network.dhcp_snippets import Known, Wish

snippet_collection = Resource("/dhcp-snippets/", "DHCPSnippets", "All DHCP snippets.")
one_snippet = Resource("/dhcp-snippets/<int:snippet_id>/", "DHCPSnippet", "One DHCP snippet, by id.", snippet_id="id")

_SNIPPET: Takes = {
    "name": Kind.TEXT,
    "value": Kind.TEXT,
    "description": Kind.TEXT,
    "enabled": Kind.FLAG,
    "node": Kind.TEXT,
    "subnet": Kind.TEXT,
    "iprange": Kind.TEXT,
    "global_snippet": Kind.FLAG,
}


@snippet_collection.read()
def list_snippets(call: Call) -> list[dict[str, Any]]:
    """Every snippet with its history."""
    known = dhcp_snippets.read(call.ctx, call.actor)
    return [_shape(snippet, known) for snippet in known.snippets]


@snippet_collection.create(takes=_SNIPPET)
def create_snippet(call: Call) -> dict[str, Any]:
    """A new snippet, for everything unless a node, subnet or range is named. A rack's dhcpd judges it before."""
    made = dhcp_snippets.create(call.ctx, call.actor, _wish(call.params))
    return _read(call, made)


@one_snippet.read()
def read_snippet(call: Call, snippet_id: int) -> dict[str, Any]:
    """One snippet."""
    return _read(call, snippet_id)


@one_snippet.update(takes=_SNIPPET)
def update_snippet(call: Call, snippet_id: int) -> dict[str, Any]:
    """Change a snippet. A rack's dhcpd judges it before."""
    dhcp_snippets.update(call.ctx, call.actor, snippet_id, _wish(call.params))
    return _read(call, snippet_id)


@one_snippet.create("revert", takes={"to": Kind.TEXT})
def revert_snippet(call: Call, snippet_id: int) -> dict[str, Any]:
    """Let it say again what it said: `to` is the id of an entry of its history, or a negative number of steps back."""
    dhcp_snippets.revert(call.ctx, call.actor, snippet_id, call.params.text("to"))
    return _read(call, snippet_id)


@one_snippet.delete()
def delete_snippet(call: Call, snippet_id: int) -> None:
    """Remove a snippet with its history."""
    dhcp_snippets.delete(call.ctx, call.actor, snippet_id)


def _wish(params: Params) -> Wish:
    return Wish(
        name=params.text("name"),
        value=params.text("value"),
        description=params.text("description"),
        enabled=params.flag("enabled"),
        node=params.text("node"),
        subnet=params.text("subnet"),
        iprange=params.text("iprange"),
        global_snippet=params.flag("global_snippet"),
    )


def _read(call: Call, snippet_id: int) -> dict[str, Any]:
    known = dhcp_snippets.read(call.ctx, call.actor)
    return _shape(known.one(snippet_id), known)


def _shape(snippet: Snippet, known: Known) -> dict[str, Any]:
    return {
        "id": snippet.id,
        "name": snippet.name,
        "value": snippet.value,
        "description": snippet.description,
        "enabled": snippet.enabled,
        **_scope(snippet.scope, known),
        "global_snippet": snippet.scope.is_global,
        "history": [
            {"id": each.id, "value": each.value, "created": each.created_at.isoformat()}
            for each in known.history[snippet.id]
        ],
        "resource_uri": f"{ROOT}/dhcp-snippets/{snippet.id}/",
    }


def _scope(scope: Scope, known: Known) -> dict[str, Any]:
    """What it is for; a range is shown with its subnet."""
    network = known.network
    ip_range = None if scope.ip_range_id is None else network.range(str(scope.ip_range_id))
    subnet_id = scope.subnet_id if ip_range is None else ip_range.subnet_id
    subnet = None if subnet_id is None else network.subnet(str(subnet_id))
    node = None
    if scope.system_id is not None:
        uri = f"{ROOT}/machines/{scope.system_id}/"
        node = {"system_id": scope.system_id, "hostname": scope.hostname, "resource_uri": uri}
    return {
        "node": node,
        "subnet": None if subnet is None else shapes.subnet(subnet, network.vlan_of(subnet)),
        "iprange": None if ip_range is None else shapes.ip_range(ip_range, network),
    }
