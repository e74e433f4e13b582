# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit trail: who changed what, and what was refused to whom.

Changes are written by triggers of the database, in whatever transaction makes them; see `Context.acting`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import audit as rows
from rackyard.region.db.site import events as event_rows
from rackyard.region.db.site.audit import Entry, EntryFilter
from rackyard.region.deed import Deed
from rackyard.region.errors import BadRequest, Forbidden, RackyardError
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

MAX_ENTRIES = 1000
MAX_NOTE = 300
REFUSED, LOGIN_FAILED = "refused", "login_failed"
# The same again within an hour is one entry, and in an hour there are no more than these.
REFUSALS_COUNTED = timedelta(hours=1)
MAX_REFUSALS = 100
_log = logging.getLogger(__name__)


def query(ctx: Context, actor: Actor, wanted: EntryFilter) -> list[Entry]:
    """Entries that match, newest first: an administrator's view of all, or what the actor did. After an id none that
    one with a smaller id might still join.

    Raises BadRequest for a limit outside 1 to 1000."""
    if not 1 <= wanted.limit <= MAX_ENTRIES:
        raise BadRequest(f"limit must be between 1 and {MAX_ENTRIES}.")
    with ctx.db.transaction() as tx:
        if wanted.after is None:
            return select(tx, actor, wanted)
        settled = event_rows.settled(tx)
        if settled is None:
            return []
        end = settled + 1 if wanted.before is None else min(wanted.before, settled + 1)
        return select(tx, actor, replace(wanted, before=end))


def select(tx: Transaction, actor: Actor, wanted: EntryFilter) -> list[Entry]:
    """The same in the caller's transaction."""
    if sees_all(actor):
        return rows.select(tx, wanted)
    return [] if actor.account_id is None else rows.select(tx, replace(wanted, account_id=actor.account_id))


def sees_all(actor: Actor) -> bool:
    """Whether what others did is for the actor to see."""
    try:
        authorise(actor, Permission.SEE_AUDIT)
    except Forbidden:
        return False
    return True


def nodes(
    tx: Transaction, system_ids: Sequence[str] | None, hostnames: Sequence[str] | None, macs: Sequence[str] | None
) -> list[str] | None:
    """The machines and racks that these name, by system_id; None when nothing is named. One that is gone is found by
    its system_id only."""
    if hostnames is None and macs is None:
        return None if system_ids is None else list(system_ids)
    found = tx.all("site.audit.nodes", system_ids=system_ids, hostnames=hostnames, macs=macs)
    return [row["system_id"] for row in found]


def refused(ctx: Context, deed: Deed, action: str = REFUSED, note: str = "") -> None:
    """Note that something was refused. Who asks is told the refusal in any case."""
    try:
        with ctx.db.transaction() as tx:
            tx.one("site.accounts.wait_for_no_disk")
            rows.refuse(
                tx, deed, action, note[:MAX_NOTE], since=deed.at - REFUSALS_COUNTED, most=MAX_REFUSALS
            )  # fmt: skip
    except RackyardError as error:
        _log.error("a refusal is not in the audit trail: %s", error.message)
