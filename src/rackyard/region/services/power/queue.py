# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of what racks have to do. A job is written in the transaction of the state change that needs it.

A job waits until a rack takes it, and has its time from then on. What a rack took and does not know of (its answer was
lost, its agent restarted) waits again; what a dead rack has not taken is given to another."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.power import rack_choice as rack_rows
from rackyard.region.services.boots import timeline
from rackyard.region.services.power import rack_choice
from rackyard.region.services.site import journal

# How long a job may wait for its rack to take it, and how long that rack may then take, before somebody is told.
WAIT_S = {"power_on": 600, "power_off": 600, "power_query": 60}
LIMIT_S = {"power_on": 120, "power_off": 180, "power_query": 30}
# A rack that was handed a job and does not name it in its next polls never got it.
UNKNOWN_AFTER_S = 10
MAX_ATTEMPTS = 3


def enqueue(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    rack_id: int,
    kind: str,
    *,
    epoch: int,
    boot_id: int | None = None,
    params: dict[str, object] | None = None,
) -> int:
    """Write a job; its rack is woken at commit. Returns the job's id."""
    now = ctx.clock.now()
    row = tx.one(
        "power.queue.add",
        rack_id=rack_id,
        machine_id=machine.id,
        boot_id=boot_id,
        epoch=epoch,
        kind=kind,
        params=params or {},
        now=now,
        expires_at=now + timedelta(seconds=WAIT_S[kind]),
    )
    assert row is not None
    return int(row["id"])


def take(ctx: Context, tx: Transaction, rack_id: int, slots: int) -> list[Row]:
    """At most `slots` jobs for a rack, which are its from now on. None for a machine that another rack works on."""
    return tx.all("power.queue.take", rack_id=rack_id, now=ctx.clock.now(), slots=slots, limits=LIMIT_S)


def give_back(ctx: Context, tx: Transaction, rack_id: int, held: Collection[int]) -> int:
    """What the rack was handed a while ago and is not among what it holds waits again; how many jobs."""
    now = ctx.clock.now()
    return tx.run(
        "power.queue.give_back", rack_id=rack_id, held=list(held), now=now,
        before=now - timedelta(seconds=UNKNOWN_AFTER_S), waits=WAIT_S,
    )  # fmt: skip


def again(ctx: Context, tx: Transaction, job: Row, rack_id: int) -> bool:
    """Let a job that came to nothing wait again, for that rack; False when it was tried often enough."""
    if job["attempts"] >= MAX_ATTEMPTS:
        return False
    expires_at = ctx.clock.now() + timedelta(seconds=WAIT_S[job["kind"]])
    tx.run("power.queue.again", id=job["id"], rack_id=rack_id, expires_at=expires_at)
    return True


def leave(ctx: Context, rack_id: int) -> int:
    """A rack is dead or revoked: its waiting jobs go to other racks that reach their BMCs; how many did.

    What no other rack can do waits on, in case that rack comes back."""
    with ctx.db.transaction() as tx:
        waiting = tx.all("power.queue.waiting", rack_id=rack_id)
    moved = 0
    for job in waiting:
        with ctx.db.transaction() as tx:
            machine = state.lock_by_id(tx, job["machine_id"])
            choice = None if machine is None else other_rack(tx, machine)
            if machine is None or choice is None:
                continue
            if tx.run("power.queue.move", id=job["id"], from_rack=rack_id, to_rack=choice.rack_id):
                moved += 1
                words = f"{job['kind'].replace('_', '-')} goes to {choice.hostname}, since {job['rack']} is away"
                journal.record(
                    tx, ctx.clock.now(), "JOB_MOVED", words, machine_id=machine.id, rack_id=choice.rack_id,
                    level=journal.WARNING,
                )  # fmt: skip
    return moved


def other_rack(tx: Transaction, machine: MachineState) -> rack_choice.Choice | None:
    """The live rack that would be chosen for the machine's BMC now, None when there is none."""
    if machine.power_address is None:
        return None
    return rack_choice.choose(machine.power_address, rack_rows.candidates(tx, machine))


def cancel_waiting(ctx: Context, tx: Transaction, machine: MachineState, reason: str) -> None:
    """Nobody has to do any more what waits for this machine. A boot that waited to be switched off by one of these
    jobs waits no longer."""
    now = ctx.clock.now()
    for job in tx.all("power.queue.cancel_waiting", machine_id=machine.id, now=now, reason=reason):
        if job["kind"] == "power_off" and job["boot_id"] is not None:
            timeline.still_on(tx, job["boot_id"], ctx.config.name, now, f"switching off was called off: {reason}")
