# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine statuses and which may follow which. Numbers, names and transitions are those of MAAS API 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import cache

from rackyard.region.errors import Conflict

# Where MAAS shows another name than the constant's.
_LABELS = {13: "Releasing failed", 18: "Failed to enter rescue mode", 20: "Failed to exit rescue mode"}


class Status(IntEnum):
    """Every status that MAAS knows; what leads to one that nothing here sets yet comes with its operation."""

    NEW = 0
    COMMISSIONING = 1
    FAILED_COMMISSIONING = 2
    MISSING = 3
    READY = 4
    RESERVED = 5
    DEPLOYED = 6
    RETIRED = 7
    BROKEN = 8
    DEPLOYING = 9
    ALLOCATED = 10
    FAILED_DEPLOYMENT = 11
    RELEASING = 12
    FAILED_RELEASING = 13
    DISK_ERASING = 14
    FAILED_DISK_ERASING = 15
    RESCUE_MODE = 16
    ENTERING_RESCUE_MODE = 17
    FAILED_ENTERING_RESCUE_MODE = 18
    EXITING_RESCUE_MODE = 19
    FAILED_EXITING_RESCUE_MODE = 20
    TESTING = 21
    FAILED_TESTING = 22

    @property
    def label(self) -> str:
        """The name as MAAS shows it, e.g. `Failed commissioning`."""
        return _LABELS.get(self.value, self.name.replace("_", " ").capitalize())


@cache
def label(number: int) -> str:
    """The name of any number: a newer region may have written a status that this one does not know yet."""
    return Status(number).label if number in TRANSITIONS else f"Status {number}"


_S = Status
_COMMON = frozenset({_S.BROKEN, _S.ENTERING_RESCUE_MODE, _S.TESTING})
_LET_GO = frozenset({_S.DISK_ERASING, _S.RELEASING})

TRANSITIONS: Mapping[int, frozenset[Status]] = {
    _S.NEW: _COMMON | {_S.COMMISSIONING, _S.MISSING, _S.READY, _S.RETIRED},
    _S.COMMISSIONING: frozenset(
        {_S.FAILED_COMMISSIONING, _S.READY, _S.RETIRED, _S.MISSING, _S.NEW, _S.BROKEN, _S.TESTING}
    ),
    _S.FAILED_COMMISSIONING: _COMMON | {_S.COMMISSIONING, _S.MISSING, _S.RETIRED},
    _S.READY: _COMMON | {_S.COMMISSIONING, _S.ALLOCATED, _S.RESERVED, _S.RETIRED, _S.MISSING},
    _S.RESERVED: _COMMON | _LET_GO | {_S.READY, _S.ALLOCATED, _S.RETIRED, _S.MISSING},
    _S.ALLOCATED: _COMMON | _LET_GO | {_S.READY, _S.RETIRED, _S.MISSING, _S.DEPLOYING},
    _S.DEPLOYING: _LET_GO | {_S.ALLOCATED, _S.MISSING, _S.BROKEN, _S.FAILED_DEPLOYMENT, _S.DEPLOYED, _S.READY},
    _S.FAILED_DEPLOYMENT: _COMMON | _LET_GO | {_S.ALLOCATED, _S.MISSING, _S.READY},
    _S.DEPLOYED: _COMMON | _LET_GO | {_S.ALLOCATED, _S.MISSING, _S.READY},
    _S.RELEASING: frozenset(
        {
            _S.NEW, _S.ALLOCATED, _S.RESERVED, _S.DEPLOYED, _S.READY, _S.BROKEN, _S.MISSING, _S.FAILED_DEPLOYMENT,
            _S.FAILED_DISK_ERASING, _S.FAILED_RELEASING,
        }
    ),
    _S.FAILED_RELEASING: _LET_GO | {_S.READY, _S.BROKEN, _S.TESTING},
    _S.DISK_ERASING: _LET_GO | {_S.BROKEN, _S.FAILED_DISK_ERASING, _S.READY},
    _S.FAILED_DISK_ERASING: _COMMON | _LET_GO | {_S.ALLOCATED, _S.READY},
    _S.MISSING: _COMMON | {_S.NEW, _S.READY, _S.ALLOCATED, _S.COMMISSIONING},
    _S.RETIRED: _COMMON | {_S.NEW, _S.READY, _S.MISSING},
    _S.BROKEN: frozenset({_S.ENTERING_RESCUE_MODE, _S.TESTING})
    | _LET_GO
    | {_S.COMMISSIONING, _S.READY, _S.DEPLOYED},
    _S.ENTERING_RESCUE_MODE: frozenset(
        {
            _S.READY, _S.BROKEN, _S.DEPLOYED, _S.RESCUE_MODE, _S.FAILED_ENTERING_RESCUE_MODE, _S.EXITING_RESCUE_MODE,
        }
    ),
    _S.FAILED_ENTERING_RESCUE_MODE: _COMMON | {_S.EXITING_RESCUE_MODE},
    _S.RESCUE_MODE: frozenset({_S.BROKEN, _S.EXITING_RESCUE_MODE, _S.TESTING}),
    # Back to where it came from, which may be any status in which nothing is under way.
    _S.EXITING_RESCUE_MODE: frozenset(
        {
            _S.NEW, _S.FAILED_COMMISSIONING, _S.MISSING, _S.READY, _S.RESERVED, _S.DEPLOYED, _S.RETIRED, _S.BROKEN,
            _S.ALLOCATED, _S.FAILED_DEPLOYMENT, _S.FAILED_RELEASING, _S.FAILED_DISK_ERASING, _S.RESCUE_MODE,
            _S.FAILED_ENTERING_RESCUE_MODE, _S.FAILED_EXITING_RESCUE_MODE, _S.FAILED_TESTING,
        }
    ),
    _S.FAILED_EXITING_RESCUE_MODE: frozenset({_S.BROKEN, _S.EXITING_RESCUE_MODE, _S.TESTING}),
    _S.TESTING: frozenset(
        {_S.BROKEN, _S.NEW, _S.READY, _S.RESERVED, _S.ALLOCATED, _S.DEPLOYED, _S.FAILED_TESTING}
    ),
    _S.FAILED_TESTING: _COMMON | {_S.COMMISSIONING, _S.MISSING, _S.READY, _S.DEPLOYED},
}  # fmt: skip

