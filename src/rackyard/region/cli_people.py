# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of `rackyard-region` for people's accounts. A password comes from standard input or a terminal: a command
line is seen by everybody on the host."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from getpass import getpass
from typing import Any

from rackyard.region.context import Context
from rackyard.region.errors import BadRequest
from rackyard.region.services.site import users
from rackyard.region.services.site.authorisation import COMMAND_LINE

Command = Callable[[str, Callable[[Context, argparse.Namespace], dict[str, Any]], str], argparse.ArgumentParser]


def add(command: Command) -> None:
    """Add them to the program."""
    command("users", _users, "list accounts")
    change = command("set-password", _set_password, "give an account the password of standard input's first line")
    change.add_argument("username", help="the account, as `users` lists it")


def _users(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        account.username: {"email": account.email, "is_superuser": account.is_admin}
        for account in users.list_all(ctx, COMMAND_LINE)
    }


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
