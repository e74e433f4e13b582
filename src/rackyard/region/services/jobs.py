# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of what racks have to do. A job is written in the transaction of the state change that needs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.life_records import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.rack_records import Rack
from rackyard.region.services import racks

# How long a rack may take, from the moment the job is written, before somebody is told that it did not happen.
LIMIT_S = {"power_on": 120, "power_off": 180, "power_query": 30}
MAX_WAIT_S = 30.0


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
        "job.add",
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


def take(ctx: Context, rack: Rack, wait_s: float, hung_up: Callable[[], bool]) -> list[dict[str, object]]:
    """The waiting jobs of a rack, after at most `wait_s` seconds; an empty list when there is nothing to do.

    An agent that was restarted leaves its poll behind: whoever `hung_up` gets nothing, because it would be lost."""
    give_up_at = ctx.clock.monotonic() + min(max(wait_s, 0.0), MAX_WAIT_S)
    with ctx.notifier.subscribe("rackyard_jobs", rack.system_id) as subscription:
        while not hung_up():
            with ctx.db.transaction() as tx:
                rows = tx.all("job.take", rack_id=rack.id, now=ctx.clock.now())
                documents = [_document(ctx, row) for row in sorted(rows, key=lambda row: int(row["id"]))]
            if documents:
                return documents
            woken = subscription.wait(give_up_at - ctx.clock.monotonic())
            if not racks.still_valid(ctx, rack) or not woken:
                break
    return []


def _document(ctx: Context, row: Row) -> dict[str, object]:
    secret = row["power_secret"]
    params = row["params"]
    return {
        "id": row["id"],
        "kind": row["kind"],
        "epoch": row["epoch"],
        "machine": row["system_id"],
        "hostname": row["hostname"],
        "expires_at": row["expires_at"].isoformat(),
        "power": {
            "type": row["power_type"],
            "address": row["power_address"],
            "port": row["power_port"] or 623,
            "user": row["power_user"],
            "password": ctx.box.decrypt(secret) if secret is not None else "",
            "options": row["power_options"],
        },
        "boot_device": params.get("boot_device"),
        "expect_off": params.get("expect_off", False),
    }
