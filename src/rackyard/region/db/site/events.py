# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Event:
    """One thing that happened, to a machine, a rack or neither. Level as Python's logging."""

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


def select(tx: Transaction, wanted: EventFilter) -> list[Event]:
    """Matching events, newest first."""
    return [Event(**row) for row in tx.all("site.events.select", **asdict(wanted))]
