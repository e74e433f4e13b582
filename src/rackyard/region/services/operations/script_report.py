# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of its scripts means for a machine, whatever they are for. The machine is not trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.operations import signals as rows
from rackyard.region.db.operations.signals import ScriptResult
from rackyard.region.db.pool import Transaction
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.operations import lifecycle
from rackyard.region.services.operations.lifecycle import EXPECT_OFF
from rackyard.region.services.operations.words import clean, machine_via

# Passed, degraded and skipped.
GOOD = frozenset({2, 6, 9})
# Pending and running.
OPEN = frozenset({0, 1})


def passed(
    ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str
) -> Sequence[ScriptResult] | None:
    """The results of a machine that says that its scripts ended well, if all are here and none is bad; else None.

    It says so when every result was taken. One that is not here waits on another rack, which no region hears: it is
    waited for, and this is asked again when it has come. With a bad one the operation has failed."""
    results = rows.results(tx, boot.id)
    by_whom = machine_via(boot, via)
    waiting = _open(results)
    words = f"; results of {waiting} wait on a rack that is not heard" if waiting else ""
    timeline.record(tx, boot.id, steps.REPORTED, by_whom, ctx.clock.now(), f"{len(results)} scripts{words}")
    if waiting:
        return None
    bad = [result.name for result in results if result.status not in GOOD and result.name not in ephemeral.OPTIONAL]
    if bad:
        reason = f"{boot.hostname} reported OK, but these scripts did not pass: {', '.join(dict.fromkeys(bad))}"
        lifecycle.fail(ctx, tx, machine, reason, by_whom=by_whom, step=steps.STORED, off=EXPECT_OFF)
        return None
    return results


def failed(
    ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str, words: str, error: str
) -> None:
    """The machine says that its scripts failed or timed out (`words`), and why."""
    by_whom = machine_via(boot, via)
    kind = lifecycle.of_machine(machine)
    title = "scripts" if kind is None else f"{kind.title} scripts"
    reason = f"the {title} of {boot.hostname} {words}: {clean(error) or 'no reason given'}"
    timeline.record(tx, boot.id, steps.REPORTED, by_whom, ctx.clock.now(), words)
    lifecycle.fail(ctx, tx, machine, reason, by_whom=by_whom, step=steps.STORED, off=EXPECT_OFF)


def overdue(ctx: Context, tx: Transaction, machine: MachineState, reason: str) -> None:
    """Nothing came in time, or not all that another rack has kept."""
    if machine.boot_id is None or not said_last_word(tx, machine.boot_id):
        lifecycle.fail(ctx, tx, machine, reason, by_whom=ctx.config.name)
        return
    waiting = _open(rows.results(tx, machine.boot_id))
    reason = f"{machine.hostname} reported OK, but results of {waiting} never came; is a rack of its subnet dead?"
    lifecycle.fail(ctx, tx, machine, reason, by_whom=ctx.config.name, step=steps.STORED, off=EXPECT_OFF)


def said_last_word(tx: Transaction, boot_id: int) -> bool:
    """Whether the machine of a boot that runs has said OK, before all results were here."""
    return any(each.step == steps.REPORTED for each in timeline.recorded(tx, boot_id))


def _open(results: Iterable[ScriptResult]) -> str:
    """The names of scripts whose results are not here."""
    return ", ".join(dict.fromkeys(result.name for result in results if result.status in OPEN))
