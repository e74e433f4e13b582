# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of `rackyard-region` for people's accounts and rights. A password comes from standard input or a terminal: a
command line is seen by everybody on the host."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from getpass import getpass
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.site.rights import Grant
from rackyard.region.errors import BadRequest
from rackyard.region.services.site import rights, users
from rackyard.region.services.site.authorisation import COMMAND_LINE, GRANTABLE, Role

Command = Callable[[str, Callable[[Context, argparse.Namespace], dict[str, Any]], str], argparse.ArgumentParser]


def add(command: Command) -> None:
    """Add them to the program."""
    command("users", _users, "list accounts")
    change = command("set-password", _set_password, "give an account the password of standard input's first line")
    change.add_argument("username", help="the account, as `users` lists it")
    command("rights", _rights, "list what accounts and user groups may do")
    for name, given, text in (
        ("grant", True, "give a role to an account or a user group"),
        ("revoke-grant", False, "take a role from an account or a user group"),
    ):
        added = command(name, _set_grant, text)
        added.set_defaults(given=given)
        added.add_argument("name", help="the account, or with --group the user group, as `rights` lists it")
        added.add_argument("role", choices=[*GRANTABLE, Role.ADMINISTRATOR.value])
        added.add_argument("--pool", help=f"resource pool that an operator may have, {rights.ALL_POOLS} for all")
        added.add_argument("--group", action="store_true", help="NAME is a user group, whose members get it")


def _users(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        account.username: {"email": account.email, "is_superuser": account.is_admin}
        for account in users.list_all(ctx, COMMAND_LINE)
    }


def _rights(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    accounts = users.list_all(ctx, COMMAND_LINE)
    standings = rights.standings(ctx, COMMAND_LINE, accounts)
    of_accounts = {
        account.username: {
            "role": standings[account.id].role.value,
            "grants": _shown(standings[account.id].grants),
            "groups": list(standings[account.id].groups),
        }
        for account in accounts
    }
    of_groups = {
        group.name: {"members": list(group.members), "grants": _shown(group.grants)}
        for group in rights.list_groups(ctx, COMMAND_LINE)
    }
    return {"accounts": of_accounts, "groups": of_groups}


def _shown(grants: Sequence[Grant]) -> list[str]:
    return [f"{grant.role} of {grant.pool or rights.ALL_POOLS}" for grant in grants]


def _set_grant(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    name, given = arguments.name, arguments.given
    if arguments.role == Role.ADMINISTRATOR.value:
        if arguments.group or arguments.pool is not None:
            raise BadRequest("An administrator is an account, and is so for all pools; leave out --group and --pool")
        before = users.read(ctx, COMMAND_LINE, name)
        after = users.change(ctx, COMMAND_LINE, name, None, given)
        return {"changed": before != after}
    change = rights.set_of_group if arguments.group else rights.set_of_account
    return {"changed": change(ctx, COMMAND_LINE, name, Grant(arguments.role, arguments.pool), given=given)}


def _set_password(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    users.set_password(ctx, COMMAND_LINE, arguments.username, _password())
    return {"changed": True, "username": arguments.username}


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("New password: ")
    if getpass("The same again: ") != password:
        raise BadRequest("The two passwords differ; nothing was changed")
    return password
