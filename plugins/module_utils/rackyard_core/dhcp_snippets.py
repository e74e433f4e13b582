# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP snippets: for everything, or for a machine, a subnet or an IP range, which an operator names."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from .client import RegionClient
from .declared import Kind
from .machine_lookup import get_machine

Row = Mapping[str, Any]
Values = Mapping[str, Any]
SCOPES = ("node", "subnet", "ip_range")


def dhcp_snippet_kind(client: RegionClient) -> Kind:
    """Snippets with the names of what they are for; what is not there is refused, in check mode as well."""

    def wish(options: Values) -> dict[str, Any]:
        wanted = {**options, "name": options["name"].strip()}
        if wanted["value"] is not None:
            # As the region keeps it: else it would be asked for the same each time.
            wanted["value"] = wanted["value"].replace("\r\n", "\n").strip("\n")
        if wanted["state"] == "present" and (wanted["global_snippet"] or any(wanted[scope] for scope in SCOPES)):
            wanted |= {**dict.fromkeys(SCOPES, ""), **_target(client, wanted)[1]}
        return wanted

    def form(values: Values) -> dict[str, Any]:
        fields = {name: value for name, value in values.items() if name not in SCOPES}
        return fields | (_target(client, values)[0] if len(fields) < len(values) else {})

    return Kind(
        word="DHCP snippet",
        listing="dhcp-snippets/",
        one="dhcp-snippets/{id}/",
        required=("value",),
        new={"value": None, "description": "", "enabled": True, **dict.fromkeys(SCOPES, "")},
        view=_view,
        form=form,
        wish=wish,
    )


def _view(row: Row) -> dict[str, Any]:
    node, ip_range = row["node"], row["iprange"]
    # Of a range, the region shows the subnet, too.
    subnet = None if ip_range else row["subnet"]
    return {
        **row,
        "node": node["hostname"] if node else "",
        "subnet": subnet["name"] if subnet else "",
        "ip_range": ip_range["start_ip"] if ip_range else "",
    }


def _target(client: RegionClient, values: Values) -> tuple[dict[str, Any], dict[str, str]]:
    """What it is for, as the API takes it and by name. Raises ValueError, RegionRefused for what is not there."""
    if values.get("node"):
        return {"node": get_machine(client, values["node"])["system_id"]}, {"node": values["node"]}
    if values.get("subnet"):
        for row in client.get("subnets/"):
            if values["subnet"] in (row["name"], row["cidr"]):
                return {"subnet": row["id"]}, {"subnet": row["name"]}
        raise _missing("subnet", values["subnet"])
    if values.get("ip_range"):
        start = _address(values["ip_range"])
        for row in client.get("ipranges/"):
            if row["start_ip"] == start:
                return {"iprange": row["id"]}, {"ip_range": start}
        raise _missing("IP range that begins with", start)
    return {"global_snippet": True}, {}


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as reason:
        raise ValueError(f"ip_range '{text}' is no address ({reason}); write the range's first") from reason


def _missing(kind: str, what: str) -> ValueError:
    return ValueError(f"There is no {kind} {what} for the DHCP snippet; declare it with module rackyard.metal.subnet")
