# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API keys of the account whose key is used: which there are of a name, and the plan that makes or ends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .client import RegionClient
from .plan import Action, Plan


def keys_of(client: RegionClient, name: str) -> list[dict[str, Any]]:
    """The keys of that name, without their secrets."""
    return [key for key in client.get("account/", "list_authorisation_tokens") if key["name"] == name]


def plan_for(known: Sequence[Mapping[str, Any]], name: str, state: str) -> Plan:
    """Make a key where there is none of the name, or end all that there are."""
    target, count = f"API key {name}", {"name": name, "keys": len(known)}
    if state == "absent":
        ends = tuple(
            Action("delete", f"{target} ({key['token_key']})", {"token_key": key["token_key"]}) for key in known
        )
        return Plan(count if known else {}, {}, ends)
    if known:
        return Plan(count, count)
    return Plan({}, {"name": name, "keys": 1}, (Action("create", target, {"name": name}),))


def carry_out(client: RegionClient, plan: Plan) -> str | None:
    """Do the plan's actions; the text form of a key that was made."""
    secret = None
    for action in plan.actions:
        if action.verb == "create":
            made = client.post("account/", "create_authorisation_token", **action.values)
            secret = f"{made['consumer_key']}:{made['token_key']}:{made['token_secret']}"
        else:
            client.post("account/", "delete_authorisation_token", **action.values)
    return secret
