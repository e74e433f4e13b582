# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a machine: statuses and the moves between them (numbers and table as in MAAS, for the ones we use)."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum

from rackyard.region.db import machines as machine_rows
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, NotFound
from rackyard.region.services import events


class Status(IntEnum):
    """MAAS's NODE_STATUS numbers."""

    NEW = 0
    COMMISSIONING = 1
    FAILED_COMMISSIONING = 2
    MISSING = 3
    READY = 4
    BROKEN = 8

    @property
    def title(self) -> str:
        """The name that people and clients see, such as "Failed commissioning"."""
        return self.name.replace("_", " ").capitalize()


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.NEW: frozenset({Status.COMMISSIONING, Status.MISSING, Status.READY, Status.BROKEN}),
    Status.COMMISSIONING: frozenset(
        {Status.FAILED_COMMISSIONING, Status.READY, Status.MISSING, Status.NEW, Status.BROKEN}
    ),
    Status.FAILED_COMMISSIONING: frozenset({Status.COMMISSIONING, Status.MISSING, Status.BROKEN}),
    Status.MISSING: frozenset({Status.NEW, Status.READY, Status.COMMISSIONING, Status.BROKEN}),
    Status.READY: frozenset({Status.COMMISSIONING, Status.MISSING, Status.BROKEN}),
    Status.BROKEN: frozenset({Status.COMMISSIONING, Status.READY}),
}

# An abort puts a machine back to what it was; the table above has only the ordinary ways.
ABORTS_TO: dict[Status, frozenset[Status]] = {
    Status.COMMISSIONING: frozenset({Status.NEW, Status.FAILED_COMMISSIONING, Status.READY, Status.BROKEN}),
}


def allowed(current: Status, to: Status) -> bool:
    """Whether a machine may go from one status to another."""
    return to in TRANSITIONS[current] or to in ABORTS_TO.get(current, frozenset())


def require(hostname: str, current: Status, to: Status) -> None:
    """Raise Conflict, naming the machine and the ways that are open, unless the move is allowed."""
    if not allowed(current, to):
        ways = ", ".join(sorted(status.title for status in TRANSITIONS[current]))
        raise Conflict(f"Machine {hostname} is {current.title} and cannot become {to.title}; from here it can: {ways}.")


def move(tx: Transaction, now: datetime, machine_id: int, to: Status, message: str = "", username: str = "") -> None:
    """Lock the machine, check the move, make it and record the event: all in the caller's transaction.

    Raises NotFound for a machine that is gone, Conflict for a move that the table forbids.
    """
    machine = machine_rows.lock(tx, machine_id)
    if machine is None:
        raise NotFound("The machine was deleted meanwhile.")
    current = Status(machine.status)
    require(machine.hostname, current, to)
    machine_rows.set_status(tx, machine_id, int(to), message, now)
    level = events.ERROR if to in (Status.FAILED_COMMISSIONING, Status.BROKEN) else events.INFO
    events.record(
        tx,
        now,
        "NODE_CHANGED_STATUS",
        f"From '{current.title}' to '{to.title}'" + (f": {message}" if message else ""),
        machine_id=machine_id,
        level=level,
        username=username,
    )
