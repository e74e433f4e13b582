# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A space: what it should be, the plan that makes it so, and carrying that out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import RegionClient
from .plan import Action, Plan, differing

# Where MAAS shows VLANs that have no space.
UNDEFINED = "undefined"


class BadSpace(ValueError):
    """The wish cannot be fulfilled; the message names the space and the remedy."""


def read(client: RegionClient, name: str) -> Mapping[str, Any]:
    """The API's object of that name, empty when there is none."""
    return next((row for row in client.get("spaces/") if row["name"] == name), {})


def view_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A space in the module's words, empty for an empty row."""
    if not row:
        return {}
    vlans = [f"{vlan['fabric']}/{vlan['vid']}" for vlan in row["vlans"]]
    return {"name": row["name"], "description": row["description"], "vlans": vlans}


def plan(view: Mapping[str, Any], name: str, state: str, description: str | None) -> Plan:
    """Create, correct or remove. A description of None leaves it alone. Raises BadSpace."""
    if name == UNDEFINED:
        raise BadSpace(f"The space {UNDEFINED} is that of VLANs without a space; it is always there as it is")
    if state == "absent":
        return Plan(view, {}, (Action("delete", f"space {name}"),) if view else ())
    if not view:
        made = {"name": name, "description": description or ""}
        return Plan({}, {**made, "vlans": []}, (Action("create", f"space {name}", made),))
    changes = differing(view, {"description": description})
    return Plan(view, {**view, **changes}, (Action("update", f"space {name}", changes),) if changes else ())


def carry_out(client: RegionClient, row: Mapping[str, Any], wanted: Plan) -> None:
    """Do the plan's actions. Raises RegionRefused with the region's own words."""
    for action in wanted.actions:
        if action.verb == "create":
            client.post("spaces/", **action.values)
        elif action.verb == "update":
            client.put(f"spaces/{row['id']}/", **action.values)
        else:
            client.delete(f"spaces/{row['id']}/")
