# SPDX-License-Identifier: GPL-3.0-or-later
"""Power jobs that nobody reported on, and asking each BMC from time to time."""

from __future__ import annotations

from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.db.power import rack_choice as rack_rows
from rackyard.region.services.power import outcomes, queue, rack_choice
from rackyard.region.services.site import settings

POLL_PASS_S = 5


def expire_jobs(ctx: Context) -> int:
    """Jobs that no rack reported on in time have failed."""
    with ctx.db.transaction() as tx:
        overdue = tx.all("power.queue.overdue", now=ctx.clock.now())
    for row in overdue:
        outcomes.expire(ctx, row["id"], row["rack_id"])
    return len(overdue)


def poll_power(ctx: Context) -> int:
    """Ask a share of the BMCs, so that each is asked once in `power_poll_s` and they are spread over it."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        period_s = int(settings.get(tx, "power_poll_s"))
        count = tx.one("power.polling.count")
        share = 1 + (count["count"] if count else 0) * POLL_PASS_S // period_s
        due = tx.all("power.polling.due", since=now - timedelta(seconds=period_s), limit=share)
        for row in due:
            machine = state.lock_by_id(tx, row["id"])
            if machine is not None and machine.power_address is not None:
                _ask(ctx, tx, machine, machine.power_address)
    return len(due)


def _ask(ctx: Context, tx: Transaction, machine: MachineState, bmc: str) -> None:
    racks = rack_rows.candidates(tx, machine.id, bmc)
    choice = rack_choice.choose(bmc, racks)
    if choice is None:
        words = rack_choice.refusal(bmc, racks)
        tx.run("machines.state.set_power", id=machine.id, state="unknown", now=ctx.clock.now(), error=words, kind="")
        return
    queue.enqueue(ctx, tx, machine, choice.rack_id, "power_query", epoch=machine.epoch)
