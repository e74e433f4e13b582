# SPDX-License-Identifier: GPL-3.0-or-later
"""How every operation begins and ends, whatever its kind: status, epoch, deadline, boot, jobs."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from rackyard.region.context import Context
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.operations.kinds import RUNNING, Kind
from rackyard.region.services.power import orders, queue
from rackyard.region.services.site import journal, settings
from rackyard.region.services.site.authorisation import Actor
from rackyard.region.status import Status, check, label

FORCE_OFF: Mapping[str, object] = MappingProxyType({})
EXPECT_OFF: Mapping[str, object] = MappingProxyType({"expect_off": True})
# A machine that only ever says that it works ends all the same, after so many times its patience.
LONGEST = 3
# What a machine is again that is commissioned no more; from elsewhere it is New.
_BACK_TO = frozenset({Status.READY, Status.BROKEN})
# What a machine stays that is tested.
_STAYS = _BACK_TO | {Status.NEW, Status.RESERVED, Status.ALLOCATED, Status.DEPLOYED}


@dataclass(frozen=True)
class Begun:
    """An operation that has just begun."""

    id: int
    epoch: int
    deadline_at: datetime


def of_machine(machine: MachineState) -> Kind | None:
    """The kind of operation that the machine is in, None when nothing is under way."""
    return RUNNING.get(machine.status)


def begin(
    ctx: Context,
    tx: Transaction,
    actor: Actor,
    machine: MachineState,
    kind: Kind,
    limits: Mapping[int, int],
    scripts_s: int = 0,
) -> Begun:
    """A new epoch in the kind's status; whoever calls has authorised the actor. What was ordered for the old one is
    called off. It has so many times its patience to end, and besides the seconds that its scripts may take.

    Raises Conflict when the machine's status does not allow it."""
    check(machine.hostname, machine.status, kind.running)
    now = ctx.clock.now()
    patience_s = int(settings.get(tx, kind.patience_setting))
    queue.cancel_waiting(ctx, tx, machine, f"{kind.title} began after it")
    epoch = set_status(ctx, tx, machine, kind.running, "", epochs=1)
    if machine.boot_id is not None:
        tx.run("boots.records.end", id=machine.boot_id, now=now, outcome="aborted")
    deadline_at, ends_at = (now + timedelta(seconds=s) for s in (patience_s, patience_s * LONGEST + scripts_s))
    row = tx.one(
        "operations.records.add", machine_id=machine.id, kind=kind.name, epoch=epoch, username=actor.username, now=now,
        patience_s=patience_s, deadline_at=deadline_at, ends_at=ends_at,
        limits={str(step): seconds for step, seconds in limits.items()},
    )  # fmt: skip
    assert row is not None
    return Begun(int(row["id"]), epoch, deadline_at)


def abort(ctx: Context, tx: Transaction, actor: Actor, machine: MachineState) -> Kind:
    """Stop what is under way, and tell what it was: the machine goes back to what it was before and is powered off.
    Raises Conflict when idle."""
    kind = of_machine(machine)
    if kind is None:
        raise Conflict(f"machine {machine.hostname} is {label(machine.status)}: nothing to abort")
    back = _before(machine, _BACK_TO if kind.done else _STAYS | {kind.failed})
    _end(ctx, tx, machine, back, f"{kind.title} aborted by {actor.name}", "aborted", off=FORCE_OFF)
    return kind


def fail(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    reason: str,
    *,
    by_whom: str,
    step: int | None = None,
    off: Mapping[str, object] | None = FORCE_OFF,
) -> None:
    """The operation failed: the reason becomes the machine's message and the failed step's detail.

    `step` is the step that failed; by default the one the boot waited for. `off` are the parameters of the power-off
    job, None when the BMC must be left alone. Does nothing when no operation is under way."""
    kind = of_machine(machine)
    if kind is None:
        return
    if machine.boot_id is not None:
        waiting = steps.pending(timeline.recorded(tx, machine.boot_id))
        failed = step or (waiting.step if waiting else steps.LAST)
        timeline.record(tx, machine.boot_id, failed, by_whom, ctx.clock.now(), reason, outcome="failed")
    _end(ctx, tx, machine, kind.failed, reason, "failed", off=off)
    event = f"NODE_{kind.purpose.upper()}_FAILED"
    journal.record(tx, ctx.clock.now(), event, reason, machine_id=machine.id, level=journal.ERROR)


def complete(ctx: Context, tx: Transaction, machine: MachineState, off: Mapping[str, object] | None) -> None:
    """The operation did what it was for; `off` as for `fail`. The epoch stays: a job that is out still counts."""
    now = ctx.clock.now()
    kind = RUNNING[machine.status]
    set_status(ctx, tx, machine, kind.done or _passed(machine), "", epochs=0)
    if machine.operation_id is not None:
        tx.run("operations.records.end", id=machine.operation_id, now=now, outcome="done")
    if machine.boot_id is not None:
        tx.run("boots.records.end", id=machine.boot_id, now=now, outcome="done")
    if off is not None:
        orders.power_off(ctx, tx, machine, machine.epoch, off)


def _before(machine: MachineState, possible: Set[Status]) -> Status:
    """What the machine was, if that is possible; else New."""
    return next((known for known in possible if known == machine.previous_status), Status.NEW)


def _passed(machine: MachineState) -> Status:
    """What a machine is that has passed its tests: what it was, or as good as its last commissioning made it."""
    if machine.previous_status in _STAYS:
        return Status(machine.previous_status)
    return Status.NEW if machine.commissioned_at is None else Status.READY


def progress(tx: Transaction, boot_id: int, now: datetime, patience_s: int | None = None) -> None:
    """Something happened in that boot (row id): nothing more may happen for `patience_s` seconds, by default as long
    as its operation has patience."""
    tx.run("operations.records.progress", boot_id=boot_id, now=now, patience_s=patience_s)


def _end(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    status: Status,
    message: str,
    outcome: str,
    *,
    off: Mapping[str, object] | None,
) -> None:
    now = ctx.clock.now()
    queue.cancel_waiting(ctx, tx, machine, message)
    epoch = set_status(ctx, tx, machine, status, message, epochs=1)
    if machine.operation_id is not None:
        tx.run("operations.records.end", id=machine.operation_id, now=now, outcome=outcome)
    if machine.boot_id is not None:
        tx.run("boots.records.end", id=machine.boot_id, now=now, outcome=outcome)
        tx.run("operations.signals.abort_open", boot_id=machine.boot_id, now=now)
    if off is not None:
        orders.power_off(ctx, tx, machine, epoch, off)


def set_status(
    ctx: Context, tx: Transaction, machine: MachineState, status: Status, message: str, *, epochs: int
) -> int:
    """A status that may follow on the one before, else Conflict; the epoch from then on. `epochs` is 1 where a new life
    starts: what was ordered in the old one no longer counts."""
    check(machine.hostname, machine.status, status)
    row = tx.one(
        "machines.state.set_status", id=machine.id, status=int(status), message=message[:2000], now=ctx.clock.now(),
        epochs=epochs,
    )  # fmt: skip
    return machine.epoch + epochs if row is None else int(row["epoch"])
