# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose operation should have ended, and steps that are overdue."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.boots.steps import Names
from rackyard.region.services.operations import commissioning
from rackyard.region.services.site import journal


def fail_past_deadline(ctx: Context) -> int:
    """Machines whose deadline passed fail, with the first step that did not happen and what to look at."""
    with ctx.db.transaction() as tx:
        due = tx.all("operations.deadlines.past", now=ctx.clock.now())
    for row in due:
        with ctx.db.transaction() as tx:
            machine = state.lock_by_id(tx, row["id"])
            if machine is None or machine.deadline_at is None or machine.deadline_at > ctx.clock.now():
                continue
            commissioning.fail(ctx, tx, machine, _diagnosis(ctx, tx, machine), by_whom=ctx.config.name)
    return len(due)


def note_overdue(ctx: Context) -> int:
    """One warning for each step that is overdue; the boot goes on."""
    now = ctx.clock.now()
    noted = 0
    with ctx.db.transaction() as tx:
        for row in tx.all("boots.records.running"):
            waiting = steps.pending(timeline.recorded(tx, row["id"]))
            if waiting is None or now <= waiting.due:
                continue
            kind = f"BOOT_STEP_{waiting.step}_OVERDUE"
            seen = tx.one("site.events.count", machine_id=row["machine_id"], type=kind, since=waiting.since)
            if seen is None or seen["count"] == 0:
                text = steps.diagnose(waiting, now, timeline.names(row))
                journal.record(tx, now, kind, text, machine_id=row["machine_id"], level=journal.WARNING)
                noted += 1
    return noted


def _diagnosis(ctx: Context, tx: Transaction, machine: MachineState) -> str:
    now = ctx.clock.now()
    recorded = timeline.recorded(tx, machine.boot_id) if machine.boot_id is not None else []
    waiting = steps.pending(recorded)
    asked = next((row.at for row in recorded if row.step == steps.ASKED), None)
    took = f" within {(now - asked).total_seconds() / 60:.0f} minutes" if asked else " in time"
    opening = f"{machine.hostname} was not commissioned{took}"
    if waiting is None:
        return f"{opening}; no step was recorded, look at the region's log."
    rack = tx.one("boots.records.rack_of", boot_id=machine.boot_id)
    names = Names(
        machine=machine.hostname,
        rack=rack["rack"] if rack else "the rack",
        bmc=machine.power_address or "the machine's BMC",
        mac=machine.boot_mac or "its boot interface",
    )
    return f"{opening}: {steps.diagnose(waiting, now, names)}"
