# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the event log; `journal` writes it."""

from __future__ import annotations

from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.site import events as event_rows
from rackyard.region.db.site.events import Event, EventFilter
from rackyard.region.errors import BadRequest

LEVEL_NAMES = {0: "AUDIT", 10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
MAX_EVENTS = 1000


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
