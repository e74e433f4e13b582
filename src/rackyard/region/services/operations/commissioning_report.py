# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine has found out when it is commissioned, at the end of its scripts. The machine is not trusted."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral import facts
from rackyard.region.services.boots import steps
from rackyard.region.services.operations import commissioning, lifecycle, script_report
from rackyard.region.services.operations.lifecycle import EXPECT_OFF
from rackyard.region.services.operations.words import clean


def succeeded(ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str) -> None:
    """The machine says that its scripts ended well: facts are made of what they printed, or it failed after all."""
    results = script_report.passed(ctx, tx, boot, machine, via)
    if results is None:
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


def completed(ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str) -> None:
    """A result is here; where the machine's last word was here before, that may have been all that it waited for."""
    if script_report.said_last_word(tx, boot.id):
        succeeded(ctx, tx, boot, machine, via)
