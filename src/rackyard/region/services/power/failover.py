# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a job when a rack does not reach the BMC, and when a search for a rack that does comes to an end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from rackyard.region.context import Context
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.power import rack_choice as rack_rows
from rackyard.region.services.boots import timeline
from rackyard.region.services.power import queue
from rackyard.region.services.power.rack_choice import Choice, Search
from rackyard.region.services.site import journal

# Errors of the network between rack and BMC, which another rack may not have. A BMC that answers and refuses would
# refuse the next rack, too, and one that counts wrong passwords would lock the account.
KINDS = frozenset({"unreachable", "timeout"})
_MAX_REASON = 400


@dataclass(frozen=True)
class Failure:
    """A rack that a job came to nothing at, and why."""

    rack_id: int
    rack: str
    reason: str


def remember(ctx: Context, tx: Transaction, machine: MachineState, failure: Failure) -> None:
    """The next choice of a rack for this BMC takes the failure into account."""
    if machine.bmc_id is not None:
        rack_rows.remember_failure(tx, machine.bmc_id, failure.rack_id, ctx.clock.now(), failure.reason)


def next_rack(
    ctx: Context, tx: Transaction, machine: MachineState, job: Row, failure: Failure
) -> Choice | Search | None:
    """Who does a job after that failure, None when nobody is left. A question is not worth a search: it is asked again
    by itself."""
    tried = [failure.rack_id, *(each["rack_id"] for each in job["tried"])]
    choice = queue.next_rack(ctx, tx, machine, tried)
    return None if isinstance(choice, Search) and job["kind"] == "power_query" else choice


def pass_on(
    ctx: Context, tx: Transaction, machine: MachineState, job: Row, failure: Failure, given: Collection[str] | None
) -> bool:
    """Give a job to the next rack, which has not failed at it; False when there is none.

    `given` are the commands that may have reached the BMC, None when nobody knows."""
    choice = next_rack(ctx, tx, machine, job, failure)
    if choice is None:
        return False
    tried = [*job["tried"], asdict(failure)]
    params = queue.for_another_rack(job, given)
    queue.pass_on(ctx, tx, machine, job, choice, tried, params)
    order = job["kind"].replace("_", "-")
    then = f"{order} goes to {choice.hostname}: {choice.reason}" if not isinstance(choice, Search) else choice.reason
    words = f"{failure.rack} did not do it: {failure.reason}; {then}"
    if params.get("keep_on"):
        words += "; the machine may be starting already, and is left on if it is"
    if job["kind"] == "power_on" and job["boot_id"] is not None:
        timeline.other_rack(tx, job["boot_id"], choice.rack_id, words)
    if job["kind"] != "power_query" or machine.power_state != "error":
        # A question is asked every few minutes; while nobody gets an answer, that is told once.
        level = journal.DEBUG if job["kind"] == "power_query" else journal.WARNING
        journal.record(
            tx, ctx.clock.now(), "RACK_CHANGED", f"{order} of {machine.hostname}: {words}",
            machine_id=machine.id, rack_id=choice.rack_id, level=level,
        )  # fmt: skip
    return True


def found(ctx: Context, tx: Transaction, machine: MachineState, epoch: int, rack_id: int, hostname: str) -> None:
    """A rack reaches the BMC: it gets the orders that wait for one, and the others need not look any longer."""
    now = ctx.clock.now()
    for order in tx.all("power.queue.homeless", machine_id=machine.id, epoch=epoch):
        words = f"{hostname} is the first rack that BMC {machine.power_address} answers"
        queue.settle(ctx, tx, order, rack_id)
        if order["kind"] == "power_on" and order["boot_id"] is not None:
            timeline.rack_found(tx, order["boot_id"], rack_id, ctx.config.name, now, words)
        level = journal.DEBUG if order["kind"] == "power_query" else journal.INFO
        told = f"{order['kind'].replace('_', '-')} of {machine.hostname} goes to {hostname}: {words}"
        journal.record(tx, now, "RACK_FOUND", told, machine_id=machine.id, rack_id=rack_id, level=level)
    tx.run("power.queue.call_off_probes", machine_id=machine.id, now=now, reason=f"{hostname} was quicker")


def not_found(tx: Transaction, machine: MachineState, epoch: int, failure: Failure) -> list[Row]:
    """A rack does not reach the BMC. The orders, if it was the last one that was asked, that no rack can do."""
    orders = tx.all("power.queue.homeless", machine_id=machine.id, epoch=epoch)
    for order in orders:
        order["tried"] = [*order["tried"], asdict(failure)]
        tx.run("power.queue.note_tried", id=order["id"], tried=order["tried"])
    row = tx.one("power.queue.open_probes", machine_id=machine.id, epoch=epoch)
    return orders if row is not None and row["count"] == 0 else []


def words(machine: MachineState, kind: str, tried: Sequence[Row]) -> str:
    """What became of a job at each rack, in the order in which they were asked; racks with the same reason together."""
    verb = {"power_on": "power on", "power_off": "power off", "power_query": "ask"}[kind]
    if len(tried) == 1:
        return f"{tried[0]['rack']} could not {verb} {machine.hostname}: {tried[0]['reason']}"
    racks: dict[str, list[str]] = {}
    for one in tried:
        racks.setdefault(one["reason"][:_MAX_REASON], []).append(one["rack"])
    each = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in racks.items())
    return f"none of {len(tried)} racks could {verb} {machine.hostname}: {each}"
