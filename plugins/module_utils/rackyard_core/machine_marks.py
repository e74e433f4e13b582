# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people mark a machine with: plan its tags, its owner's texts, whether it is broken and whether it is
locked exactly as wished, carry that out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .client import RegionClient, RegionRefused
from .machine_lookup import machine_path
from .plan import Action, Plan

# What an action of this file begins with.
TAGGING = {"give": "add", "take": "remove"}
VERBS = (*TAGGING, "write")
# It names the operation in a request.
_RESERVED = "op"
_BROKEN = "Broken"


def wished_tags(given: Iterable[str] | None) -> tuple[str, ...] | None:
    """Option ``tags`` in the region's order, each once."""
    return None if given is None else tuple(sorted({text.strip() for text in given}))


def wished_owner_data(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Option ``owner_data`` as the region keeps it: texts, none of them empty. Raises ValueError for a bad name."""
    if given is None:
        return None
    if _RESERVED in given:
        raise ValueError(f"owner_data: the region keeps no text of the name '{_RESERVED}'; choose another name")
    texts = {str(name): _text(value) for name, value in given.items()}
    return {name: text for name, text in texts.items() if text}


def view(machine: Mapping[str, Any]) -> dict[str, Any]:
    """What can be decided on."""
    return {"tags": sorted(machine.get("tag_names") or ()), "owner_data": dict(machine.get("owner_data") or {})}


def with_marks(plan: Plan, hostname: str, tags: tuple[str, ...] | None, owner_data: Mapping[str, str] | None) -> Plan:
    """The plan of a machine that shall be there, and what makes its marks as wished; None leaves them alone."""
    target = f"machine {hostname}"
    after = dict(plan.after)
    actions = list(plan.actions)
    if tags is not None:
        current = plan.before.get("tags", [])
        actions += [Action("give", f"tag {tag} to {target}", {"tag": tag}) for tag in tags if tag not in current]
        actions += [Action("take", f"tag {tag} from {target}", {"tag": tag}) for tag in current if tag not in tags]
        after["tags"] = list(tags)
    if owner_data is not None:
        had = plan.before.get("owner_data", {})
        gone = {name: "" for name in had if name not in owner_data}
        changes = {**{name: text for name, text in owner_data.items() if had.get(name) != text}, **gone}
        if changes:
            actions.append(Action("write", f"owner_data of {target}", changes))
        after["owner_data"] = dict(owner_data)
    return Plan(plan.before, after, tuple(actions))


def require_tags(client: RegionClient, wished: Iterable[str]) -> None:
    """Raise RegionRefused, before anything is done, for a tag that the region does not have."""
    wanted = set(wished)
    missing = sorted(wanted - {tag["name"] for tag in client.get("tags/")}) if wanted else []
    if missing:
        raise RegionRefused(f"There is no tag '{', '.join(missing)}'; declare it with rackyard.metal.tag first", 404)


def carry_out(client: RegionClient, machine: Mapping[str, Any], action: Action) -> None:
    """Do one of this file's actions."""
    if action.verb == "write":
        client.post(machine_path(machine), op="set_owner_data", **action.values)
        return
    retag(client, action.values["tag"], action.verb, [machine["system_id"]])


def retag(client: RegionClient, tag: str, verb: str, system_ids: Sequence[str]) -> None:
    """Give a tag to all of these machines, or take it from them; when the region refuses, nothing is changed."""
    client.post(f"tags/{tag}/", op="update_nodes", **{TAGGING[verb]: list(system_ids)})


def plan_marks(machine: Mapping[str, Any], broken: bool | None, locked: bool | None) -> Plan:
    """The operations after which a machine of the API is as wished; None leaves it alone. Nothing changes while it is
    locked: the lock goes first and comes last."""
    before = {"broken": machine["status_name"] == _BROKEN, "locked": bool(machine["locked"])}
    wished = {name: value for name, value in (("broken", broken), ("locked", locked)) if value is not None}
    changes = {name: value for name, value in wished.items() if value != before[name]}
    marking = {True: "mark_broken", False: "mark_fixed"}
    verbs = [
        *(["unlock"] if changes.get("locked") is False else []),
        *([marking[changes["broken"]]] if "broken" in changes else []),
        *(["lock"] if changes.get("locked") else []),
    ]
    return Plan(before, {**before, **changes}, tuple(Action(verb, f"machine {machine['hostname']}") for verb in verbs))


def carry_out_marks(client: RegionClient, machine: Mapping[str, Any], plan: Plan, comment: str) -> dict[str, Any]:
    """Do that plan, each operation with the comment. The machine afterwards."""
    after = dict(machine)
    for action in plan.actions:
        after = client.post(machine_path(machine), op=action.verb, comment=comment)
    return after


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
