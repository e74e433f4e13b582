# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job poll says, and what it does with what comes back."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from rackyard import contracts
from rackyard.rack.errors import RegionAway, RegionRefused
from rackyard.rack.jobs import JobRunner
from rackyard.rack.polls import JobPolls
from rackyard.rack.spool import Spool
from rackyard.rack.transport import Response
from rackyard_core.power.pool import PowerPool

URL = "https://region:5250"
JOB = {
    "id": 7, "kind": "power_query", "epoch": 1, "machine": "abcdef", "limit_s": 30,
    "power": {"type": "manual", "options": {}},
}  # fmt: skip


class Regions:
    """The way to a region that answers from a list; ends the polling when the list is at its end."""

    names = ("region",)

    def __init__(self, stop: threading.Event, *answers: Any) -> None:
        self.changed = threading.Event()
        self.asked: list[tuple[str, str, Any]] = []
        self._answers = list(answers)
        self._stop = stop

    def channel(self, _name: str) -> list[str]:
        return [URL]

    def call_at(self, _url: str, method: str, path: str, body: Any = None, timeout_s: float = 0) -> Response:
        self.asked.append((method, path, body))
        if len(self._answers) == 1:
            self._stop.set()
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Response(200, {}, json.dumps(answer).encode())


class Full(JobRunner):
    """A runner that has no thread left."""

    slots = 0


def poll(runner: JobRunner, *answers: Any) -> list[tuple[str, str, Any]]:
    stop = threading.Event()
    regions = Regions(stop, *answers)
    JobPolls(regions, runner, stop)._poll("region")
    return regions.asked


@pytest.fixture
def runner(tmp_path: Path) -> JobRunner:
    return JobRunner(Spool(tmp_path / "spool"), PowerPool(1), tmp_path / "jobs")


def test_rack_without_room_tells_what_it_holds_and_asks_for_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append("result", [{"job": 5, "result": {}}])
    ((method, path, body),) = poll(Full(spool, PowerPool(1), tmp_path / "jobs"), {"jobs": []})
    assert (method, path) == ("POST", "jobs")
    assert contracts.read("jobs-poll", body) == {"wait": 0, "slots": 0, "held": [5]}


def test_job_that_breaks_the_contract_is_not_begun_and_its_neighbour_is(runner: JobRunner) -> None:
    odd = {**JOB, "id": 8, "power": {"type": "manual", "password": 5}}
    poll(runner, {"jobs": [odd, JOB]})
    assert runner.held() == [7]


def test_region_of_the_release_before_is_asked_its_way(runner: JobRunner) -> None:
    asked = poll(runner, RegionRefused(405, "no such method"), {"jobs": [JOB]})
    (first, _path, body), (second, path, _none) = asked
    assert (first, second, path) == ("POST", "GET", f"jobs?wait={body['wait']}")
    assert 22 <= body["wait"] <= 30
    assert runner.held() == [7]


@pytest.mark.parametrize("answer", [None, [], {"jobs": "none"}, {"jobs": [1]}])
def test_answer_that_is_none_counts_as_an_absent_region(runner: JobRunner, answer: Any) -> None:
    asked = poll(runner, answer, RegionAway("gone"))
    assert len(asked) == 2
    assert runner.held() == []


def test_power_of_a_machine_without_a_bmc_is_refused_in_words(runner: JobRunner, tmp_path: Path) -> None:
    poll(runner, {"jobs": [JOB]})
    runner._threads.shutdown(wait=True)
    ((_job, result),) = ((item["job"], item["result"]) for item in Spool(tmp_path / "spool").waiting("result"))
    assert (result["error_kind"], result["ok"]) == ("refused", False)
    assert "power type manual has no BMC" in result["error"]
