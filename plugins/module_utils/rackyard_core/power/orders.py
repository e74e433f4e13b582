# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an order needs (``plan_power``, pure) and how it is carried out (``carry_out``), whatever the driver.

Waiting for a machine happens here, between short questions: no BMC is held by somebody who waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from .base import PowerBusy, PowerRefused, PowerTimeout, PowerUnreachable

DEFAULT_TIMEOUT_S = 25.0
WANTED = ("query", "on", "off", "soft-off", "cycle", "reset")

# A BMC says "busy" or "not in this state" for some seconds after a change of power.
_BUSY_S = 6.0
_BUSY_PAUSE_S = 1.0
_FIRST_POLL_S, _LAST_POLL_S = 0.25, 1.0

T = TypeVar("T")


class Machine(Protocol):
    """A machine's BMC as an order needs it; each call is short."""

    name: str

    def state(self) -> str:
        """On or off."""

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """For the next boot only."""

    def control(self, action: str) -> None:
        """Give one command."""


@dataclass(frozen=True)
class PowerPlan:
    """What has to be done to a machine that is ``current``: commands in order, and the state to wait for."""

    current: str
    wanted: str
    actions: tuple[str, ...]
    final: str

    @property
    def changed(self) -> bool:
        """True when the machine has to be touched."""
        return bool(self.actions)


@dataclass(frozen=True)
class PowerResult:
    """What was found and done. ``state`` is what the BMC said last: on or off."""

    before: str
    state: str
    changed: bool
    actions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    took_seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "before": self.before,
            "state": self.state,
            "changed": self.changed,
            "actions": list(self.actions),
            "warnings": list(self.warnings),
            "took_seconds": self.took_seconds,
        }


def plan_power(current: str, wanted: str) -> PowerPlan:
    """Decide what to do. ``on``, ``off`` and ``soft-off`` are states; ``cycle`` and ``reset`` always act.

    A cycle is off, then on, so that each half can be read back; a machine that is off is simply switched on.
    """
    if wanted not in WANTED:
        raise ValueError(f"unknown power order {wanted!r}; use one of {', '.join(WANTED)}")
    if current not in ("on", "off"):
        raise ValueError(f"unknown power state {current!r}")
    if wanted == "query" or (current == "off" and wanted in ("off", "soft-off")) or (current == wanted == "on"):
        return PowerPlan(current, wanted, (), current)
    if wanted in ("off", "soft-off"):
        return PowerPlan(current, wanted, (wanted,), "off")
    if current == "off" or wanted == "on":
        return PowerPlan(current, wanted, ("on",), "on")
    return PowerPlan(current, wanted, ("off", "on") if wanted == "cycle" else ("reset",), "on")


def carry_out(
    machine: Machine,
    wanted: str,
    boot_device: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    *,
    uefi: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> PowerResult:
    """Bring a machine to ``wanted`` and read the state back, within ``timeout_s`` seconds for each command.

    A refused boot device is a warning: it may boot from network anyway. ``uefi`` asks for an UEFI boot from the
    device; without it the firmware decides. Raises PowerError's children.
    """
    began = clock()
    plan = plan_power(machine.state(), wanted)
    warnings = []
    if boot_device and plan.changed and plan.final == "on":
        try:
            _when_ready(partial(machine.set_boot_device, boot_device, uefi=uefi), clock, sleep)
        except PowerRefused as refusal:
            warnings.append(f"{refusal}, or set network boot first in the firmware's boot order")
    state = plan.current
    for action in plan.actions:
        _when_ready(partial(machine.control, action), clock, sleep)
        goal = "on" if action in ("on", "reset") else "off"
        state = _wait_for(machine, goal, clock() + timeout_s, clock, sleep)
    return PowerResult(plan.current, state, plan.changed, plan.actions, tuple(warnings), round(clock() - began, 3))


def _when_ready(command: Callable[[], T], clock: Callable[[], float], sleep: Callable[[float], None]) -> T:
    give_up_at = clock() + _BUSY_S
    while True:
        try:
            return command()
        except PowerBusy:
            if clock() >= give_up_at:
                raise
        sleep(_BUSY_PAUSE_S)


def _wait_for(
    machine: Machine, goal: str, deadline: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> str:
    """Poll until the BMC says ``goal``. Many BMCs are silent for some seconds when their machine's power changes."""
    pause_s = _FIRST_POLL_S
    while True:
        silence: PowerUnreachable | None = None
        current = ""
        try:
            current = machine.state()
        except PowerUnreachable as reason:
            silence = reason
        if current == goal:
            return current
        if clock() >= deadline:
            if silence is not None:
                raise silence
            raise PowerTimeout(
                f"BMC {machine.name} took the order, but the machine is still {current}, not {goal}; "
                "look at its console and its power supply"
            )
        sleep(min(pause_s, max(0.0, deadline - clock())))
        pause_s = min(pause_s * 2, _LAST_POLL_S)
