# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DHCP snippet in the region: what it should be, the plan that makes it so, and carrying that out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .client import RegionClient
from .machine_lookup import get_machine
from .plan import Action, Plan, differing

Row = Mapping[str, Any]
SCOPES = ("node", "subnet", "ip_range")


class BadSnippet(ValueError):
    """The wish contradicts what is there; the message names the snippet and the remedy."""


@dataclass(frozen=True)
class Target:
    """What a snippet shall be for: the field of the API with the object's id, and the object's name; both are empty
    where it is for everything, and where that is left alone."""

    field: str = ""
    id: str = ""
    name: str = ""


def find(client: RegionClient, name: str) -> Row | None:
    """The snippet of that name, None when there is none."""
    return next((row for row in client.get("dhcp-snippets/") if row["name"] == name), None)


def view_of(row: Row | None) -> dict[str, Any]:
    """A snippet in the module's words, empty for None."""
    if row is None:
        return {}
    node, ip_range = row["node"], row["iprange"]
    # Of a range, the region shows the subnet, too.
    subnet = None if ip_range else row["subnet"]
    return {
        "name": row["name"],
        "value": row["value"],
        "description": row["description"],
        "enabled": row["enabled"],
        "node": node["hostname"] if node else "",
        "subnet": subnet["name"] if subnet else "",
        "ip_range": ip_range["start_ip"] if ip_range else "",
    }


def target(client: RegionClient, options: Mapping[str, Any]) -> Target | None:
    """What the options say that it shall be for, None when they say nothing. Raises BadSnippet, RegionRefused."""
    if options["node"]:
        return Target("node", get_machine(client, options["node"])["system_id"], options["node"])
    if options["subnet"]:
        for row in client.get("subnets/"):
            if options["subnet"] in (row["name"], row["cidr"]):
                return Target("subnet", str(row["id"]), row["name"])
        raise _missing(options, "subnet", options["subnet"])
    if options["ip_range"]:
        start = _address(options)
        for row in client.get("ipranges/"):
            if row["start_ip"] == start:
                return Target("ip_range", str(row["id"]), start)
        raise _missing(options, "IP range that begins with", start)
    return Target() if options["global_snippet"] else None


def plan_for(view: Mapping[str, Any], options: Mapping[str, Any], wanted: Target | None) -> Plan:
    """``view`` is empty when there is none of this name. Raises BadSnippet for a new one that says nothing."""
    name = options["name"].strip()
    label = f"DHCP snippet {name}"
    if options["state"] == "absent":
        return Plan(view, {}, (Action("delete", label),) if view else ())
    # As the region keeps it: else it would be asked for the same each time.
    value = None if options["value"] is None else options["value"].replace("\r\n", "\n").strip("\n")
    desired = {"value": value, "description": options["description"], "enabled": options["enabled"]}
    if wanted is not None:
        desired |= {scope: wanted.name if scope == wanted.field else "" for scope in SCOPES}
    if view:
        changes = differing(view, desired)
        return Plan(view, {**view, **changes}, (Action("update", label, changes),) if changes else ())
    if not value:
        raise BadSnippet(f"There is no {label}, and a new one needs its value; give the lines for dhcpd")
    empty = {"name": name, "description": "", "enabled": True, **dict.fromkeys(SCOPES, "")}
    made = {**empty, **{field: given for field, given in desired.items() if given is not None}}
    return Plan({}, made, (Action("create", label, made),))


def carry_out(client: RegionClient, row: Row | None, plan: Plan, wanted: Target | None) -> Row | None:
    """Do the plan's actions; the snippet afterwards. Raises RegionRefused with dhcpd's own words."""
    (action,) = plan.actions
    fields = {name: value for name, value in action.values.items() if name not in SCOPES}
    if wanted is not None and any(scope in action.values for scope in SCOPES):
        api_field = {"": "global_snippet", "ip_range": "iprange"}.get(wanted.field, wanted.field)
        fields[api_field] = wanted.id or True
    if row is None:
        return dict(client.post("dhcp-snippets/", **fields))
    path = f"dhcp-snippets/{row['id']}/"
    if action.verb == "update":
        return dict(client.put(path, **fields))
    client.delete(path)
    return None


def _address(options: Mapping[str, Any]) -> str:
    try:
        return str(ipaddress.ip_address(options["ip_range"]))
    except ValueError as reason:
        raise BadSnippet(
            f"ip_range '{options['ip_range']}' is no address ({reason}); write the range's first"
        ) from reason


def _missing(options: Mapping[str, Any], kind: str, what: str) -> BadSnippet:
    return BadSnippet(
        f"There is no {kind} {what} for DHCP snippet {options['name']}; declare it with module rackyard.metal.subnet"
    )
