# SPDX-License-Identifier: GPL-3.0-or-later
"""Commissioning: the machine boots into memory, tells what it is made of, and is switched off again."""

from __future__ import annotations

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.db.machines import facts as fact_rows
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral.hardware import HardwareFacts
from rackyard.region.errors import BadRequest, Conflict
from rackyard.region.services.operations import booting, hardware_changes, lifecycle
from rackyard.region.services.operations.kinds import COMMISSION
from rackyard.region.services.power import orders
from rackyard.region.services.site import journal
from rackyard.region.services.site import scripts as choices
from rackyard.region.services.site.authorisation import Actor, Permission
from rackyard.region.services.site.scripts import BY_ITSELF, Choice
from rackyard.region.status import check


def start(ctx: Context, actor: Actor, system_id: str, scripts: Choice = BY_ITSELF) -> None:
    """Begin to commission a machine: new state, boot, steps 1 to 3, event and power job in one transaction.
    Step 3 comes later when a rack that reaches the BMC is yet to be found.

    Raises Forbidden, NotFound; BadRequest when BMC, MAC or image is missing; Conflict when the state does not allow it,
    no rack is alive, or nobody would answer the machine's DHCP request. Nothing is changed then."""
    with ctx.db.transaction() as tx:
        begin(ctx, tx, actor, system_id, scripts)


def start_if_possible(ctx: Context, actor: Actor, system_id: str, scripts: Choice = BY_ITSELF) -> None:
    """Begin to commission a machine that is new. If that cannot be, it stays New and an event tells why: whoever adds
    a machine has not asked for more. Raises Forbidden, NotFound."""
    try:
        start(ctx, actor, system_id, scripts)
    except (BadRequest, Conflict) as refusal:
        with ctx.db.transaction() as tx:
            machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
            journal.record(
                tx, ctx.clock.now(), "COMMISSIONING_NOT_STARTED", f"not commissioned when added: {refusal.message}",
                machine_id=machine.id, username=actor.username,
            )  # fmt: skip


def begin(ctx: Context, tx: Transaction, actor: Actor, system_id: str, scripts: Choice = BY_ITSELF) -> None:
    """The same in the caller's transaction."""
    asked_at = ctx.clock.now()
    machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
    check(machine.hostname, machine.status, COMMISSION.running)
    own = [script.name for script in ephemeral.script_index()]
    booting.begin(ctx, tx, actor, machine, COMMISSION, asked_at, own, choices.chosen(tx, scripts))


def abort(ctx: Context, actor: Actor, system_id: str) -> None:
    """Stop what the machine is going through. Raises Forbidden, NotFound, Conflict when nothing is under way."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
        kind = lifecycle.abort(ctx, tx, actor, machine)
        journal.record(
            tx, ctx.clock.now(), f"REQUEST_NODE_ABORT_{kind.purpose.upper()}", f"{kind.title} aborted",
            machine_id=machine.id, username=actor.username,
        )  # fmt: skip


def complete(ctx: Context, tx: Transaction, machine: MachineState, facts: HardwareFacts) -> None:
    """Commissioning succeeded: facts, status Ready and the power-off job in the caller's transaction."""
    now = ctx.clock.now()
    before = fact_rows.known(tx, machine.id)
    gone = fact_rows.store(tx, machine.id, facts, now)
    lifecycle.complete(ctx, tx, machine, lifecycle.EXPECT_OFF)
    journal.record(
        tx, now, "NODE_COMMISSIONED",
        f"{facts.cpu.count} CPUs, {facts.memory.total_mib} MiB memory, {len(facts.disks)} disks, "
        f"{len(facts.nics)} network interfaces",
        machine_id=machine.id,
    )  # fmt: skip
    changes = [] if before is None else hardware_changes.changes(before, fact_rows.counted(facts))
    if changes:
        told = f"since it was commissioned before: {'; '.join(changes)}"
        journal.record(tx, now, "HARDWARE_CHANGED", told, machine_id=machine.id, level=journal.WARNING)
    for nic in gone:
        lost = [*nic.links, *(["its tags"] if nic.tags else []), *(["its name or VLAN"] if nic.declared else [])]
        if lost or nic.type != "physical":
            what = "NIC" if nic.type == "physical" else nic.type.capitalize()
            journal.record(
                tx, now, "INTERFACE_GONE",
                f"{what} {nic.name} ({nic.mac}) is no longer there; with it went what was set for it: "
                f"{', '.join(lost) or 'what it was made of'}",
                machine_id=machine.id, level=journal.WARNING,
            )  # fmt: skip
