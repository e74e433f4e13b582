# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the event log; `journal` writes it. Level AUDIT, as in MAAS, is what people did: the audit trail in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import events as event_rows
from rackyard.region.db.site.audit import Entry, EntryFilter
from rackyard.region.db.site.events import Event, EventFilter
from rackyard.region.errors import BadRequest
from rackyard.region.services.site import audit, audit_words
from rackyard.region.services.site.authorisation import Actor
from rackyard.region.services.site.journal import AUDIT

LEVEL_NAMES = {0: "AUDIT", 10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
MAX_EVENTS = 1000
# The objects of the audit trail that events happen to.
NODES = ("machine", "rack")


@dataclass(frozen=True)
class Page:
    """Some events, newest first. Of a page after an id, `reached` is the id to go on after: up to there nothing that
    matches is left."""

    events: list[Event]
    limit: int
    reached: int | None = None


def query(ctx: Context, actor: Actor, wanted: EventFilter) -> Page:
    """Events that match; of level AUDIT those alone, and to others than administrators what they did themselves. After
    an id none that one with a smaller id might still join.

    Raises BadRequest for a limit outside 1 to 1000."""
    if not 1 <= wanted.limit <= MAX_EVENTS:
        raise BadRequest(f"limit must be between 1 and {MAX_EVENTS}.")
    with ctx.db.transaction() as tx:
        if wanted.after is None:
            return Page(_matching(tx, actor, wanted), wanted.limit)
        settled = event_rows.settled(tx)
        if settled is None:
            return Page([], wanted.limit, wanted.after)
        end = settled + 1 if wanted.before is None else min(wanted.before, settled + 1)
        found = _matching(tx, actor, replace(wanted, before=end))
        reached = found[0].id if len(found) == wanted.limit else max(end - 1, wanted.after)
        return Page(found, wanted.limit, reached)


def _matching(tx: Transaction, actor: Actor, wanted: EventFilter) -> list[Event]:
    return _trail(tx, actor, wanted) if wanted.level == AUDIT else event_rows.select(tx, wanted)


def level_number(name: str) -> int:
    """The number of a level name. Raises BadRequest naming the known ones."""
    for number, known in LEVEL_NAMES.items():
        if known == name.upper():
            return number
    raise BadRequest(f"Unknown level {name!r}; use one of {', '.join(LEVEL_NAMES.values())}.")


def _trail(tx: Transaction, actor: Actor, wanted: EventFilter) -> list[Event]:
    """Entries of the audit trail as events, and the lines of the log from before there were entries: both have numbers
    of one row."""
    nodes = audit.nodes(tx, wanted.system_ids, wanted.hostnames, wanted.macs)
    page = EntryFilter(
        actors=wanted.usernames, nodes=nodes, before=wanted.before, after=wanted.after, limit=wanted.limit
    )
    found = [_as_event(entry) for entry in audit.select(tx, actor, page)]
    if nodes is None:
        found += event_rows.told(tx, wanted, _visible(actor, wanted.usernames))
    found.sort(key=lambda event: event.id, reverse=wanted.after is None)
    return sorted(found[: wanted.limit], key=lambda event: event.id, reverse=True)


def _visible(actor: Actor, usernames: Sequence[str] | None) -> Sequence[str] | None:
    if audit.sees_all(actor):
        return usernames
    return [actor.username] if usernames is None or actor.username in usernames else []


def _as_event(entry: Entry) -> Event:
    return Event(
        id=entry.id,
        machine_id=None,
        rack_id=None,
        level=AUDIT,
        type=audit_words.event_type(entry),
        description=audit_words.sentence(entry),
        username=entry.actor,
        created_at=entry.at,
        system_id=entry.node,
        hostname=entry.name if entry.object in NODES else None,
        node_kind=entry.object if entry.object in NODES else None,
    )
