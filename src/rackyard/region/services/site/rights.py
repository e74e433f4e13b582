# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of users, and who is operator of which resource pools. What a role may do is in `authorisation`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.machines import groups as pool_rows
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import rights as rows
from rackyard.region.db.site import users as user_rows
from rackyard.region.db.site.accounts import Account
from rackyard.region.db.site.rights import Grant, Holder, UserGroup
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import GRANTABLE, Actor, Permission, Role, authorise

# In place of a pool's name, which cannot be this: the machines of all pools, also of those that are yet to come.
ALL_POOLS = "*"


@dataclass(frozen=True)
class Standing:
    """What an account is in this site, its own grants, and the groups by which it may have more."""

    role: Role
    grants: Sequence[Grant]
    groups: Sequence[str]


def standings(ctx: Context, actor: Actor, accounts: Sequence[Account]) -> dict[int, Standing]:
    """What these accounts are, by their ids. Raises Forbidden."""
    with ctx.db.transaction() as tx:
        for account in accounts:
            authorise(actor, Permission.SEE_ACCOUNTS, account)
        given = rows.of_accounts(tx, [account.id for account in accounts])
    found = {}
    for account in accounts:
        # Somebody may have removed the account meanwhile.
        known = given.get(account.id) or rows.Given(account.id, (), (), False)
        role = Role.OPERATOR if known.grants or known.group_has_grants else Role.VIEWER
        found[account.id] = Standing(Role.ADMINISTRATOR if account.is_admin else role, known.grants, known.groups)
    return found


def list_groups(ctx: Context, actor: Actor) -> list[UserGroup]:
    """All groups by name. Raises Forbidden."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.SEE_ACCOUNTS)
        return rows.groups(tx)


def read_group(ctx: Context, actor: Actor, name: str) -> UserGroup:
    """One group. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.SEE_ACCOUNTS)
        return _group(tx, name)


def create_group(ctx: Context, actor: Actor, name: str, description: str) -> UserGroup:
    """A new group without members and rights. Raises Forbidden, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_RIGHTS)
        label = _free_name(tx, name)
        tx.run("site.rights.add_group", name=label, description=validation.text("description", description))
        return _group(tx, label)


def update_group(ctx: Context, actor: Actor, name: str, new_name: str | None, description: str | None) -> UserGroup:
    """Change what is given. Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        group = _locked(tx, actor, name)
        label = group.name if new_name is None or new_name.strip() == group.name else _free_name(tx, new_name)
        text = group.description if description is None else validation.text("description", description)
        if (label, text) != (group.name, group.description):
            tx.run("site.rights.update_group", id=group.id, name=label, description=text)
        return _group(tx, label)


def delete_group(ctx: Context, actor: Actor, name: str) -> None:
    """Remove a group; its members lose what they had by it. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        group = _locked(tx, actor, name)
        tx.run("site.rights.delete_group", id=group.id)


def set_members(ctx: Context, actor: Actor, name: str, usernames: Iterable[str], *, member: bool) -> UserGroup:
    """Put accounts in a group, or take them out: all of them or none. Who is so already stays so.

    Raises Forbidden, NotFound (the group), Invalid (an account)."""
    wanted = dict.fromkeys(usernames)
    with ctx.db.transaction() as tx:
        group = _locked(tx, actor, name)
        known = rows.account_ids(tx, wanted)
        missing = [username for username in wanted if username not in known]
        if missing or not wanted:
            which = validation.shown(missing[0]) if missing else "none is named"
            raise Invalid.field("username", f"There is no such account: {which}; GET users/ lists them.")
        for account_id in known.values():
            rows.set_member(tx, group.id, account_id, member)
        return _group(tx, group.name)


def set_of_group(ctx: Context, actor: Actor, name: str, grant: Grant, *, given: bool) -> bool:
    """Give a role to a group or take it; whether that changed something. Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        group = _locked(tx, actor, name)
        return _set(tx, Holder(group_id=group.id), grant, given)


def set_of_account(ctx: Context, actor: Actor, username: str, grant: Grant, *, given: bool) -> bool:
    """Give a role to an account or take it; whether that changed something. Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_RIGHTS)
        account = user_rows.lock(tx, username)
        if account is None:
            raise NotFound(f"There is no account {validation.shown(username)}; GET users/ lists them.")
        return _set(tx, Holder(account_id=account.id), grant, given)


def _set(tx: Transaction, holder: Holder, grant: Grant, given: bool) -> bool:
    if grant.role not in GRANTABLE:
        raise Invalid.field(
            "role",
            f"{validation.shown(grant.role)} cannot be given or taken; use {' or '.join(GRANTABLE)}. Administrators "
            "are made with is_superuser of users/NAME/, and everybody is a viewer.",
        )
    return rows.set_grant(tx, holder, grant.role, _pool_id(tx, grant.pool), given)


def _pool_id(tx: Transaction, name: str | None) -> int | None:
    if name == ALL_POOLS:
        return None
    if not name:
        raise Invalid.field("pool", f"Name a resource pool, or {ALL_POOLS} for all of them.")
    # By name only: an id that is mistyped would be another pool.
    for pool in pool_rows.all_of(tx, "pool"):
        if pool.name == name:
            return pool.id
    raise Invalid.field(
        "pool", f"There is no resource pool {validation.shown(name)}; list them with GET resourcepools/."
    )


def _locked(tx: Transaction, actor: Actor, name: str) -> UserGroup:
    authorise(actor, Permission.MANAGE_RIGHTS)
    group = rows.lock_group(tx, name)
    if group is None:
        raise _no_group(name)
    return group


def _group(tx: Transaction, name: str) -> UserGroup:
    found = rows.groups(tx, name)
    if not found:
        raise _no_group(name)
    return found[0]


def _no_group(name: str) -> NotFound:
    return NotFound(f"There is no user group {validation.shown(name)}; list them with GET usergroups/.")


def _free_name(tx: Transaction, name: str) -> str:
    label = validation.plain_name("name", name)
    if rows.groups(tx, label):
        raise Invalid.field("name", f"User group {label} exists already; choose another name.")
    return label
