# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened, for people: written in the transaction of the change it tells of. Never holds a secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.context import Context
from rackyard.region.db import events as event_rows
from rackyard.region.db.events import Event, EventFilter
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import BadRequest

AUDIT, DEBUG, INFO, WARNING, ERROR, CRITICAL = 0, 10, 20, 30, 40, 50
LEVEL_NAMES = {AUDIT: "AUDIT", DEBUG: "DEBUG", INFO: "INFO", WARNING: "WARNING", ERROR: "ERROR", CRITICAL: "CRITICAL"}
MAX_EVENTS = 1000


def record(
    tx: Transaction,
    now: datetime,
    kind: str,
    description: str,
    *,
    machine_id: int | None = None,
    rack_id: int | None = None,
    level: int = INFO,
    username: str = "",
) -> None:
    """Add one event of a MAAS type such as NODE_CHANGED_STATUS."""
    event_rows.add(
        tx,
        Event(
            id=0,
            machine_id=machine_id,
            rack_id=rack_id,
            level=level,
            type=kind,
            description=description,
            username=username,
            created_at=now,
        ),
    )


@dataclass(frozen=True)
class Page:
    """Some events, newest first."""

    events: list[Event]
    limit: int


def query(ctx: Context, wanted: EventFilter) -> Page:
    """Events that match. Raises BadRequest for a limit outside 1 to 1000."""
    if not 1 <= wanted.limit <= MAX_EVENTS:
        raise BadRequest(f"limit must be between 1 and {MAX_EVENTS}.")
    with ctx.db.transaction() as tx:
        return Page(event_rows.select(tx, wanted), wanted.limit)


def level_number(name: str) -> int:
    """The number of a level name. Raises BadRequest naming the known ones."""
    for number, known in LEVEL_NAMES.items():
        if known == name.upper():
            return number
    raise BadRequest(f"Unknown level {name!r}; use one of {', '.join(LEVEL_NAMES.values())}.")
