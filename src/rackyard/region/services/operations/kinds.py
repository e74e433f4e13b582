# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of operation: what each is called, from where it may start, and where it ends.

What a kind does with a machine's signals is in `registry`, which names the functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rackyard.region.errors import Conflict
from rackyard.region.status import FAILURES, TRANSITIONS, Status


@dataclass(frozen=True)
class Kind:
    """One kind of operation.

    `name` as an operator asks for it, `purpose` as the boot says it, `running` the status meanwhile, `done` the status
    after success, None where the machine is again what it was, `patience_setting` the setting with the seconds in which
    nothing may happen."""

    name: str
    purpose: str
    title: str
    running: Status
    done: Status | None
    patience_setting: str

    @property
    def failed(self) -> Status:
        """The status after a failure."""
        return FAILURES[self.running]

    @property
    def allowed_from(self) -> frozenset[Status]:
        """The statuses in which it may be asked for."""
        return frozenset(Status(status) for status, following in TRANSITIONS.items() if self.running in following)


COMMISSION = Kind(
    name="commission",
    purpose="commissioning",
    title="commissioning",
    running=Status.COMMISSIONING,
    done=Status.READY,
    patience_setting="commissioning_timeout_s",
)

TEST = Kind(
    name="test",
    purpose="testing",
    title="testing",
    running=Status.TESTING,
    done=None,
    patience_setting="commissioning_timeout_s",
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (COMMISSION, TEST)}
# By the status meanwhile.
RUNNING: Mapping[int, Kind] = {kind.running: kind for kind in KINDS.values()}


class Lockable(Protocol):
    """A machine, however much of it was read."""

    @property
    def hostname(self) -> str:
        """Its name in messages."""

    @property
    def locked(self) -> bool:
        """Whether somebody has locked it."""


def require_unlocked(machine: Lockable) -> None:
    """Raise Conflict when somebody has locked the machine against whatever would change it."""
    if machine.locked:
        raise Conflict(
            f"Machine {machine.hostname} is locked; unlock it first (op=unlock), if whoever locked it agrees: "
            "its events tell who and why."
        )


def require_idle(hostname: str, status: int, what: str) -> None:
    """Raise Conflict when something is under way that `what` (a verb with its object) would disturb."""
    kind = RUNNING.get(status)
    if kind is not None:
        raise Conflict(f"Machine {hostname} is {kind.running.label}; abort that first (op=abort), then {what}.")
