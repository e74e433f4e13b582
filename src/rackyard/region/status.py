# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine statuses and which may follow which. Numbers, names and transitions are those of MAAS API 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from rackyard.region.errors import Conflict


class Status(IntEnum):
    """The statuses that are in use."""

    NEW = 0
    COMMISSIONING = 1
    FAILED_COMMISSIONING = 2
    MISSING = 3
    READY = 4
    BROKEN = 8

    @property
    def label(self) -> str:
        """The name as MAAS shows it, e.g. `Failed commissioning`."""
        return self.name.replace("_", " ").capitalize()


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.NEW: frozenset({Status.COMMISSIONING, Status.MISSING, Status.READY, Status.BROKEN}),
    Status.COMMISSIONING: frozenset(
        {Status.FAILED_COMMISSIONING, Status.READY, Status.MISSING, Status.NEW, Status.BROKEN}
    ),
    Status.FAILED_COMMISSIONING: frozenset({Status.COMMISSIONING, Status.MISSING, Status.BROKEN}),
    Status.MISSING: frozenset({Status.NEW, Status.READY, Status.COMMISSIONING, Status.BROKEN}),
    Status.READY: frozenset({Status.COMMISSIONING, Status.MISSING, Status.BROKEN}),
    Status.BROKEN: frozenset({Status.COMMISSIONING, Status.READY}),
}


def check(hostname: str, current: int, wanted: Status) -> None:
    """Raise Conflict, naming machine and states, when `wanted` may not follow `current`."""
    if wanted not in TRANSITIONS[Status(current)]:
        allowed = ", ".join(state.label for state in sorted(TRANSITIONS[Status(current)]))
        raise Conflict(
            f"machine {hostname} is {Status(current).label} and cannot become {wanted.label}; possible now: {allowed}"
        )
