# SPDX-License-Identifier: GPL-3.0-or-later
"""Which user names were tried from where, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Attempts:
    """How often a user name was tried from an address, this time included, and since when."""

    attempts: int
    since: datetime


def count(tx: Transaction, username: str, address: str, *, now: datetime, until: datetime) -> Attempts:
    """Note one more, before it is known whether the password is right. Those until `until` count no more."""
    row = tx.one("site.logins.count", username=username, address=address, now=now, until=until)
    assert row is not None
    return Attempts(**row)


def forget(tx: Transaction, username: str, address: str) -> None:
    """Begin anew."""
    tx.run("site.logins.forget", username=username, address=address)
