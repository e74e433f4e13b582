# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what, and what a refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from rackyard.region.db.racks.identity import Rack
from rackyard.region.db.site.accounts import Account
from rackyard.region.errors import Forbidden
from rackyard.region.services.site.authorisation import COMMAND_LINE, ROLES, Actor, Permission, Role, authorise

READER = Actor.of(Account(1, "reader", is_admin=False), frozenset())
ADMIN = Actor.of(Account(2, "root", is_admin=True), frozenset())
RACK = Rack(1, "abc123", "rack1")


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("about", [None, RACK, Account(1, "reader", is_admin=False)], ids=["all", "rack1", "reader"])
@pytest.mark.parametrize("actor", [ADMIN, COMMAND_LINE], ids=lambda actor: actor.name)
def test_administrators_and_the_command_line_may_do_everything(actor, permission, about) -> None:
    authorise(actor, permission, about)


@pytest.mark.parametrize(
    "permission", [each for each in Permission if each is not Permission.VIEW], ids=lambda permission: permission.name
)
def test_refusal_names_who_what_and_the_remedy(permission) -> None:
    with pytest.raises(Forbidden) as refused:
        authorise(READER, permission)
    assert refused.value.message == f"reader may not {permission.value}; use an administrator's key."


def test_refusal_names_the_machine_rack_or_account() -> None:
    with pytest.raises(Forbidden, match=r"may not enrol or revoke racks \(rack1\);"):
        authorise(READER, Permission.MANAGE_RACKS, RACK)
    with pytest.raises(Forbidden, match=r"of other accounts \(root\);"):
        authorise(READER, Permission.MANAGE_KEYS, Account(2, "root", is_admin=True))


def test_everybody_may_look_and_has_keys_of_ones_own() -> None:
    own = Account(1, "reader", is_admin=False)
    authorise(READER, Permission.VIEW)
    for permission in (
        Permission.MANAGE_FILES,
        Permission.MANAGE_KEYS,
        Permission.MANAGE_SSH_KEYS,
        Permission.SEE_ACCOUNTS,
        Permission.SET_PASSWORD,
    ):
        authorise(READER, permission, own)
    with pytest.raises(Forbidden):
        authorise(READER, Permission.MANAGE_ACCOUNTS, own)


def test_program_is_nobodys_account_even_when_an_account_has_its_name() -> None:
    program = Actor(COMMAND_LINE.name, account_id=None, is_admin=False)
    with pytest.raises(Forbidden):
        authorise(program, Permission.MANAGE_KEYS, Account(3, COMMAND_LINE.name, is_admin=False))
    assert program.username == ""
    assert READER.username == "reader"


def test_documentation_has_the_table_of_roles() -> None:
    page = (Path(__file__).parents[3] / "docs/operations.md").read_text(encoding="utf-8")
    columns = (Role.VIEWER, Role.ONESELF, Role.OWNER, Role.OPERATOR, Role.ADMINISTRATOR)
    assert set(columns) == set(Role)
    rows = [["may", *(role.value for role in columns)], ["---"] * 6]
    rows += [[each.value, *("yes" if each in ROLES[role] else "" for role in columns)] for each in Permission]
    shown = page.split("### Who may do what")[1].split("| may ")[1].split("\n\n")[0]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in f"| may {shown}".splitlines()] == rows
