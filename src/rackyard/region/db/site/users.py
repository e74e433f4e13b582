# SPDX-License-Identifier: GPL-3.0-or-later
"""People's accounts as rows. The hash of a password is read by itself, and only where it is needed."""

from __future__ import annotations

from datetime import datetime

from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.site.accounts import Account


def every(tx: Transaction) -> list[Account]:
    """All accounts by name."""
    return [Account(**row) for row in tx.all("site.users.all")]


def lock(tx: Transaction, username: str) -> Account | None:
    """The account of this name; no machine becomes its own meanwhile."""
    row = tx.one("site.users.lock", username=username)
    return Account(**row) if row else None


def lock_administrators(tx: Transaction) -> list[int]:
    """The ids of all administrators, who stay so until the transaction ends."""
    return [row["id"] for row in tx.all("site.users.lock_administrators")]


def add(tx: Transaction, username: str, email: str, password_hash: str, *, is_admin: bool, now: datetime) -> Account:
    """A new account."""
    return _account(
        tx.one(
            "site.users.add", username=username, email=email, password_hash=password_hash, is_admin=is_admin, now=now
        )
    )


def change(tx: Transaction, account_id: int, email: str, *, is_admin: bool) -> Account:
    """Write an account's address and rights."""
    return _account(tx.one("site.users.change", account_id=account_id, email=email, is_admin=is_admin))


def password_hash(tx: Transaction, username: str) -> str | None:
    """The hash of an account's password; None without a password, or without an account."""
    row = tx.one("site.users.password_hash", username=username)
    return row["password_hash"] if row else None


def set_password_hash(tx: Transaction, account_id: int, value: str) -> None:
    """Store another one."""
    tx.run("site.users.set_password_hash", account_id=account_id, password_hash=value)


def hostnames(tx: Transaction, account_id: int) -> list[str]:
    """The machines that an account owns."""
    return [row["hostname"] for row in tx.all("site.users.hostnames", account_id=account_id)]


def hand_over(tx: Transaction, account_id: int, heir_id: int) -> None:
    """Give all machines of an account to another one."""
    tx.run("site.users.hand_over", account_id=account_id, heir_id=heir_id)


def delete(tx: Transaction, account_id: int) -> None:
    """Remove an account with its keys."""
    tx.run("site.users.delete", account_id=account_id)


def _account(row: Row | None) -> Account:
    assert row is not None
    return Account(**row)
