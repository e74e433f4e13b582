# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepting machines that came by enlistment. One that is refused is deleted."""

from __future__ import annotations

from collections.abc import Sequence

from rackyard.region.context import Context
from rackyard.region.db.boots import enlistment as rows
from rackyard.region.db.boots.enlistment import Queued
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict
from rackyard.region.services.operations import commissioning
from rackyard.region.services.power import orders
from rackyard.region.services.site import journal
from rackyard.region.services.site.authorisation import Actor, Permission, Unknown, authorise
from rackyard.region.status import Status, label


def queue(ctx: Context) -> list[Queued]:
    """Who enlists, waits, was accepted or could not enlist, the oldest first."""
    with ctx.db.transaction() as tx:
        return rows.queue(tx)


def accept(ctx: Context, actor: Actor, system_ids: Sequence[str]) -> None:
    """These machines belong to the site: all of them or none. Each is commissioned if it can be, else it stays New and
    an event tells why; accepting it again tries again.

    Raises Forbidden, NotFound; Conflict for a machine that did not come by enlistment, or is not New."""
    wanted = sorted(set(system_ids))
    with ctx.db.transaction() as tx:
        for system_id in wanted:
            _accept(ctx, tx, actor, system_id)
    for system_id in wanted:
        commissioning.start_if_possible(ctx, actor, system_id)


def accept_all(ctx: Context, actor: Actor) -> list[str]:
    """The same for all that wait; their system_ids. Raises Forbidden."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.OPERATE_MACHINE, Unknown.MACHINE)
        waiting = [str(row["system_id"]) for row in tx.all("boots.enlistment.unaccepted")]
    accept(ctx, actor, waiting)
    return waiting


def power_was_given(ctx: Context, actor: Actor, system_id: str) -> None:
    """A machine has power settings now: one that enlisted where machines are commissioned as well is so now."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.EDIT_MACHINE, system_id)
        row = tx.one("boots.enlistment.of_machine", machine_id=machine.id)
    if row is not None and row["commission"] and row["accepted_at"] is None and machine.status == Status.NEW:
        accept(ctx, actor, [system_id])


def _accept(ctx: Context, tx: Transaction, actor: Actor, system_id: str) -> None:
    machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
    if tx.one("boots.enlistment.of_machine", machine_id=machine.id) is None:
        raise Conflict(
            f"Machine {machine.hostname} did not come by enlistment: somebody has registered it, so there is nothing "
            "to accept; commission it (op=commission)."
        )
    if machine.status != Status.NEW:
        raise Conflict(f"Machine {machine.hostname} is {label(machine.status)}: only a New one can be accepted.")
    if tx.run("boots.enlistment.accept", machine_id=machine.id, now=ctx.clock.now()):
        tx.run("racks.desired.changed")
        journal.record(
            tx, ctx.clock.now(), "NODE_ACCEPTED", f"Machine {machine.hostname} was accepted", machine_id=machine.id,
            username=actor.username,
        )  # fmt: skip
