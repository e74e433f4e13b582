# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator says of a machine that decides what may be done with it: locked, broken."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict
from rackyard.region.services.operations import lifecycle
from rackyard.region.services.operations.kinds import require_idle
from rackyard.region.services.power import orders
from rackyard.region.services.site import journal, validation
from rackyard.region.services.site.authorisation import Actor, Permission
from rackyard.region.status import Status, label


def lock(ctx: Context, actor: Actor, system_id: str, comment: str) -> None:
    """Nobody changes the machine from now on. What it is going through goes on.

    Raises Forbidden, NotFound, Invalid, Conflict when it is locked already."""
    _set_locked(ctx, actor, system_id, comment, locked=True)


def unlock(ctx: Context, actor: Actor, system_id: str, comment: str) -> None:
    """The machine may be changed again. Raises Forbidden, NotFound, Invalid, Conflict when it is not locked."""
    _set_locked(ctx, actor, system_id, comment, locked=False)


def mark_broken(ctx: Context, actor: Actor, system_id: str, comment: str) -> None:
    """The machine is Broken, and the comment says why.

    Raises Forbidden, NotFound, Invalid, Conflict while something is under way, or when it is so already."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.EDIT_MACHINE, system_id)
        require_idle(machine.hostname, machine.status, "mark it as broken")
        why = validation.text("comment", comment)
        lifecycle.set_status(ctx, tx, machine, Status.BROKEN, why, epochs=0)
        _record(ctx, tx, actor, machine, "REQUEST_NODE_MARK_BROKEN", "marked as broken", why)


def mark_fixed(ctx: Context, actor: Actor, system_id: str, comment: str) -> None:
    """A Broken machine is Ready again.

    Raises Forbidden, NotFound, Invalid; Conflict when it is not Broken, or when nobody knows what it is made of."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.EDIT_MACHINE, system_id)
        if machine.status != Status.BROKEN:
            raise Conflict(f"Machine {machine.hostname} is {label(machine.status)}: only a Broken one can be fixed.")
        if machine.commissioned_at is None:
            raise Conflict(
                f"Machine {machine.hostname} was never commissioned and cannot become Ready; commission it "
                "(op=commission) instead."
            )
        why = validation.text("comment", comment)
        lifecycle.set_status(ctx, tx, machine, Status.READY, "", epochs=0)
        _record(ctx, tx, actor, machine, "REQUEST_NODE_MARK_FIXED", "marked as fixed", why)


def _set_locked(ctx: Context, actor: Actor, system_id: str, comment: str, *, locked: bool) -> None:
    done = "locked" if locked else "unlocked"
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.LOCK_MACHINE, system_id)
        if machine.locked == locked:
            raise Conflict(f"Machine {machine.hostname} is {'already' if locked else 'not'} locked.")
        why = validation.text("comment", comment)
        tx.run("machines.state.set_locked", id=machine.id, locked=locked, now=ctx.clock.now())
        _record(ctx, tx, actor, machine, f"REQUEST_NODE_{'LOCK' if locked else 'UNLOCK'}", done, why)


def _record(
    ctx: Context, tx: Transaction, actor: Actor, machine: MachineState, event: str, done: str, why: str
) -> None:
    text = f"{done}: {why}" if why else done
    journal.record(tx, ctx.clock.now(), event, text, machine_id=machine.id, username=actor.username)
