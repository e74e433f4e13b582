# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to happen when nothing happens: deadlines, lost jobs, dead racks, power polling, tidying up.

Each function is one pass; the worker calls them. None is needed for a single request."""

from __future__ import annotations

from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db import life_records, rack_records
from rackyard.region.db.life_records import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.services import (
    boot_steps,
    commissioning,
    jobs,
    journal,
    power_results,
    rack_choice,
    settings,
    timeline,
)
from rackyard.region.services.boot_steps import Names

RACK_SILENCE_S = 35
POLL_PASS_S = 5
KEEP_TOKENS = timedelta(days=7)
KEEP_RECEIPTS = timedelta(days=2)
KEEP_JOBS = timedelta(days=30)
KEEP_LEASES = timedelta(days=30)
KEEP_PROCESSES = timedelta(days=1)


def fail_past_deadline(ctx: Context) -> int:
    """Machines whose deadline passed fail, with the first step that did not happen and what to look at."""
    with ctx.db.transaction() as tx:
        due = tx.all("upkeep.past_deadline", now=ctx.clock.now())
    for row in due:
        with ctx.db.transaction() as tx:
            machine = life_records.lock_machine_by_id(tx, row["id"])
            if machine is None or machine.deadline_at is None or machine.deadline_at > ctx.clock.now():
                continue
            commissioning.fail(ctx, tx, machine, _diagnosis(ctx, tx, machine), by_whom=ctx.config.name)
    return len(due)


def note_overdue(ctx: Context) -> int:
    """One warning for each step that is overdue; the boot goes on."""
    now = ctx.clock.now()
    noted = 0
    with ctx.db.transaction() as tx:
        for row in tx.all("life.running_boots"):
            waiting = boot_steps.pending(timeline.recorded(tx, row["id"]))
            if waiting is None or now <= waiting.due:
                continue
            kind = f"BOOT_STEP_{waiting.step}_OVERDUE"
            seen = tx.one("report.count_events", machine_id=row["machine_id"], type=kind, since=waiting.since)
            if seen is None or seen["count"] == 0:
                text = boot_steps.diagnose(waiting, now, timeline.names(row))
                journal.record(tx, now, kind, text, machine_id=row["machine_id"], level=journal.WARNING)
                noted += 1
    return noted


def expire_jobs(ctx: Context) -> int:
    """Jobs that no rack reported on in time have failed."""
    with ctx.db.transaction() as tx:
        overdue = tx.all("job.overdue", now=ctx.clock.now())
    for row in overdue:
        power_results.expire(ctx, row["id"], row["rack_id"])
    return len(overdue)


def bury_dead_racks(ctx: Context) -> int:
    """Racks that were silent for 35 seconds are not alive; their addresses leave the internal domain."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        dead = tx.all("upkeep.dead_racks", since=now - timedelta(seconds=RACK_SILENCE_S))
        for row in dead:
            journal.record(
                tx, now, "RACK_SILENT",
                f"rack {row['hostname']} has not been heard of since {row['last_seen_at']:%H:%M:%S} UTC; look at "
                "`systemctl status rackyard-rack` there",
                rack_id=row["id"], level=journal.WARNING,
            )  # fmt: skip
    return len(dead)


def poll_power(ctx: Context) -> int:
    """Ask a share of the BMCs, so that each is asked once in `power_poll_s` and they are spread over it."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        period_s = int(settings.get(tx, "power_poll_s"))
        count = tx.one("upkeep.power_count")
        share = 1 + (count["count"] if count else 0) * POLL_PASS_S // period_s
        due = tx.all("upkeep.power_due", since=now - timedelta(seconds=period_s), limit=share)
        for row in due:
            machine = life_records.lock_machine_by_id(tx, row["id"])
            if machine is not None and machine.power_address is not None:
                _ask(ctx, tx, machine, machine.power_address)
    return len(due)


def tidy(ctx: Context) -> None:
    """Remove what is long over."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.run("upkeep.delete_tokens", before=now - KEEP_TOKENS)
        tx.run("upkeep.delete_receipts", before=now - KEEP_RECEIPTS)
        tx.run("upkeep.delete_leases", before=now - KEEP_LEASES)
        tx.run("upkeep.delete_region_processes", before=now - KEEP_PROCESSES)
        tx.run("job.delete_old", before=now - KEEP_JOBS)


def _ask(ctx: Context, tx: Transaction, machine: MachineState, bmc: str) -> None:
    racks = rack_records.candidates(tx, bmc)
    choice = rack_choice.choose(bmc, racks)
    if choice is None:
        words = rack_choice.refusal(bmc, racks)
        tx.run("life.set_power", id=machine.id, state="unknown", now=ctx.clock.now(), error=words, kind="")
        return
    jobs.enqueue(ctx, tx, machine, choice.rack_id, "power_query", epoch=machine.epoch)


def _diagnosis(ctx: Context, tx: Transaction, machine: MachineState) -> str:
    now = ctx.clock.now()
    steps = timeline.recorded(tx, machine.boot_id) if machine.boot_id is not None else []
    waiting = boot_steps.pending(steps)
    asked = next((row.at for row in steps if row.step == boot_steps.ASKED), None)
    took = f" within {(now - asked).total_seconds() / 60:.0f} minutes" if asked else " in time"
    opening = f"{machine.hostname} was not commissioned{took}"
    if waiting is None:
        return f"{opening}; no step was recorded, look at the region's log."
    rack = tx.one("upkeep.rack_of_boot", boot_id=machine.boot_id)
    names = Names(
        machine=machine.hostname,
        rack=rack["rack"] if rack else "the rack",
        bmc=machine.power_address or "the machine's BMC",
        mac=machine.boot_mac or "its boot interface",
    )
    return f"{opening}: {boot_steps.diagnose(waiting, now, names)}"
