# SPDX-License-Identifier: GPL-3.0-or-later
"""Power jobs that nobody reported on, and asking each BMC from time to time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.power import rack_choice as rack_rows
from rackyard.region.db.power.rack_choice import Candidate
from rackyard.region.services.power import outcomes, queue, rack_choice
from rackyard.region.services.site import settings
from rackyard.region.worker.tasks import deadlines
from rackyard_core.power import fields

POLL_PASS_S = 5
# All racks knock at a BMC that none reaches: at a lost network of thousands of BMCs, nobody wants that often.
SEARCH_AGAIN = timedelta(hours=1)


def expire_jobs(ctx: Context) -> int:
    """Jobs that no rack reported on in time have failed."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        overdue = tx.all("power.queue.overdue", now=now) if deadlines.watched_for(tx, now) else []
    for row in overdue:
        outcomes.expire(ctx, row["id"], row["rack_id"], now)
    return len(overdue)


def poll_power(ctx: Context) -> int:
    """Ask a share of the BMCs, so that each is asked once in `power_poll_s` and they are spread over it.

    What the choice of racks weighs is read once; each machine is a transaction of its own. The number asked."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        period_s = int(settings.get(tx, "power_poll_s"))
        types = fields.queryable()
        count = tx.one("power.polling.count", types=types)
        share = 1 + (count["count"] if count else 0) * POLL_PASS_S // period_s
        due = tx.all("power.polling.due", types=types, since=now - timedelta(seconds=period_s), limit=share)
        racks = rack_rows.racks(tx) if due else []
        known = rack_rows.history(tx, [row["bmc_id"] for row in due]) if due else None
    given: Counter[int] = Counter()
    for row in due:
        assert known is not None
        weighed = [
            replace(rack, open_jobs=rack.open_jobs + given[rack.rack_id])
            for rack in rack_rows.beside(row["bmc_id"], racks, known)
        ]
        rack_id = _ask(ctx, row["id"], row["power_address"], weighed)
        given.update([] if rack_id is None else [rack_id])
    return len(due)


def _ask(ctx: Context, machine_id: int, bmc: str, racks: Sequence[Candidate]) -> int | None:
    """Write a question to a BMC; the rack that will ask, None when nobody can, one is searched, or the machine changed
    meanwhile. A BMC that no rack reaches is not searched at each round."""
    now = ctx.clock.now()
    choice = rack_choice.choose(bmc, racks, now, unreached_since=now - SEARCH_AGAIN)
    with ctx.db.transaction() as tx:
        machine = state.lock_by_id(tx, machine_id)
        if machine is None or machine.power_address != bmc:
            return None
        if choice is None:
            words = rack_choice.refusal(bmc, racks)
            tx.run("machines.state.set_power", id=machine.id, state="unknown", now=now, error=words, kind="")
            return None
        queue.enqueue(ctx, tx, machine, choice, "power_query", epoch=machine.epoch)
        return choice.rack_id
