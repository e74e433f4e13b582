# SPDX-License-Identifier: GPL-3.0-or-later
"""Testing: the machine boots into memory, runs tests, and is afterwards what it was before, or Failed testing."""

from __future__ import annotations

from collections.abc import Sequence

from rackyard.region.context import Context
from rackyard.region.errors import Conflict
from rackyard.region.services.operations import booting, lifecycle
from rackyard.region.services.operations.kinds import TEST
from rackyard.region.services.power import orders
from rackyard.region.services.site import journal, validation
from rackyard.region.services.site import scripts as choices
from rackyard.region.services.site.authorisation import Actor, Permission
from rackyard.region.status import Status, check, label

# Tests of devices are told of these which there are.
_DEVICES = ("20-network", "20-storage")


def start(ctx: Context, actor: Actor, system_id: str, tests: Sequence[str] | None) -> None:
    """Begin to test a machine, by tests of those names or tags; None is those that run unasked.

    Raises what commissioning raises when it begins; Invalid for a test that there is not."""
    asked_at = ctx.clock.now()
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
        check(machine.hostname, machine.status, TEST.running)
        booting.begin(ctx, tx, actor, machine, TEST, asked_at, _DEVICES, choices.tests(tx, tests))


def override(ctx: Context, actor: Actor, system_id: str, comment: str) -> None:
    """A machine that failed its tests is used all the same: it is Ready.

    Raises Forbidden, NotFound, Invalid; Conflict when it has not failed any, or when nobody knows what it is made
    of."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.EDIT_MACHINE, system_id)
        if machine.status != Status.FAILED_TESTING:
            raise Conflict(
                f"Machine {machine.hostname} is {label(machine.status)}: only what Failed testing can be overridden."
            )
        if machine.commissioned_at is None:
            raise Conflict(
                f"Machine {machine.hostname} was never commissioned and cannot become Ready; commission it "
                "(op=commission) instead."
            )
        why = validation.text("comment", comment)
        lifecycle.set_status(ctx, tx, machine, Status.READY, "", epochs=0)
        text = f"tests that failed were overridden{f': {why}' if why else ''}"
        journal.record(
            tx, ctx.clock.now(), "REQUEST_NODE_OVERRIDE_FAILED_TESTING", text,
            machine_id=machine.id, username=actor.username,
        )  # fmt: skip
