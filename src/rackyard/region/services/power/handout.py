# SPDX-License-Identifier: GPL-3.0-or-later
"""Handing jobs out to the racks that poll for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rackyard.region.context import Context
from rackyard.region.db.pool import Row
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import RackyardError
from rackyard.region.services.power import outcomes, queue
from rackyard.region.services.racks import dhcp_checks, enrolment
from rackyard.region.turns import Turn
from rackyard_core.power import fields

MAX_WAIT_S = 30.0
DEFAULT_SLOTS = 50


@dataclass(frozen=True)
class Poll:
    """What a rack says when it asks for work: how long it waits (s), how many jobs it can work on now, and the ids of
    all that it holds; None from an agent that does not tell, whose jobs then are never handed out twice."""

    wait_s: float = 0.0
    slots: int = DEFAULT_SLOTS
    held: Collection[int] | None = None


class Work(NamedTuple):
    """What a rack is to do: power jobs, and configurations of dhcpd that it is to judge."""

    jobs: list[dict[str, object]]
    checks: list[dict[str, Any]]


def take(ctx: Context, rack: Rack, poll: Poll, turn: Turn) -> Work:
    """What waits for a rack, after at most `wait_s` seconds; empty lists when there is nothing to do.

    An agent that was restarted leaves its poll behind: once the `turn` is over nothing is handed out. What is lost all
    the same waits again when the rack's next poll does not name it: when that begins, for what a rack holds later on,
    from another poll, it has not told this one."""
    if poll.held is not None:
        with ctx.db.transaction() as tx:
            queue.give_back(ctx, tx, rack.id, poll.held)
    give_up_at = ctx.clock.monotonic() + min(max(poll.wait_s, 0.0), MAX_WAIT_S)
    with ctx.notifier.subscribe("rackyard_jobs", rack.system_id) as subscription:
        turn.on_end(subscription.wake)
        while not turn.over():
            with ctx.db.transaction() as tx:
                rows = queue.take(ctx, tx, rack.id, poll.slots) if poll.slots > 0 else []
            made = [_document(ctx, rack, row) for row in sorted(rows, key=lambda row: int(row["id"]))]
            documents = [document for document in made if document is not None]
            checks = dhcp_checks.take(ctx, rack)
            if documents or checks:
                return Work(documents, checks)
            woken = subscription.wait(give_up_at - ctx.clock.monotonic())
            # Whoever hung up was not seen once more.
            if turn.over() or not enrolment.still_valid(ctx, rack) or not woken:
                break
    return Work([], [])


def _document(ctx: Context, rack: Rack, row: Row) -> dict[str, object] | None:
    """What the agent gets; None when the password cannot be read: that job fails, the others must not wait for it."""
    params = row["params"]
    try:
        secrets = {name: ctx.box.decrypt(sealed.encode()) for name, sealed in row["bmc_secrets"].items()}
    except RackyardError as error:
        outcomes.give_up(ctx, row["id"], rack.id, f"BMC {row['power_address']} cannot be asked: {error.message}")
        return None
    return {
        "id": row["id"],
        "kind": row["kind"],
        "epoch": row["epoch"],
        "machine": row["system_id"],
        "hostname": row["hostname"],
        "expires_at": row["expires_at"].isoformat(),
        "limit_s": row["limit_s"],
        "power": _power(row, secrets),
        "boot_device": None if params.get("keep_on") else params.get("boot_device"),
        "boot_device_if_off": params.get("boot_device") if params.get("keep_on") else None,
        "expect_off": params.get("expect_off", False),
    }


def _power(row: Row, secrets: Mapping[str, str]) -> dict[str, object]:
    """How a rack reaches the BMC: what has no place of its own in the contract is an option."""
    kind = row["power_type"]
    options = {**row["bmc_parameters"], **row["power_parameters"], **secrets}
    return {
        "type": kind,
        "address": row["power_address"],
        "port": row["power_port"] or fields.usual_port(kind),
        "user": options.pop(fields.named(kind, "user"), ""),
        "password": options.pop(fields.named(kind, "password"), ""),
        "options": effective_options(options, row["firmware_type"]),
    }


def effective_options(options: Mapping[str, object], firmware_type: str) -> dict[str, object]:
    """The power options with `power_boot_type` decided: `auto` is what commissioning has found the firmware to be.

    Some UEFI servers boot in legacy mode, or from disk, unless the BMC's boot flags say EFI (IPMI 2.0, table 28-14)."""
    chosen = options.get("power_boot_type") or "auto"
    return {**options, "power_boot_type": "efi"} if chosen == "auto" and firmware_type == "uefi" else dict(options)
