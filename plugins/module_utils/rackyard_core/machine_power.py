# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power of a machine through the region: states are idempotent, a cycle always acts, and the BMC has the last word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import RegionClient, RegionError
from .machine_lookup import machine_path
from .patience import Patience
from .plan import Action, Plan

DEFAULT_TIMEOUT_S = 120.0
DEFAULT_POLL_INTERVAL_S = 2.0


class PowerNotReached(RegionError):
    """The BMC does not report the wanted state in time. ``power_state`` is what it said last."""

    def __init__(self, message: str, power_state: str) -> None:
        super().__init__(message)
        self.power_state = power_state

    def details(self) -> dict[str, Any]:
        """The state that was reached instead."""
        return {**super().details(), "power_state": self.power_state}


def plan_power(hostname: str, current: str, wanted: str) -> Plan:
    """``wanted`` is on, off or cycle; a machine that is off is cycled by switching it on."""
    steps = {"on": ["on"], "off": ["off"], "cycle": ["on"] if current == "off" else ["off", "on"]}[wanted]
    if wanted == current:
        steps = []
    actions = tuple(Action(f"power {step}", f"machine {hostname}", {"state": step}) for step in steps)
    final = "off" if wanted == "off" else "on"
    after = {"power_state": final} if wanted != "cycle" else {"power_state": final, "cycled": True}
    return Plan({"power_state": current}, after, actions)


def query(client: RegionClient, machine: Mapping[str, Any]) -> str:
    """What the BMC says now: on or off."""
    return str(client.get(machine_path(machine), op="query_power_state")["state"])


def carry_out(client: RegionClient, machine: Mapping[str, Any], plan: Plan, patience: Patience) -> str:
    """Do the plan and read the BMC back after each half. The final state, or PowerNotReached."""
    state = str(plan.before["power_state"])
    for action in plan.actions:
        wanted = str(action.values["state"])
        client.post(machine_path(machine), op=f"power_{wanted}")
        state = _wait(client, machine, wanted, patience)
    return state


def _wait(client: RegionClient, machine: Mapping[str, Any], wanted: str, patience: Patience) -> str:
    state = "unknown"
    for _look in patience.looks():
        state = query(client, machine)
        if state == wanted:
            return state
    raise PowerNotReached(
        f"The BMC of {machine['hostname']} still says {state}, not {wanted}, after {patience.timeout_s:g} s; "
        "see the machine's events and console, or raise timeout_s",
        state,
    )
