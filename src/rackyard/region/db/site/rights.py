# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of users, and roles that accounts and groups have been given, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rackyard.region.db.pool import Row, Transaction


class Held(NamedTuple):
    """A role that somebody has over the machines of a resource pool, or of all (None)."""

    role: str
    pool_id: int | None


class Grant(NamedTuple):
    """The same as people see it: by the pool's name."""

    role: str
    pool: str | None


@dataclass(frozen=True)
class UserGroup:
    """Accounts that have rights together. Members are user names."""

    id: int
    name: str
    description: str
    members: Sequence[str]
    grants: Sequence[Grant]


@dataclass(frozen=True)
class Given:
    """What an account has been given: by itself, and the groups that it is in."""

    account_id: int
    grants: Sequence[Grant]
    groups: Sequence[str]
    group_has_grants: bool


@dataclass(frozen=True)
class Holder:
    """Who has a role: an account, or a group."""

    account_id: int | None = None
    group_id: int | None = None


def held(tx: Transaction, account_id: int) -> frozenset[Held]:
    """The roles that an account has, by itself and through its groups."""
    return frozenset(Held(**row) for row in tx.all("site.rights.held", account_id=account_id))


def of_accounts(tx: Transaction, account_ids: Sequence[int]) -> dict[int, Given]:
    """What these accounts have been given, by their ids."""
    rows = tx.all("site.rights.of_accounts", account_ids=list(account_ids))
    return {row["account_id"]: Given(**_with_grants(row)) for row in rows}


def groups(tx: Transaction, name: str | None = None) -> list[UserGroup]:
    """All groups by name, or the one that has this name."""
    return [UserGroup(**_with_grants(row)) for row in tx.all("site.rights.groups", name=name)]


def lock_group(tx: Transaction, name: str) -> UserGroup | None:
    """The group of this name, which nobody changes until the transaction ends."""
    # Read once it is locked: who waited for the lock would see what was before.
    return groups(tx, name)[0] if tx.one("site.rights.lock_group", name=name) else None


def account_ids(tx: Transaction, usernames: Iterable[str]) -> dict[str, int]:
    """The accounts of these names, as far as there are any; they stay while the transaction lasts."""
    rows = tx.all("site.rights.account_ids", usernames=list(usernames))
    return {row["username"]: row["id"] for row in rows}


def set_member(tx: Transaction, group_id: int, account_id: int, member: bool) -> None:
    """Put an account in a group or take it out."""
    query = "site.rights.add_member" if member else "site.rights.remove_member"
    tx.run(query, group_id=group_id, account_id=account_id)


def set_grant(tx: Transaction, holder: Holder, role: str, pool_id: int | None, given: bool) -> bool:
    """Give a role or take it; whether that changed something."""
    query = "site.rights.grant" if given else "site.rights.revoke"
    whose = {"account_id": holder.account_id, "group_id": holder.group_id}
    return tx.run(query, **whose, role=role, pool_id=pool_id) > 0


def _with_grants(row: Row) -> Row:
    return {**row, "grants": [Grant(*pair) for pair in row["grants"]]}
