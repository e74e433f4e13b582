# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of users, and the roles that groups and accounts are given: plan what makes them as wished, carry it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .client import RegionClient, RegionRefused
from .plan import Action, Plan, differing

ROLES = ("operator",)
# An operation of the API as a plan names it, and the other way round.
_GRANT, _REVOKE, _ADD, _REMOVE = "grant", "revoke", "add", "remove"


@dataclass(frozen=True)
class GroupWish:
    """A group as an operator declares it. None means "leave it alone"; members and grants are all that it has then."""

    name: str
    description: str | None = None
    members: tuple[str, ...] | None = None
    grants: tuple[str, ...] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> GroupWish:
        """From the options of module ``user_group``."""
        members = options.get("members")
        return cls(
            name=options["name"].strip(),
            description=options.get("description"),
            members=None if members is None else tuple(sorted(set(members))),
            grants=wished_grants(options.get("grants")),
        )


def wished_grants(given: Sequence[Mapping[str, str]] | None) -> tuple[str, ...] | None:
    """Each grant in words, such as ``operator of web``; None is left alone."""
    return None if given is None else in_words(given)


def in_words(grants: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """The API's grants, or those of an option, each in words."""
    return tuple(sorted({f"{grant['role']} of {grant['pool']}" for grant in grants}))


def as_shown(grants: Iterable[str]) -> list[dict[str, str]]:
    """Grants in words as the API shows them."""
    return [_form(grant) for grant in grants]


def grant_actions(target: str, current: Sequence[str], wished: Sequence[str] | None) -> list[Action]:
    """What gives somebody these grants and no others. What is given comes first: nobody is without for a moment."""
    if wished is None:
        return []
    new = [grant for grant in wished if grant not in current]
    old = [grant for grant in current if grant not in wished]
    return [
        *(Action(_GRANT, f"{grant} to {target}", _form(grant)) for grant in new),
        *(Action(_REVOKE, f"{grant} from {target}", _form(grant)) for grant in old),
    ]


def carry_out_grant(client: RegionClient, path: str, action: Action) -> bool:
    """Do a grant or the end of one on the account or group at ``path``; whether the action was one of these."""
    if action.verb not in (_GRANT, _REVOKE):
        return False
    client.post(path, action.verb, **action.values)
    return True


def find_group(client: RegionClient, name: str) -> dict[str, Any] | None:
    """The group as the API shows it, None when there is none."""
    try:
        found: dict[str, Any] = client.get(_path(name))
    except RegionRefused as refusal:
        if refusal.status == 404:
            return None
        raise
    return found


def group_view(group: Mapping[str, Any] | None) -> dict[str, Any]:
    """What module ``user_group`` can decide on; empty for a group that is not there."""
    if group is None:
        return {}
    return {
        "name": group["name"],
        "description": group["description"],
        "members": sorted(group["members"]),
        "grants": list(in_words(group["grants"])),
    }


def plan_absent(view: Mapping[str, Any], name: str) -> Plan:
    """Remove the group if it is there."""
    return Plan(view, {}, (Action("delete", f"user group {name}"),) if view else ())


def plan_present(view: Mapping[str, Any], wish: GroupWish) -> Plan:
    """Create or correct the group, then who is in it, then what they may."""
    target = f"user group {wish.name}"
    current = view or {"name": wish.name, "description": wish.description or "", "members": [], "grants": []}
    changes = differing(current, {"description": wish.description})
    actions: list[Action] = []
    if not view:
        actions.append(
            Action("create", target, {"name": wish.name, "description": current["description"]}),
        )
    elif changes:
        actions.append(Action("update", target, changes))
    actions += _member_actions(target, current["members"], wish.members)
    actions += grant_actions(target, current["grants"], wish.grants)
    after = {
        **current,
        **changes,
        **({} if wish.members is None else {"members": list(wish.members)}),
        **({} if wish.grants is None else {"grants": list(wish.grants)}),
    }
    return Plan(view, after, tuple(actions))


def carry_out(client: RegionClient, name: str, plan: Plan) -> dict[str, Any] | None:
    """Do the plan's actions; the group afterwards, None when it is gone."""
    path = _path(name)
    doing: Mapping[str, Callable[[Action], Any]] = {
        "create": lambda action: client.post("usergroups/", **action.values),
        "update": lambda action: client.put(path, **action.values),
        "delete": lambda action: client.delete(path),
        _ADD: lambda action: client.post(path, "add_member", **action.values),
        _REMOVE: lambda action: client.post(path, "remove_member", **action.values),
    }
    for action in plan.actions:
        if not carry_out_grant(client, path, action):
            doing[action.verb](action)
    return find_group(client, name)


def _member_actions(target: str, current: Sequence[str], wished: Sequence[str] | None) -> list[Action]:
    if wished is None:
        return []
    new = [name for name in wished if name not in current]
    old = [name for name in current if name not in wished]
    return [
        *([Action(_ADD, f"{', '.join(new)} to {target}", {"username": new})] if new else []),
        *([Action(_REMOVE, f"{', '.join(old)} from {target}", {"username": old})] if old else []),
    ]


def _form(grant: str) -> dict[str, str]:
    role, _of, pool = grant.partition(" of ")
    return {"role": role, "pool": pool}


def _path(name: str) -> str:
    return f"usergroups/{quote(name, safe='')}/"
