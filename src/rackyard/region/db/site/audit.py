# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit trail as rows. Changes are written by the database's triggers; here it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rackyard.region.db.pool import Transaction
from rackyard.region.deed import Deed


@dataclass(frozen=True)
class Entry:
    """What somebody did to one object, or tried to. `object` is the table; of a change, `before` and `after` have the
    changed columns only. `tries`: how often the same was refused, until `last_at`."""

    id: int
    at: datetime
    actor: str
    account_id: int | None
    source: str
    address: str
    request: str
    action: str
    object: str
    object_id: str
    name: str
    node: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    note: str
    tries: int | None
    last_at: datetime | None


@dataclass(frozen=True)
class EntryFilter:
    """Which entries: None means any. `name` is the object's name or id; `before` and `after` are ids of entries, both
    exclusive."""

    account_id: int | None = None
    actors: Sequence[str] | None = None
    source: str | None = None
    action: str | None = None
    object: str | None = None
    name: str | None = None
    nodes: Sequence[str] | None = None
    since: datetime | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 100


def select(tx: Transaction, wanted: EntryFilter) -> list[Entry]:
    """A page of matching entries, newest first: the newest ones, or with `after` those that come next."""
    query = "site.audit.newest" if wanted.after is None else "site.audit.following"
    found = [Entry(**row) for row in tx.all(query, **vars(wanted))]
    return found if wanted.after is None else found[::-1]


def refuse(tx: Transaction, deed: Deed, action: str, note: str, *, since: datetime, most: int) -> None:
    """Note what was refused; the same again since then is counted, and of different ones there are at most so many."""
    tx.run(
        "site.audit.refuse",
        actor=deed.actor,
        account_id=deed.account_id,
        source=deed.source,
        address=deed.address,
        request=deed.request,
        action=action,
        note=note,
        now=deed.at,
        since=since,
        most=most,
    )
