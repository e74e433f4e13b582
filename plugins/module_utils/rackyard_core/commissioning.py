# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commission or test a machine and follow its twelve steps until it is off, or until it is clear why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .client import RegionClient, RegionError, RegionUnreachable
from .machine_lookup import machine_path
from .patience import Patience
from .plan import Action, Plan

STATUS_COMMISSIONING = 1
STATUS_READY = 4
STATUS_TESTING = 21
LAST_STEP = 12
# The region fails a machine after 20 minutes; waiting a little longer lets its diagnosis arrive.
DEFAULT_TIMEOUT_S = 1500.0
DEFAULT_POLL_INTERVAL_S = 2.0

Tell = Callable[[str], None]


class CommissioningFailed(RegionError):
    """The machine did not become Ready, or failed a test. ``timeline`` says how far it came."""

    def __init__(self, message: str, timeline: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.timeline = dict(timeline)

    def details(self) -> dict[str, Any]:
        """The timeline as far as it came, and the region's diagnosis."""
        return {**super().details(), "timeline": self.timeline, "diagnosis": self.timeline["diagnosis"]}


def plan_commission(
    machine: Mapping[str, Any], force: bool = False, scripts: Mapping[str, Sequence[str] | None] | None = None
) -> Plan:
    """Commission unless the machine is Ready (then only with ``force``); one that is at it is only waited for.

    :param scripts: by the API's parameter, names and tags of uploaded scripts; an empty list is none of them, and None
        what runs unasked.
    """
    before = {"status_name": machine["status_name"]}
    done = machine["status"] == STATUS_READY and not force
    if done or machine["status"] == STATUS_COMMISSIONING:
        return Plan(before, {"status_name": "Ready"})
    wanted = {name: list(words) or ["none"] for name, words in (scripts or {}).items() if words is not None}
    action = Action("commission", f"machine {machine['hostname']}", wanted)
    # Ready both before and after would show nothing in diff mode.
    after = "Ready (commissioned again)" if machine["status"] == STATUS_READY else "Ready"
    return Plan(before, {"status_name": after}, (action,))


def start(client: RegionClient, machine: Mapping[str, Any], action: Action) -> dict[str, Any]:
    """Ask for a plan's commissioning or test; the machine object afterwards."""
    started: dict[str, Any] = client.post(machine_path(machine), op=action.verb, **action.values)
    return started


def plan_test(machine: Mapping[str, Any], tests: Sequence[str] | None = None) -> Plan:
    """Test the machine by tests of those names and tags; one that is at it is only waited for."""
    before = {"status_name": machine["status_name"]}
    if machine["status"] == STATUS_TESTING:
        return Plan(before, before)
    wanted = {} if tests is None else {"testing_scripts": list(tests)}
    return Plan(before, {"status_name": "Testing"}, (Action("test", f"machine {machine['hostname']}", wanted),))


def plan_abort(machine: Mapping[str, Any]) -> Plan:
    """Stop what is under way, if anything is."""
    under_way = machine["status"] in (STATUS_COMMISSIONING, STATUS_TESTING)
    actions = (Action("abort", f"machine {machine['hostname']}"),) if under_way else ()
    return Plan({"under_way": under_way}, {"under_way": False}, actions)


def abort(client: RegionClient, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for the end of it; the machine object afterwards."""
    stopped: dict[str, Any] = client.post(machine_path(machine), op="abort")
    return stopped


def read_timeline(client: RegionClient, machine: Mapping[str, Any]) -> dict[str, Any]:
    """The timeline of the machine's latest boot."""
    timeline: dict[str, Any] = client.get(machine_path(machine), op="boot_timeline")
    return timeline


def watch(client: RegionClient, machine: Mapping[str, Any], tell: Tell, patience: Patience) -> dict[str, Any]:
    """Follow the boot to its end and tell each new step. The final timeline, or CommissioningFailed.

    A region that does not answer for a while is told of and waited for: commissioning goes on without it.
    """
    progress = Progress(tell)
    timeline: dict[str, Any] = {"steps": [], "outcome": "", "diagnosis": ""}
    for _look in patience.looks():
        try:
            timeline = read_timeline(client, machine)
        except RegionUnreachable as reason:
            progress.unreachable(reason)
            continue
        progress.update(timeline)
        if ended(timeline):
            return _judged(machine, timeline)
    raise CommissioningFailed(
        f"{machine['hostname']} is not ready after {patience.timeout_s:g} s; {reached(timeline)}. "
        "It goes on without us: run again to keep waiting, or raise timeout_s",
        timeline,
    )


def _judged(machine: Mapping[str, Any], timeline: dict[str, Any]) -> dict[str, Any]:
    if timeline["outcome"] == "done":
        return timeline
    what = str(timeline.get("purpose") or "commissioning").capitalize()
    raise CommissioningFailed(f"{what} of {machine['hostname']} {timeline['outcome']}; {reached(timeline)}", timeline)


def ended(timeline: Mapping[str, Any]) -> bool:
    """Failed and aborted boots are over; a good one is when its last step, the power read-back, is known."""
    if timeline["outcome"] in ("failed", "aborted"):
        return True
    return timeline["outcome"] == "done" and any(
        step["step"] == LAST_STEP and step["outcome"] in ("done", "failed") for step in timeline["steps"]
    )


def reached(timeline: Mapping[str, Any]) -> str:
    """How far the boot came, with the region's diagnosis: for error messages."""
    done = [step for step in timeline["steps"] if step["outcome"] == "done"]
    last = max(done, key=lambda step: int(step["step"]), default=None)
    far = f"it reached step {last['step']} ({last['title']})" if last else "it reached no step"
    return f"{far}. {timeline['diagnosis']}".rstrip(". ") if timeline["diagnosis"] else far


class Progress:
    """Tells what is new in a timeline, each thing once."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told: set[tuple[int, str]] = set()
        self._silent = False

    def update(self, timeline: Mapping[str, Any]) -> None:
        """Tell the steps that happened, failed or became overdue since the last call."""
        if self._silent:
            self._silent = False
            self._tell("the region answers again")
        for step in timeline["steps"]:
            key = (int(step["step"]), str(step["outcome"]))
            if step["outcome"] == "waiting" or key in self._told:
                continue
            self._told.add(key)
            self._tell(step_line(step, timeline))

    def unreachable(self, reason: RegionUnreachable) -> None:
        """Tell once that the region is away."""
        if not self._silent:
            self._silent = True
            self._tell(f"still waiting: {reason}")


def step_line(step: Mapping[str, Any], timeline: Mapping[str, Any]) -> str:
    """One step in one line: ``step 9 system image fetched by rack1 (41 s)``, in seconds since the operator asked."""
    head = f"step {step['step']} {step['title']}"
    if step["outcome"] == "overdue":
        return f"{head} is overdue: {timeline['diagnosis'] or step['detail']}"
    since_s = seconds_between(timeline.get("started"), step["at"])
    when = "" if since_s is None else f" ({since_s:.0f} s)"
    by = f" by {step['by']}" if step["by"] else ""
    failed = f" failed: {step['detail']}" if step["outcome"] == "failed" else ""
    return f"{head}{failed}{by}{when}"


def seconds_between(begin: str | None, end: str | None) -> float | None:
    """Seconds between two ISO 8601 times, None when one is missing."""
    if not begin or not end:
        return None
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())


def test(
    client: RegionClient, machine: Mapping[str, Any], plan: Plan, tell: Tell, patience: Patience | None
) -> dict[str, Any]:
    """Carry a plan of ``plan_test`` out as ``commission`` does its own."""
    if plan.changed:
        start(client, machine, plan.actions[0])
    return read_timeline(client, machine) if patience is None else watch(client, machine, tell, patience)


def commission(
    client: RegionClient, machine: Mapping[str, Any], plan: Plan, tell: Tell, patience: Patience | None
) -> dict[str, Any]:
    """Carry the plan out; without ``patience`` do not wait for the end. The timeline, maybe of an unfinished boot."""
    if plan.changed:
        start(client, machine, plan.actions[0])
    if patience is None or (machine["status"] == STATUS_READY and not plan.changed):
        return read_timeline(client, machine)
    return watch(client, machine, tell, patience)
