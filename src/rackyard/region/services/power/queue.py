# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of what racks have to do. A job is written in the transaction of the state change that needs it."""

from __future__ import annotations

from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction

# How long a rack may take, from the moment the job is written, before somebody is told that it did not happen.
LIMIT_S = {"power_on": 120, "power_off": 180, "power_query": 30}


def enqueue(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    rack_id: int,
    kind: str,
    *,
    epoch: int,
    boot_id: int | None = None,
    params: dict[str, object] | None = None,
) -> int:
    """Write a job; its rack is woken at commit. Returns the job's id."""
    now = ctx.clock.now()
    row = tx.one(
        "power.queue.add",
        rack_id=rack_id,
        machine_id=machine.id,
        boot_id=boot_id,
        epoch=epoch,
        kind=kind,
        params=params or {},
        now=now,
        expires_at=now + timedelta(seconds=LIMIT_S[kind]),
    )
    assert row is not None
    return int(row["id"])
