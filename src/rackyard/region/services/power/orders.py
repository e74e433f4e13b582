# SPDX-License-Identifier: GPL-3.0-or-later
"""Power of a machine: who may be asked to change it, and asking."""

from __future__ import annotations

from collections.abc import Mapping

from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.power import rack_choice as rack_rows
from rackyard.region.errors import BadRequest, Conflict, Late, NotFound
from rackyard.region.services.boots import timeline
from rackyard.region.services.operations.kinds import require_idle, require_unlocked
from rackyard.region.services.power import queue, rack_choice
from rackyard.region.services.power.rack_choice import Choice, Search
from rackyard.region.services.site import journal
from rackyard.region.services.site.authorisation import Actor, Permission, Unknown, authorise
from rackyard_core.power import fields

MAX_QUERY_S = 30.0
OPEN = ("queued", "taken")
# What may be done to a locked machine.
_LOCKED_TOO = (Permission.VIEW, Permission.LOCK_MACHINE)


def locked(tx: Transaction, actor: Actor, permission: Permission, system_id: str) -> MachineState:
    """The machine, its row locked, for an actor who may do that to it.

    Raises Forbidden, NotFound; Conflict when an operator has locked the machine and this would change it."""
    machine = state.lock(tx, system_id)
    authorise(actor, permission, machine or Unknown.MACHINE)
    if machine is None:
        raise NotFound(f"no machine has the system id {system_id}")
    if permission not in _LOCKED_TOO:
        require_unlocked(machine)
    return machine


def require_bmc(machine: MachineState) -> str:
    """The address of the machine's BMC. Raises BadRequest when Rackyard has none to talk to."""
    if machine.power_address is None:
        shown = machine.power_type or "not set"
        raise BadRequest(
            f"machine {machine.hostname} has no BMC that Rackyard can talk to (power_type is {shown}); "
            f"set power_type={' or '.join(fields.with_bmc())} with the address and the login of its BMC"
        )
    return machine.power_address


def choose_rack(ctx: Context, tx: Transaction, machine: MachineState) -> Choice | Search:
    """The rack that talks to the machine's BMC, or among which racks it is to be found. Raises Conflict, in words, when
    no rack is alive."""
    bmc = require_bmc(machine)
    racks = rack_rows.candidates(tx, machine)
    choice = rack_choice.choose(bmc, racks, ctx.clock.now())
    if choice is None:
        raise Conflict(rack_choice.refusal(bmc, racks))
    return choice


def request(ctx: Context, actor: Actor, system_id: str, wanted: str) -> None:
    """Ask a rack to power the machine on or off; the machine's power state follows.

    Raises Forbidden, NotFound, BadRequest (no BMC), Conflict (commissioning is under way, or no rack is alive)."""
    if wanted not in ("on", "off"):
        raise BadRequest(f"power can be switched on or off, not {wanted!r}")
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        machine = locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
        require_idle(machine.hostname, machine.status, f"switch it {wanted}")
        choice = choose_rack(ctx, tx, machine)
        queue.cancel_waiting(ctx, tx, machine, f"power {wanted} was asked for after it")
        row = tx.one(
            "machines.state.set_status", id=machine.id, status=machine.status, message=machine.status_message, now=now,
            epochs=1,
        )  # fmt: skip
        epoch = machine.epoch + 1 if row is None else int(row["epoch"])
        queue.enqueue(ctx, tx, machine, choice, f"power_{wanted}", epoch=epoch)
        journal.record(
            tx, now, f"REQUEST_POWER_{wanted.upper()}", f"power {wanted} asked for; {choice.reason}",
            machine_id=machine.id, rack_id=choice.rack_id, username=actor.username,
        )  # fmt: skip


def power_off(ctx: Context, tx: Transaction, machine: MachineState, epoch: int, params: Mapping[str, object]) -> None:
    """Have a machine switched off whose operation ends, in the transaction that ends it.

    When no rack can, an event and the last step of its boot say so, for nobody would hear of it otherwise."""
    if machine.power_address is None:
        return
    choice = queue.next_rack(ctx, tx, machine, ())
    if choice is None:
        now = ctx.clock.now()
        words = f"no live rack reaches BMC {machine.power_address} to switch {machine.hostname} off; it may still run"
        journal.record(tx, now, "NODE_POWER_OFF_FAILED", words, machine_id=machine.id, level=journal.WARNING)
        if machine.boot_id is not None:
            timeline.still_on(tx, machine.boot_id, ctx.config.name, now, words)
        return
    queue.enqueue(ctx, tx, machine, choice, "power_off", epoch=epoch, boot_id=machine.boot_id, params=dict(params))


def query(ctx: Context, actor: Actor, system_id: str, timeout_s: float = MAX_QUERY_S) -> str:
    """Ask the BMC now: `on` or `off`, within at most 30 seconds.

    Raises Forbidden, NotFound, BadRequest (no BMC), Conflict (no rack reaches it, or the BMC's own error, named), Late
    (the rack that was last asked did not report in time)."""
    give_up_at = ctx.clock.monotonic() + min(timeout_s, MAX_QUERY_S)
    with ctx.notifier.subscribe("rackyard_machines", system_id) as subscription:
        with ctx.db.transaction() as tx:
            machine = locked(tx, actor, Permission.VIEW, system_id)
            choice = choose_rack(ctx, tx, machine)
            job_id = queue.enqueue(ctx, tx, machine, choice, "power_query", epoch=machine.epoch)
        while True:
            with ctx.db.transaction() as tx:
                row = tx.one("power.queue.read", id=job_id)
            if row is not None and row["state"] not in OPEN:
                return _answer(machine, row)
            if not subscription.wait(give_up_at - ctx.clock.monotonic()):
                raise Late(_late(machine, None if row is None else row["rack"]))


def _late(machine: MachineState, rack: str | None) -> str:
    if rack is None:
        return (
            f"no rack said in time whether it reaches BMC {machine.power_address} of {machine.hostname}; "
            "`rackyard-region status` shows which racks are alive"
        )
    return (
        f"{rack} did not report on BMC {machine.power_address} of {machine.hostname} in time; "
        f"look at `journalctl -u rackyard-rack` on {rack}"
    )


def _answer(machine: MachineState, row: Row) -> str:
    if row["state"] == "done":
        return str(row["result"]["power_state"])
    raise Conflict(
        row["error"] or f"asking BMC {machine.power_address} of {machine.hostname} was called off; ask again"
    )
