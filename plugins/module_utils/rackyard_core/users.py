# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's account in the region: what it should be, the plan that makes it so, and carrying that out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from . import rights
from .client import RegionClient, RegionRefused
from .plan import SECRET_AFTER, SECRET_BEFORE, Action, Plan, differing
from .wire import with_query

# The region's rules, so that check mode foretells what it would refuse.
_USERNAME = re.compile(r"[A-Za-z0-9@.+_-]{1,150}")
_PASSWORD_LENGTH = range(8, 513)


@dataclass(frozen=True)
class UserWish:
    """An account as an operator declares it. None means "leave it alone"."""

    username: str
    email: str | None = None
    is_superuser: bool | None = None
    grants: tuple[str, ...] | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> UserWish:
        """From the options of module ``user``. Raises ValueError for a name or a password that no account can have."""
        name, password = options["name"], options.get("password")
        if not _USERNAME.fullmatch(name) or not name.strip("."):
            raise ValueError(f"name: '{name}' cannot be a user name; use up to 150 letters, digits and @ . + - _")
        if password is not None and (len(password) not in _PASSWORD_LENGTH or not password.isprintable()):
            raise ValueError(
                f"password: that of {name} must have 8 to 512 characters, none of them a control character"
            )
        grants = rights.wished_grants(options.get("grants"))
        return cls(name, options.get("email"), options.get("is_superuser"), grants, password)


def plan_absent(view: Mapping[str, Any], username: str, heir: str | None) -> Plan:
    """Remove the account if it is there; its machines go to ``heir``."""
    values = {"transfer_resources_to": heir} if heir else {}
    return Plan(view, {}, (Action("delete", f"user {username}", values),) if view else ())


def plan_present(view: Mapping[str, Any], wish: UserWish, update_password: str) -> Plan:
    """Create or correct the account. The region tells no password, so with ``always`` one that is given is always set.

    Raises ValueError for a new account without a password."""
    if not view:
        return _with_grants(_plan_create(wish), wish)
    changes = differing(view, {"email": wish.email, "is_superuser": wish.is_superuser})
    before, after = dict(view), {**view, **changes}
    actions = [Action("update", f"user {wish.username}", changes)] if changes else []
    if wish.password is not None and update_password == "always":
        before["password"], after["password"] = SECRET_BEFORE, SECRET_AFTER
        actions.append(Action("set password of", f"user {wish.username}", {"password": wish.password}))
    return _with_grants(Plan(before, after, tuple(actions)), wish)


def _with_grants(plan: Plan, wish: UserWish) -> Plan:
    actions = rights.grant_actions(f"user {wish.username}", plan.before.get("grants", []), wish.grants)
    granted = {} if wish.grants is None else {"grants": list(wish.grants)}
    return Plan(plan.before, {**plan.after, **granted}, (*plan.actions, *actions))


def _plan_create(wish: UserWish) -> Plan:
    if wish.password is None:
        raise ValueError(f"There is no user {wish.username} yet; give the password of the new account")
    values = {"username": wish.username, "email": wish.email or "", "is_superuser": bool(wish.is_superuser)}
    action = Action("create", f"user {wish.username}", {**values, "password": wish.password})
    return Plan({}, {**values, "grants": [], "password": SECRET_AFTER}, (action,))


def user_view(user: Mapping[str, Any] | None) -> dict[str, Any]:
    """What can be decided on; empty for an account that is not there."""
    if user is None:
        return {}
    shown = {name: user[name] for name in ("username", "email", "is_superuser")}
    return {**shown, "grants": list(rights.in_words(user["grants"]))}


def user_path(username: str) -> str:
    """API path of one account."""
    return f"users/{quote(username, safe='')}/"


def find_user(client: RegionClient, username: str) -> dict[str, Any] | None:
    """The account as the API shows it, None when there is none."""
    try:
        found: dict[str, Any] = client.get(user_path(username))
    except RegionRefused as refusal:
        if refusal.status == 404:
            return None
        raise
    return found


def carry_out(client: RegionClient, username: str, plan: Plan) -> dict[str, Any] | None:
    """Do the plan's actions; the account afterwards, None when it is gone."""
    path = user_path(username)
    for action in plan.actions:
        if action.verb == "create":
            client.post("users/", **action.values)
        elif action.verb == "update":
            client.put(path, **action.values)
        elif action.verb == "delete":
            client.delete(with_query(path, action.values))
        elif not rights.carry_out_grant(client, path, action):
            client.post(path, "change_password", **action.values)
    return find_user(client, username)


def predicted(user: Mapping[str, Any] | None, plan: Plan) -> dict[str, Any] | None:
    """The account as check mode foresees it. What groups give to one that is no administrator any more is not known."""
    if not plan.after:
        return None
    known = user or {"is_local": True, "grants": [], "groups": []}
    changed = {name: plan.after[name] for name in plan.after if name not in ("grants", "password")}
    shown = {**known, **changed, "grants": rights.as_shown(plan.after["grants"])}
    if shown["is_superuser"]:
        return {**shown, "role": "administrator"}
    if shown["grants"]:
        return {**shown, "role": "operator"}
    by_groups = shown.get("role") if shown["groups"] and shown.get("role") != "administrator" else None
    return {**shown, "role": by_groups or "viewer"}
