# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of its tests means for a machine. The machine is not trusted."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.services.operations import lifecycle, script_report
from rackyard.region.services.site import journal

SKIPPED, DEGRADED = 9, 6


def succeeded(ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str) -> None:
    """The machine says that its tests went well, and is what it was before."""
    results = script_report.passed(ctx, tx, boot, machine, via)
    if results is None:
        return
    lifecycle.complete(ctx, tx, machine, lifecycle.EXPECT_OFF)
    words = f"{len(results)} scripts"
    for status, what in ((DEGRADED, "degraded"), (SKIPPED, "skipped")):
        names = dict.fromkeys(result.name for result in results if result.status == status)
        words += f"; {what}: {', '.join(names)}" if names else ""
    journal.record(tx, ctx.clock.now(), "NODE_TESTED", words, machine_id=machine.id)


def completed(ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str) -> None:
    """A result is here; where the machine's last word was here before, that may have been all that it waited for."""
    if script_report.said_last_word(tx, boot.id):
        succeeded(ctx, tx, boot, machine, via)
