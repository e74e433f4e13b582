# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of what racks have to do. A job is written in the transaction of the state change that needs it.

A job waits until a rack takes it, and has its time from then on. What a rack took and does not know of (its answer was
lost, its agent restarted) waits again; what a dead rack has not taken is given to another. An order without a rack
waits until a probe has found one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.power import rack_choice as rack_rows
from rackyard.region.services.boots import timeline
from rackyard.region.services.power import rack_choice
from rackyard.region.services.power.rack_choice import Choice, Search
from rackyard.region.services.site import journal

# How long a job may wait for its rack to take it, and how long that rack may then take, before somebody is told.
WAIT_S = {"power_on": 600, "power_off": 600, "power_query": 60, "power_probe": 20}
LIMIT_S = {"power_on": 120, "power_off": 180, "power_query": 30, "power_probe": 15}
# A rack that was handed a job and does not name it in its next polls never got it.
UNKNOWN_AFTER_S = 10
MAX_ATTEMPTS = 3
# Commands after which a machine may be starting.
STARTING = frozenset({"on", "reset"})


def enqueue(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    choice: Choice | Search,
    kind: str,
    *,
    epoch: int,
    boot_id: int | None = None,
    params: dict[str, object] | None = None,
) -> int:
    """Write a job; its rack, or those among which one is searched, are woken at commit. Returns the job's id."""
    now = ctx.clock.now()
    row = tx.one(
        "power.queue.add",
        rack_id=choice.rack_id,
        machine_id=machine.id,
        boot_id=boot_id,
        epoch=epoch,
        kind=kind,
        params=params or {},
        now=now,
        expires_at=_expiry(ctx, kind),
    )
    assert row is not None
    if isinstance(choice, Search):
        probe(ctx, tx, machine, choice, epoch)
    return int(row["id"])


def probe(ctx: Context, tx: Transaction, machine: MachineState, search: Search, epoch: int) -> None:
    """Have racks find out whether the machine's BMC answers there: without a login, so that a wrong password that all
    of them have does not lock the account."""
    tx.run(
        "power.queue.probe", machine_id=machine.id, rack_ids=list(search.rack_ids), epoch=epoch, now=ctx.clock.now(),
        expires_at=_expiry(ctx, "power_probe"),
    )  # fmt: skip


def take(ctx: Context, tx: Transaction, rack_id: int, slots: int) -> list[Row]:
    """At most `slots` jobs for a rack, which are its from now on. None for a BMC that another rack works on."""
    now = ctx.clock.now()
    held = [row["id"] for row in tx.all("power.queue.hold_bmcs", rack_id=rack_id, now=now, slots=slots)]
    return tx.all("power.queue.take", rack_id=rack_id, now=now, slots=slots, limits=LIMIT_S, bmc_ids=held)


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
    tx.run("power.queue.again", id=job["id"], rack_id=rack_id, expires_at=_expiry(ctx, job["kind"]))
    return True


def for_another_rack(job: Row, given: Collection[str] | None) -> dict[str, object]:
    """What another rack gets to know of a job. `given` are the commands that may have reached the BMC since the job was
    last handed out, None when nobody knows; nobody knows what became of it when it was handed out before.

    If the machine may be starting by them, the next rack reads the BMC first and leaves a machine that is on as it
    is."""
    params: dict[str, object] = dict(job["params"])
    before = job["attempts"] - (0 if job["state"] == "queued" else 1)
    if "boot_device" in params and (before > 0 or given is None or not STARTING.isdisjoint(given)):
        params["keep_on"] = True
    return params


def pass_on(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    job: Row,
    choice: Choice | Search,
    tried: Sequence[Row],
    params: Mapping[str, object],
) -> None:
    """A job that racks have failed at, which `tried` names, waits for the next one."""
    tx.run(
        "power.queue.pass_on", id=job["id"], rack_id=choice.rack_id, tried=list(tried), params=dict(params),
        expires_at=_expiry(ctx, job["kind"]),
    )  # fmt: skip
    if isinstance(choice, Search):
        probe(ctx, tx, machine, choice, job["epoch"])


def settle(ctx: Context, tx: Transaction, order: Row, rack_id: int) -> None:
    """An order that had no rack waits for that one."""
    tx.run(
        "power.queue.pass_on", id=order["id"], rack_id=rack_id, tried=order["tried"], params=order["params"],
        expires_at=_expiry(ctx, order["kind"]),
    )  # fmt: skip


def leave(ctx: Context, rack_id: int) -> int:
    """A rack is dead or revoked: its waiting jobs go to other racks that reach their BMCs; how many did.

    What no other rack can do waits on, in case that rack comes back."""
    with ctx.db.transaction() as tx:
        waiting = tx.all("power.queue.waiting", rack_id=rack_id)
    moved = 0
    for job in waiting:
        with ctx.db.transaction() as tx:
            machine = state.lock_by_id(tx, job["machine_id"])
            choice = (
                None if machine is None else next_rack(ctx, tx, machine, [each["rack_id"] for each in job["tried"]])
            )
            if machine is None or not isinstance(choice, Choice):
                continue
            params = for_another_rack(job, ())
            if tx.run("power.queue.move", id=job["id"], from_rack=rack_id, to_rack=choice.rack_id, params=params):
                moved += 1
                words = f"{job['kind'].replace('_', '-')} goes to {choice.hostname}, since {job['rack']} is away"
                journal.record(
                    tx, ctx.clock.now(), "JOB_MOVED", words, machine_id=machine.id, rack_id=choice.rack_id,
                    level=journal.WARNING,
                )  # fmt: skip
                if job["boot_id"] is not None and job["kind"] == "power_on":
                    timeline.other_rack(tx, job["boot_id"], choice.rack_id, f"{words}: {choice.reason}")
    return moved


def next_rack(ctx: Context, tx: Transaction, machine: MachineState, tried: Collection[int]) -> Choice | Search | None:
    """The rack that would be chosen for the machine's BMC now, if some (by id) are out of the question; a search when
    only racks are left of which nothing is known, None when nobody is left."""
    if machine.power_address is None:
        return None
    racks = rack_rows.candidates(tx, machine)
    return rack_choice.choose(machine.power_address, racks, ctx.clock.now(), tried=tried)


def _expiry(ctx: Context, kind: str) -> datetime:
    return ctx.clock.now() + timedelta(seconds=WAIT_S[kind])


def cancel_waiting(ctx: Context, tx: Transaction, machine: MachineState, reason: str) -> None:
    """Nobody has to do any more what waits for this machine. A boot that waited to be switched off by one of these
    jobs waits no longer."""
    now = ctx.clock.now()
    for job in tx.all("power.queue.cancel_waiting", machine_id=machine.id, now=now, reason=reason):
        if job["kind"] == "power_off" and job["boot_id"] is not None:
            timeline.still_on(tx, job["boot_id"], ctx.config.name, now, f"switching off was called off: {reason}")
