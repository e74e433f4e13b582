# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications to people as rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Said:
    """What a notification says, and to whom: one account, all that are no administrators, all administrators."""

    ident: str | None
    account_id: int | None
    users: bool
    admins: bool
    message: str
    context: dict[str, Any]
    category: str
    dismissable: bool


@dataclass(frozen=True)
class Notification:
    """One notification, as an account finds it; `username` is that of its account."""

    id: int
    said: Said
    username: str | None
    is_dismissed: bool


def lock(tx: Transaction) -> None:
    """One change of notifications at a time."""
    tx.run("site.notifications.lock")


def every(tx: Transaction, account_id: int | None) -> list[Notification]:
    """All notifications by id, with what that account has dismissed."""
    found = []
    for row in tx.all("site.notifications.all", account_id=account_id):
        own = {name: row.pop(name) for name in ("id", "username", "is_dismissed")}
        found.append(Notification(said=Said(**row), **own))
    return found


def add(tx: Transaction, said: Said, now: datetime) -> int:
    """A new notification; its id."""
    row = tx.one("site.notifications.add", now=now, **_columns(said))
    assert row is not None
    return int(row["id"])


def update(tx: Transaction, notification_id: int, said: Said, now: datetime) -> None:
    """It says something else now, which nobody has dismissed."""
    tx.run("site.notifications.update", id=notification_id, now=now, **_columns(said))
    tx.run("site.notifications.show_again", id=notification_id)


def dismiss(tx: Transaction, notification_id: int, account_id: int) -> None:
    """An account wants to see it no more."""
    tx.run("site.notifications.dismiss", id=notification_id, account_id=account_id)


def delete(tx: Transaction, notification_id: int) -> None:
    """Remove a notification."""
    tx.run("site.notifications.delete", id=notification_id)


def _columns(said: Said) -> dict[str, Any]:
    return asdict(said)
