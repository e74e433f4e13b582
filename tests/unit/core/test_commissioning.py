# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest

from rackyard_core.client import RegionClient
from rackyard_core.commissioning import CommissioningFailed, commission, ended, plan_commission, step_line, watch
from rackyard_core.patience import Patience
from rackyard_core.wire import Request, Response

TITLES = {1: "operator asks", 4: "powered on", 5: "address leased", 12: "facts stored, powered off"}
MACHINE = {"hostname": "m1", "system_id": "abc123", "status": 0, "status_name": "New"}


def timeline(outcome: str, *steps: tuple[int, str], diagnosis: str = "") -> dict[str, Any]:
    rows = [
        {
            "step": number,
            "title": TITLES[number],
            "by": "rack1",
            "at": f"2025-01-01T00:00:{number:02d}.000+00:00",
            "took_seconds": 1.0,
            "outcome": state,
            "detail": "detail",
        }
        for number, state in steps
    ]
    return {"outcome": outcome, "started": "2025-01-01T00:00:00.000+00:00", "steps": rows, "diagnosis": diagnosis}


class Region:
    """Answers each read of the timeline with the next one it was given, the last one for ever."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, request: Request, timeout_s: float) -> Response:
        self.asked.append(f"{request.method} {request.url.rsplit('?', 1)[1]}")
        if request.method == "POST":
            return Response(200, b"{}")
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Response(200, json.dumps(answer).encode())


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def follow(region: Region, timeout_s: float = 100.0) -> tuple[list[str], dict[str, Any]]:
    time, told = Time(), []
    client = RegionClient("http://region1/MAAS", "a:b:c", transport=region)
    end = watch(client, MACHINE, told.append, Patience(timeout_s, 2.0, time.clock, time.sleep))
    return told, end


def test_each_step_is_told_once_with_who_and_when() -> None:
    region = Region(
        timeline("running", (1, "done"), (4, "waiting")),
        timeline("running", (1, "done"), (4, "done"), (5, "waiting")),
        timeline("done", (1, "done"), (4, "done"), (5, "done"), (12, "waiting")),
        timeline("done", (1, "done"), (4, "done"), (5, "done"), (12, "done")),
    )
    told, end = follow(region)
    assert told == [
        "step 1 operator asks by rack1 (1 s)",
        "step 4 powered on by rack1 (4 s)",
        "step 5 address leased by rack1 (5 s)",
        "step 12 facts stored, powered off by rack1 (12 s)",
    ]
    assert end["outcome"] == "done"


def test_overdue_step_is_told_with_the_regions_diagnosis() -> None:
    region = Region(
        timeline("running", (4, "done"), (5, "overdue"), diagnosis="look at the console"),
        timeline("done", (4, "done"), (5, "done"), (12, "done")),
    )
    told, _ = follow(region)
    assert "step 5 address leased is overdue: look at the console" in told


def test_failed_boot_says_how_far_it_came_and_why() -> None:
    region = Region(timeline("failed", (1, "done"), (4, "failed"), diagnosis="BMC refused the password."))
    with pytest.raises(CommissioningFailed, match=r"m1 failed; it reached step 1 .*BMC refused the password") as caught:
        follow(region)
    assert caught.value.details()["diagnosis"] == "BMC refused the password."
    assert len(caught.value.details()["timeline"]["steps"]) == 2


def test_wait_ends_at_its_deadline_with_what_was_reached() -> None:
    region = Region(timeline("running", (1, "done"), (4, "done"), (5, "waiting")))
    with pytest.raises(
        CommissioningFailed, match=r"not ready after 9 s; it reached step 4 \(powered on\).*raise timeout_s"
    ):
        follow(region, timeout_s=9.0)
    # Looks at 0, 2, 4, 6, 8 and, trimmed, at 9 seconds.
    assert len(region.asked) == 6


def test_region_outage_is_waited_out_and_told_once() -> None:
    region = Region(
        timeline("running", (1, "done")),
        ConnectionRefusedError("refused"),
        ConnectionRefusedError("refused"),
        timeline("done", (1, "done"), (12, "done")),
    )
    told, _ = follow(region)
    assert [line for line in told if line.startswith("still waiting")] == [told[1]]
    assert told[2] == "the region answers again"


def test_boot_that_is_done_is_over_only_when_the_power_was_read_back() -> None:
    assert not ended(timeline("done", (5, "done"), (12, "waiting")))
    assert ended(timeline("done", (12, "done")))
    assert ended(timeline("aborted", (5, "done")))


@pytest.mark.parametrize(
    ("status", "force", "changed"),
    [(0, False, True), (2, False, True), (1, False, False), (4, False, False), (4, True, True)],
)
def test_plan_by_status(status: int, force: bool, changed: bool) -> None:
    plan = plan_commission({**MACHINE, "status": status}, force)
    assert plan.changed is changed
    assert not changed or plan.before != plan.after


def test_ready_machine_is_neither_started_nor_waited_for() -> None:
    region = Region(timeline("running", (1, "done")))
    ready = {**MACHINE, "status": 4}
    client = RegionClient("http://region1/MAAS", "a:b:c", transport=region)
    commission(client, ready, plan_commission(ready), lambda text: None, Patience(10.0, 1.0))
    assert region.asked == ["GET op=boot_timeline"]


def test_line_without_a_start_has_no_seconds() -> None:
    step = timeline("running", (4, "done"))["steps"][0]
    assert step_line(step, {"diagnosis": ""}) == "step 4 powered on by rack1"
