# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that should have ended, steps that are overdue, and the time in which nobody looked."""

from __future__ import annotations

from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.operations import records
from rackyard.region.db.operations.records import Operation
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.boots.steps import Names
from rackyard.region.services.operations import registry
from rackyard.region.services.site import journal

# A leader beats every two seconds; after a longer gap than this, nobody looked meanwhile.
GAP_S = 15
# Racks come back with what they kept meanwhile: they try again every 15 s at the latest.
GRACE_S = 30


def keep_time(ctx: Context) -> float:
    """The leader's beat. The time in which no worker led (all regions down, PostgreSQL away) does not count: running
    operations and open jobs get it back, and racks' silence counts from now. Returns the seconds given back."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        before = tx.one("operations.deadlines.last_beat")
        gap_s = 0.0 if before is None else (now - before["beat_at"]).total_seconds()
        given_s = gap_s + GRACE_S if gap_s > GAP_S else 0.0
        if given_s:
            tx.run("operations.deadlines.give_operations_time", seconds=given_s)
            tx.run("operations.deadlines.give_jobs_time", seconds=given_s)
            words = f"no worker of any region was at work for {gap_s:.0f} s; deadlines were moved by as much"
            journal.record(tx, now, "REGION_AWAY", words, level=journal.WARNING)
        tx.one("operations.deadlines.beat", now=now, gap_s=GAP_S)
    return given_s


def watched_for(tx: Transaction, now: datetime) -> timedelta:
    """How long a worker has led without a gap until now: zero while the time of a gap has not been given back, and
    without end on a site that had no beat yet, where nothing can have been missed.

    Who judges by the clock asks this where it reads what is due, and judges all of it by the same `now`: each task has
    a thread of its own, and after a gap another one may be quicker than the beat."""
    row = tx.one("operations.deadlines.watched")
    if row is None:
        return timedelta.max
    return now - row["since"] if now - row["beat_at"] <= timedelta(seconds=GAP_S) else timedelta(0)


def fail_past_deadline(ctx: Context) -> int:
    """Operations whose deadline passed fail, each as its kind has it; the number that was due."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        due = tx.all("operations.deadlines.past", now=now) if watched_for(tx, now) else []
    for row in due:
        with ctx.db.transaction() as tx:
            machine = state.lock_by_id(tx, row["machine_id"])
            operation = records.read(tx, row["id"])
            if machine is None or operation is None or operation.outcome != "running":
                continue
            if operation.deadline_at > now:
                continue
            if machine.operation_id != operation.id:
                # Nothing leads here; but what is due and never ends would be looked at for ever.
                tx.run("operations.records.end", id=operation.id, now=now, outcome="aborted")
                continue
            reason = _diagnosis(ctx, tx, machine, operation)
            registry.ENTRIES[operation.kind].on_deadline(ctx, tx, machine, reason)
    return len(due)


def note_overdue(ctx: Context) -> int:
    """One warning for each step that is overdue; the boot goes on. Each boot is a transaction of its own."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        running = tx.all("boots.records.running") if watched_for(tx, now) else []
    return sum(_note(ctx, row, now) for row in running)


def _note(ctx: Context, row: Row, now: datetime) -> bool:
    with ctx.db.transaction() as tx:
        waiting = steps.pending(timeline.recorded(tx, row["id"]), timeline.clues_of(row))
        if waiting is None or now <= waiting.due:
            return False
        kind = f"BOOT_STEP_{waiting.step}_OVERDUE"
        seen = tx.one("site.events.count", machine_id=row["machine_id"], type=kind, since=waiting.since)
        if seen is not None and seen["count"] > 0:
            return False
        text = steps.diagnose(waiting, now, timeline.names(row))
        journal.record(tx, now, kind, text, machine_id=row["machine_id"], level=journal.WARNING)
        return True


def _diagnosis(ctx: Context, tx: Transaction, machine: MachineState, operation: Operation) -> str:
    now = ctx.clock.now()
    recorded = timeline.recorded(tx, machine.boot_id) if machine.boot_id is not None else []
    waiting = steps.pending(recorded)
    title = registry.ENTRIES[operation.kind].kind.title
    opening = (
        f"{title} of {machine.hostname} failed after {_minutes(now - operation.requested_at)}; nothing happened in "
        f"the last {_minutes(now - operation.progress_at)}"
    )
    if waiting is None:
        return f"{opening}; no step was recorded, look at the region's log."
    if waiting.step == steps.POWERED_ON:
        lost = tx.one("power.queue.lost", boot_id=machine.boot_id)
        if lost is not None:
            return f"{opening}: {lost['error']}"
    rack = tx.one("boots.records.rack_of", boot_id=machine.boot_id)
    names = Names(
        machine=machine.hostname,
        rack=rack["rack"] if rack else "the rack",
        bmc=machine.power_address or "the machine's BMC",
        mac=machine.boot_mac or "its boot interface",
    )
    return f"{opening}: {steps.diagnose(waiting, now, names)}"


def _minutes(span: timedelta) -> str:
    minutes, seconds = divmod(max(0, round(span.total_seconds())), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
