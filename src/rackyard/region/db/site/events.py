# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction

# How long whoever follows the log waits for those that write in it.
_PATIENCE_S = 0.2
_PAUSE_S = 0.01


@dataclass(frozen=True)
class Event:
    """One thing that happened, to a machine, a rack or neither, which `node_kind` says. Level as Python's logging."""

    id: int
    machine_id: int | None
    rack_id: int | None
    level: int
    type: str
    description: str
    username: str
    created_at: datetime
    system_id: str | None = None
    hostname: str | None = None
    node_kind: str | None = None


@dataclass(frozen=True)
class EventFilter:
    """Which events: None means any. `before` and `after` are event ids, both exclusive."""

    system_ids: list[str] | None = None
    hostnames: list[str] | None = None
    macs: list[str] | None = None
    usernames: list[str] | None = None
    level: int = 20
    before: int | None = None
    after: int | None = None
    limit: int = 100


def settled(tx: Transaction) -> int | None:
    """The highest number before which nothing can be added any more, None while somebody takes long to write.

    Numbers are given out in another order than transactions begin and end. So whatever has begun when the highest
    number is known has to end first, which usually takes milliseconds."""
    newest, mark = tx.one("site.events.last_number"), tx.one("site.events.mark")
    assert newest is not None
    assert mark is not None
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        others = tx.one("site.events.none_before", **mark)
        if others is not None and others["ended"]:
            return int(newest["id"])
        if time.monotonic() > deadline:
            return None
        time.sleep(_PAUSE_S)


def select(tx: Transaction, wanted: EventFilter) -> list[Event]:
    """A page of matching events, newest first: the newest ones, or with `after` those that come next.

    Names are resolved first, so that a filter costs what it finds and not the whole log. Whoever reads on after an id
    leaves out what `settled` does not have yet."""
    page = {"level": wanted.level, "before": wanted.before, "after": wanted.after, "limit": wanted.limit}
    query = "site.events.newest" if wanted.after is None else "site.events.following"
    if wanted.system_ids is None and wanted.hostnames is None and wanted.macs is None:
        found = tx.all(query, usernames=wanted.usernames, **page)
    else:
        names = {"system_ids": wanted.system_ids, "hostnames": wanted.hostnames}
        machines = [row["id"] for row in tx.all("site.events.machines", macs=wanted.macs, **names)]
        racks = [row["id"] for row in tx.all("site.events.racks", **names)] if wanted.macs is None else []
        found = tx.all(f"{query}_of", machine_ids=machines, rack_ids=racks, usernames=wanted.usernames, **page)
    return [Event(**row) for row in tx.all("site.events.by_id", ids=[row["id"] for row in found])]


def told(tx: Transaction, wanted: EventFilter, usernames: Sequence[str] | None) -> list[Event]:
    """A page of the events of level AUDIT, of these people: the newest ones, or with `after` those that come next."""
    query = "site.events.told_newest" if wanted.after is None else "site.events.told_following"
    page = {"usernames": usernames, "before": wanted.before, "limit": wanted.limit}
    after = {} if wanted.after is None else {"after": wanted.after}
    found = tx.all(query, **page, **after)
    return [Event(**row) for row in tx.all("site.events.by_id", ids=[row["id"] for row in found])]
