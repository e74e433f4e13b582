# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts and API keys as rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rackyard.region.db.pool import Transaction
from rackyard.region.db.site.rights import Held


@dataclass(frozen=True)
class Account:
    """Somebody who may use the API."""

    id: int
    username: str
    is_admin: bool
    email: str = ""


@dataclass(frozen=True)
class KeyOwner:
    """An API key with its account and what that was given; only the hash of the secret is known."""

    account: Account
    consumer_key: str
    token_secret_sha256: bytes = field(repr=False)
    last_used_at: datetime | None
    held: frozenset[Held]


@dataclass(frozen=True)
class StoredKey:
    """What is known of an API key: all but its secret."""

    username: str
    name: str
    consumer_key: str
    token_key: str
    created_at: datetime
    last_used_at: datetime | None


def keys(tx: Transaction, username: str | None) -> list[StoredKey]:
    """The API keys of an account, or of all, oldest first."""
    return [StoredKey(**row) for row in tx.all("site.accounts.keys", username=username)]


def delete_key(tx: Transaction, token_key: str, username: str | None) -> StoredKey | None:
    """Remove an API key, of that account if one is named; what it was, None when there is none."""
    row = tx.one("site.accounts.delete_key", token_key=token_key, username=username)
    return StoredKey(**row) if row else None


def find(tx: Transaction, username: str) -> Account | None:
    """The account of this name."""
    row = tx.one("site.accounts.find", username=username)
    return Account(**row) if row else None


def add(tx: Transaction, username: str, is_admin: bool, now: datetime) -> Account:
    """A new account."""
    row = tx.one("site.accounts.add", username=username, is_admin=is_admin, now=now)
    assert row is not None
    return Account(**row)


def add_key(
    tx: Transaction,
    account_id: int,
    name: str,
    *,
    consumer_key: str,
    token_key: str,
    token_secret_sha256: bytes,
    now: datetime,
) -> None:
    """A new API key of an account."""
    tx.run(
        "site.accounts.add_key",
        account_id=account_id,
        name=name,
        consumer_key=consumer_key,
        token_key=token_key,
        token_secret_sha256=token_secret_sha256,
        now=now,
    )


def key_owner(tx: Transaction, token_key: str) -> KeyOwner | None:
    """The key with this token and whose it is."""
    row = tx.one("site.accounts.key_owner", token_key=token_key)
    if row is None:
        return None
    of_key = {name: row.pop(name) for name in ("consumer_key", "token_secret_sha256", "last_used_at")}
    held = frozenset(Held(*pair) for pair in row.pop("held"))
    return KeyOwner(Account(**row), **of_key, held=held)


def note_use(tx: Transaction, token_key: str, now: datetime) -> None:
    """A key was used. Nobody waits for that: neither for another request that notes it, nor for a standby."""
    tx.one("site.accounts.wait_for_no_disk")
    tx.run("site.accounts.note_use", token_key=token_key, now=now)


def delete_named_keys(tx: Transaction, account_id: int, name: str, keep: int) -> None:
    """Remove the keys of an account that have this name, but the newest."""
    tx.run("site.accounts.delete_named_keys", account_id=account_id, name=name, keep=keep)


def rename_key(tx: Transaction, account_id: int, token_key: str, name: str) -> bool:
    """Give a key of this account another name; whether there is such a key."""
    return tx.run("site.accounts.rename_key", account_id=account_id, token_key=token_key, name=name) > 0
