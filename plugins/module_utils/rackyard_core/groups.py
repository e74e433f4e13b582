# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones and resource pools in the region: find one, plan what makes it as wished, carry the plan out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .client import RegionClient
from .plan import Action, Plan, differing


@dataclass(frozen=True)
class Kind:
    """What is declared, and where the API has it: ``listing`` all of them, ``one`` each, by its id."""

    word: str
    listing: str
    one: str


ZONE = Kind("zone", "zones/", "zones/{}/")
POOL = Kind("resource pool", "resourcepools/", "resourcepool/{}/")


def plan_for(kind: Kind, current: Mapping[str, Any], name: str, state: str, description: str | None) -> Plan:
    """``current`` is empty when there is none of this name."""
    target = f"{kind.word} {name}"
    if state == "absent":
        return Plan(current, {}, (Action("delete", target),) if current else ())
    if not current:
        values = {"name": name, "description": description or ""}
        return Plan({}, values, (Action("create", target, values),))
    values = differing(current, {"description": description})
    return Plan(current, {**current, **values}, (Action("update", target, values),) if values else ())


def ensure(client: RegionClient, kind: Kind, options: Mapping[str, Any], check_mode: bool) -> tuple[Plan, Any]:
    """Read, decide, and act outside check mode; what was decided, and the object afterwards."""
    # The region drops spaces at the ends, and would be asked for the same each time.
    name = options["name"].strip()
    there = next((known for known in client.get(kind.listing) if known["name"] == name), None)
    current = {field: there[field] for field in ("name", "description")} if there else {}
    plan = plan_for(kind, current, name, options["state"], options.get("description"))
    if check_mode or not plan.changed:
        return plan, {**(there or {}), **plan.after} if plan.after else {}
    (action,) = plan.actions
    if action.verb == "create":
        return plan, client.post(kind.listing, **action.values)
    path = kind.one.format(quote(str(there["id"]))) if there else ""
    if action.verb == "update":
        return plan, client.put(path, **action.values)
    client.delete(path)
    return plan, {}
