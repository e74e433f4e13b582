# SPDX-License-Identifier: GPL-3.0-or-later
"""`users/`: the accounts of this site.

MAAS has neither PUT nor op=change_password: there a person's address, rights and password are changed in its pages."""

from __future__ import annotations

from typing import Any

from flask import request

from rackyard.region.api.caller import address_of
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind
from rackyard.region.db.site.accounts import Account
from rackyard.region.services.site import users
from rackyard.region.services.site.logins import Claim

collection = Resource("/users/", "Users", "The accounts of this site.")
one = Resource("/users/<username>/", "User", "One account.")


@collection.read()
def list_users(call: Call) -> list[dict[str, Any]]:
    """Every account, for administrators."""
    return [_shape(account) for account in users.list_all(call.ctx, call.actor)]


@collection.read("whoami")
def whoami(call: Call) -> dict[str, Any]:
    """Whose key signed the request."""
    return _shape(users.read(call.ctx, call.actor, call.actor.username))


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
    return _shape(account)


@one.read()
def read_user(call: Call, username: str) -> dict[str, Any]:
    """One account: one's own, or any for administrators."""
    return _shape(users.read(call.ctx, call.actor, username))


@one.update(takes={"email": Kind.TEXT, "is_superuser": Kind.FLAG})
def update_user(call: Call, username: str) -> dict[str, Any]:
    """Change an account's mail address or rights."""
    email, is_admin = call.params.text("email"), call.params.flag("is_superuser")
    return _shape(users.change(call.ctx, call.actor, username, email, is_admin))


@one.delete(takes={"transfer_resources_to": Kind.TEXT})
def delete_user(call: Call, username: str) -> None:
    """Remove an account with its keys; machines that it owns go to the account named transfer_resources_to."""
    users.remove(call.ctx, call.actor, username, call.params.text("transfer_resources_to") or None)


@one.create("change_password", takes={"password": Kind.TEXT, "old_password": Kind.TEXT})
def change_password(call: Call, username: str) -> None:
    """Set a password: one's own with the one before as old_password, that of others as an administrator."""
    password, old = call.params.text("password") or "", call.params.text("old_password")
    claim = None if old is None else Claim(username, old, address_of(request))
    users.set_password(call.ctx, call.actor, username, password, claim)


def _shape(account: Account) -> dict[str, Any]:
    return {
        "username": account.username,
        "email": account.email,
        "is_local": True,
        "is_superuser": account.is_admin,
        "resource_uri": f"{ROOT}/users/{account.username}/",
    }
