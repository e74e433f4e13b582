# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of its scripts means for a machine that is commissioned. The machine is not trusted."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.operations import signals as rows
from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral import facts
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.operations import commissioning, lifecycle
from rackyard.region.services.operations.lifecycle import EXPECT_OFF
from rackyard.region.services.operations.words import clean, machine_via

PASSED = 2


def succeeded(ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str) -> None:
    """The machine says that its scripts ended well: facts are made of what they printed, or it failed after all."""
    results = rows.results(tx, boot.id)
    by_whom = machine_via(boot, via)
    timeline.record(tx, boot.id, steps.REPORTED, by_whom, ctx.clock.now(), f"{len(results)} scripts")
    missing = [result.name for result in results if result.status != PASSED]
    if missing:
        reason = f"{boot.hostname} reported OK, but these scripts did not pass: {', '.join(missing)}"
        lifecycle.fail(ctx, tx, machine, reason, by_whom=by_whom, step=steps.STORED, off=EXPECT_OFF)
        return
    try:
        found = facts.parse_results({result.name: result.stdout for result in results})
    except facts.FactsError as error:
        reason = f"the hardware report of {boot.hostname} cannot be used: {clean(str(error))}"
        lifecycle.fail(ctx, tx, machine, reason, by_whom=ctx.config.name, step=steps.STORED, off=EXPECT_OFF)
        return
    taken = [
        f"{row['mac']} of {row['hostname']}"
        for row in tx.all("machines.registry.mac_owners", macs=[nic.mac for nic in found.nics])
        if row["system_id"] != boot.system_id
    ]
    if taken:
        reason = (
            f"{boot.hostname} reports MAC addresses of other machines: {', '.join(taken)}; correct mac_addresses there"
        )
        lifecycle.fail(ctx, tx, machine, reason, by_whom=ctx.config.name, step=steps.STORED, off=EXPECT_OFF)
        return
    commissioning.complete(ctx, tx, machine, found)


def failed(
    ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str, words: str, error: str
) -> None:
    """The machine says that its scripts failed or timed out (`words`), and why."""
    by_whom = machine_via(boot, via)
    reason = f"the commissioning scripts of {boot.hostname} {words}: {clean(error) or 'no reason given'}"
    timeline.record(tx, boot.id, steps.REPORTED, by_whom, ctx.clock.now(), words)
    lifecycle.fail(ctx, tx, machine, reason, by_whom=by_whom, step=steps.STORED, off=EXPECT_OFF)


def overdue(ctx: Context, tx: Transaction, machine: MachineState, reason: str) -> None:
    """Nothing came in time."""
    lifecycle.fail(ctx, tx, machine, reason, by_whom=ctx.config.name)
