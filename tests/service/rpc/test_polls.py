# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking for work: how many jobs a rack is given, and what it may say about those that it holds."""

from __future__ import annotations

from typing import Any

from rackyard.region.turns import Turn, Turns

from . import test_whole_commissioning as whole
from .conftest import RackClient
from .play import AgentPlay, register_machine

agent, image, m1 = whole.agent, whole.image, whole.m1


def test_rack_gets_no_more_jobs_than_it_has_slots(api: Any, agent: AgentPlay, m1: str):
    names = ["m1"]
    for number in (2, 3):
        system_id = register_machine(api, f"m{number}", f"52:54:00:00:00:7{number}", f"10.30.0.2{number}")
        assert api.post(f"machines/{system_id}/?op=power_on").status_code == 200
        names.append(f"m{number}")
    assert api.post(f"machines/{m1}/?op=power_on").status_code == 200
    none = agent.rack.post("jobs", {"wait": 0, "slots": 0, "held": []})
    assert (none.status, none.body) == (200, {"jobs": []})
    first = agent.rack.post("jobs", {"wait": 5, "slots": 2, "held": []}).body["jobs"]
    assert [job["hostname"] for job in first] == ["m2", "m3"], "oldest first"
    rest = agent.rack.post("jobs", {"wait": 5, "slots": 500, "held": [job["id"] for job in first]}).body["jobs"]
    assert [job["hostname"] for job in rest] == ["m1"]


def test_agent_of_the_release_before_polls_as_it_did(api: Any, agent: AgentPlay, m1: str):
    assert api.post(f"machines/{m1}/?op=power_on").status_code == 200
    assert [job["hostname"] for job in agent.rack.get("jobs?wait=5").body["jobs"]] == ["m1"]


def test_waits_without_end_are_refused(rack: RackClient):
    for wait in ("soon", "nan", "inf", "-1"):
        for path in ("jobs", "desired"):
            answer = rack.get(f"{path}?wait={wait}")
            assert answer.status == 400
            assert "wait must be a number of seconds" in answer.error


def test_newer_turn_ends_the_older_and_wakes_whoever_waits():
    turns, woken = Turns(), []
    with turns.take("rack1") as older:
        older.on_end(lambda: woken.append("older"))
        with turns.take("rack2"):
            assert not older.over()
        with turns.take("rack1") as newer:
            assert (older.over(), newer.over(), woken) == (True, False, ["older"])
    with turns.take("rack1") as again:
        assert not again.over()


def test_turn_that_ended_before_anybody_waited_wakes_at_once():
    turn, woken = Turn(), []
    turn.end()
    turn.on_end(lambda: woken.append("late"))
    assert woken == ["late"]
    assert Turn(lambda: True).over()
