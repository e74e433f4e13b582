# SPDX-License-Identifier: GPL-3.0-or-later
"""`users/`: the accounts of this site.

MAAS has neither PUT nor op=change_password: there a person's address, rights and password are changed in its pages.
Roles that are given (op=grant, op=revoke) are ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request

from rackyard.region.api import user_groups
from rackyard.region.api.caller import address_of
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind
from rackyard.region.db.site.accounts import Account
from rackyard.region.services.site import rights, users
from rackyard.region.services.site.logins import Claim

collection = Resource("/users/", "Users", "The accounts of this site.")
one = Resource("/users/<username>/", "User", "One account.")


@collection.read()
def list_users(call: Call) -> list[dict[str, Any]]:
    """Every account, for administrators."""
    return _shapes(call, users.list_all(call.ctx, call.actor))


@collection.read("whoami")
def whoami(call: Call) -> dict[str, Any]:
    """Whose key signed the request."""
    return _shape(call, users.read(call.ctx, call.actor, call.actor.username))


@collection.create(takes={"username": Kind.TEXT, "email": Kind.TEXT, "password": Kind.TEXT, "is_superuser": Kind.FLAG})
def create_user(call: Call) -> dict[str, Any]:
    """A new account, which may log in with its password."""
    params = call.params
    account = users.add(
        call.ctx,
        call.actor,
        params.text("username") or "",
        params.text("password") or "",
        params.text("email") or "",
        is_admin=params.flag("is_superuser") or False,
    )
    return _shape(call, account)


@one.read()
def read_user(call: Call, username: str) -> dict[str, Any]:
    """One account: one's own, or any for administrators."""
    return _shape(call, users.read(call.ctx, call.actor, username))


@one.update(takes={"email": Kind.TEXT, "is_superuser": Kind.FLAG})
def update_user(call: Call, username: str) -> dict[str, Any]:
    """Change an account's mail address or rights."""
    email, is_admin = call.params.text("email"), call.params.flag("is_superuser")
    return _shape(call, users.change(call.ctx, call.actor, username, email, is_admin))


@one.delete(takes={"transfer_resources_to": Kind.TEXT})
def delete_user(call: Call, username: str) -> None:
    """Remove an account with its keys; what it owns or has reserved goes to the account named transfer_resources_to."""
    users.remove(call.ctx, call.actor, username, call.params.text("transfer_resources_to") or None)


@one.create("change_password", takes={"password": Kind.TEXT, "old_password": Kind.TEXT})
def change_password(call: Call, username: str) -> None:
    """Set a password: one's own with the one before as old_password, that of others as an administrator."""
    password, old = call.params.text("password") or "", call.params.text("old_password")
    claim = None if old is None else Claim(username, old, address_of(request))
    users.set_password(call.ctx, call.actor, username, password, claim)


@one.create("grant", takes=user_groups.GRANT)
def grant(call: Call, username: str) -> dict[str, Any]:
    """Make the account `role` (operator) of the resource pool `pool`, by name, or `*` for all pools."""
    rights.set_of_account(call.ctx, call.actor, username, user_groups.wished(call), given=True)
    return read_user(call, username)


@one.create("revoke", takes=user_groups.GRANT)
def revoke(call: Call, username: str) -> dict[str, Any]:
    """Take that from it. What it has by groups stays."""
    rights.set_of_account(call.ctx, call.actor, username, user_groups.wished(call), given=False)
    return read_user(call, username)


def _shape(call: Call, account: Account) -> dict[str, Any]:
    return _shapes(call, [account])[0]


def _shapes(call: Call, accounts: Sequence[Account]) -> list[dict[str, Any]]:
    """`role`, `grants` and `groups` are ours."""
    standings = rights.standings(call.ctx, call.actor, accounts)
    return [
        {
            "username": account.username,
            "email": account.email,
            "is_local": True,
            "is_superuser": account.is_admin,
            "role": standings[account.id].role.value,
            "grants": [user_groups.shown(known) for known in standings[account.id].grants],
            "groups": list(standings[account.id].groups),
            "resource_uri": f"{ROOT}/users/{account.username}/",
        }
        for account in accounts
    ]
