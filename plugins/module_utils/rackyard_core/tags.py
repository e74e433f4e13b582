# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags in the region: what they say and which machines have them; plan what makes one as wished, carry the plan out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import RegionClient, RegionRefused
from .machine_lookup import no_such_machines
from .plan import Action, Plan, differing

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,256}")
_FIELDS = "system_id,hostname"
_SHOWN = 10

# Host names by system_id.
Members = Mapping[str, str]


@dataclass(frozen=True)
class TagWish:
    """A tag as an operator declares it. None means "leave it alone"; the machines are all that shall have it."""

    name: str
    comment: str | None = None
    kernel_opts: str | None = None
    definition: str | None = None
    machines: tuple[str, ...] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> TagWish:
        """From the options of module ``tag``. Raises ValueError for what the region would refuse."""
        name, kernel_opts, given = options["name"], options.get("kernel_opts"), options.get("machines")
        definition = options.get("definition")
        if definition and definition.strip() and given is not None:
            raise ValueError("machines: which machines have the tag its definition decides; give one of both")
        if not _NAME.fullmatch(name):
            raise ValueError(f"name: '{name}' cannot be a tag; use up to 256 letters, digits, - and _ characters")
        return cls(
            name=name,
            comment=options.get("comment"),
            # As the region keeps them, whatever stands between the words.
            kernel_opts=None if kernel_opts is None else " ".join(kernel_opts.split()),
            definition=None if definition is None else definition.strip(),
            machines=None if given is None else tuple(dict.fromkeys(text.strip().lower() for text in given)),
        )


@dataclass(frozen=True)
class TagView:
    """A tag as the region has it, and the machines that have it; no ``tag`` where there is none."""

    tag: Mapping[str, Any] | None
    members: Members

    def shown(self) -> dict[str, Any]:
        """What module ``tag`` can decide on; empty for a tag that is not there."""
        if self.tag is None:
            return {}
        values = {name: self.tag[name] or "" for name in ("name", "comment", "definition", "kernel_opts")}
        # A region of the release before does not tell it.
        fault = self.tag.get("definition_fault", "")
        return {**values, "definition_fault": fault, "machines": sorted(self.members.values())}


def observe(client: RegionClient, name: str) -> TagView:
    """The tag of that name."""
    try:
        tag = client.get(_path(name))
    except RegionRefused as refusal:
        if refusal.status != 404:
            raise
        return TagView(None, {})
    return TagView(tag, _members(client.every("machines/", tags=name, fields=_FIELDS)))


def find_members(client: RegionClient, given: Sequence[str]) -> Members:
    """Machines by host name or system_id. Raises RegionRefused for what is neither."""
    found = dict(_members(client.matching("machines/", "hostname", given, fields=_FIELDS)))
    others = [text for text in given if text not in found.values()]
    found |= _members(client.matching("machines/", "id", others, fields=_FIELDS))
    missing = [text for text in others if text not in found]
    if missing:
        raise no_such_machines(client, sorted(missing))
    return found


def plan_absent(view: TagView, name: str) -> Plan:
    """Remove the tag if it is there."""
    before = view.shown()
    return Plan(before, {}, (Action("delete", f"tag {name}"),) if before else ())


def plan_present(view: TagView, wish: TagWish, wished: Members | None, *, purge: bool = True) -> Plan:
    """Create or correct the tag; ``wished`` are the machines that the wish names, None to leave them alone.

    Without ``purge`` the machines that have the tag already keep it."""
    before = view.shown()
    values = {"comment": wish.comment, "definition": wish.definition, "kernel_opts": wish.kernel_opts}
    actions: list[Action] = []
    if not before:
        made = {"name": wish.name, **{name: value or "" for name, value in values.items()}}
        actions.append(Action("create", f"tag {wish.name}", made))
        after = {**made, "definition_fault": "", "machines": []}
    else:
        changes = differing(before, values)
        if changes:
            actions.append(Action("update", f"tag {wish.name}", changes))
        after = {**before, **changes, **({"definition_fault": ""} if "definition" in changes else {})}
    if wished is not None:
        wished = wished if purge else {**view.members, **wished}
        actions += _moves(wish.name, view.members, wished)
        after["machines"] = sorted(wished.values())
    return Plan(before, after, tuple(actions))


def carry_out(client: RegionClient, name: str, plan: Plan) -> None:
    """Do the plan's actions."""
    for action in plan.actions:
        if action.verb == "create":
            client.post("tags/", **action.values)
        elif action.verb == "update":
            client.put(_path(name), **action.values)
        elif action.verb == "delete":
            client.delete(_path(name))
        else:
            client.post(_path(name), op="update_nodes", **action.values)


def _moves(name: str, current: Members, wished: Members) -> list[Action]:
    new = {system_id: wished[system_id] for system_id in wished if system_id not in current}
    old = {system_id: current[system_id] for system_id in current if system_id not in wished}
    moves = []
    if new:
        moves.append(Action("give", f"tag {name} to {_listed(new)}", {"add": sorted(new)}))
    if old:
        moves.append(Action("take", f"tag {name} from {_listed(old)}", {"remove": sorted(old)}))
    return moves


def _listed(members: Members) -> str:
    names = sorted(members.values())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _members(machines: Sequence[Mapping[str, Any]]) -> Members:
    return {machine["system_id"]: machine["hostname"] for machine in machines}


def _path(name: str) -> str:
    return f"tags/{name}/"