# Where a machine is when what it was going through failed.
FAILURES: Mapping[Status, Status] = {
    _S.COMMISSIONING: _S.FAILED_COMMISSIONING,
    _S.DEPLOYING: _S.FAILED_DEPLOYMENT,
    _S.RELEASING: _S.FAILED_RELEASING,
    _S.DISK_ERASING: _S.FAILED_DISK_ERASING,
    _S.ENTERING_RESCUE_MODE: _S.FAILED_ENTERING_RESCUE_MODE,
    _S.EXITING_RESCUE_MODE: _S.FAILED_EXITING_RESCUE_MODE,
    _S.TESTING: _S.FAILED_TESTING,
}

# MAAS's short words (`simple_status`), each for statuses that people tell apart no further.
SIMPLE: Mapping[str, frozenset[Status]] = {
    **{
        each.name.lower(): frozenset({each})
        for each in (
            _S.NEW, _S.COMMISSIONING, _S.READY, _S.ALLOCATED, _S.DEPLOYING, _S.DEPLOYED, _S.TESTING, _S.BROKEN,
        )
    },
    "failed": frozenset(FAILURES.values()),
    "releasing": _LET_GO,
    "rescue_mode": frozenset({_S.RESCUE_MODE, _S.ENTERING_RESCUE_MODE, _S.EXITING_RESCUE_MODE}),
    "other": frozenset({_S.MISSING, _S.RESERVED, _S.RETIRED}),
}  # fmt: skip


def check(hostname: str, current: int, wanted: Status) -> None:
    """Raise Conflict, naming machine and states, when `wanted` may not follow `current`."""
    possible = TRANSITIONS.get(current, frozenset())
    if wanted not in possible:
        allowed = ", ".join(state.label for state in sorted(possible)) or "none that this region knows"
        raise Conflict(
            f"machine {hostname} is {label(current)} and cannot become {wanted.label}; possible now: {allowed}"
        )
