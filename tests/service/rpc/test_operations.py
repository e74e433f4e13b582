# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an operation may last: progress gives it time, silence takes it, and what is normal here is learned."""

from __future__ import annotations

from typing import Any

from rackyard.region.context import Context
from rackyard.region.worker.tasks import deadlines

from . import test_whole_commissioning as whole
from .play import AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
commission, read, timeline = whole.commission, whole.read, whole.timeline


def status(api: Any, system_id: str) -> str:
    return str(read(api, system_id)["status_name"])


def test_slow_machine_that_makes_progress_is_not_failed(api: Any, agent: AgentPlay, m1: str, world: Context):
    commission(api, m1)
    agent.report(agent.job())
    for step in ("power-on self-test of a large server", "its other network interfaces"):
        world.clock.advance(1100)
        deadlines.fail_past_deadline(world)
        assert status(api, m1) == "Commissioning", step
        if step.startswith("power"):
            assert agent.lease(at=world.clock.now().isoformat()).body["taken"] == 1
    world.clock.advance(200)
    deadlines.fail_past_deadline(world)
    assert status(api, m1) == "Failed commissioning"


def test_machine_that_falls_silent_in_its_scripts_is_diagnosed_after_two_minutes_and_fails_after_five(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context
):
    whole.until_scripts(api, agent, machine, m1)
    assert machine.signal("WORKING").status_code == 200
    world.clock.advance(110)
    deadlines.note_overdue(world)
    assert timeline(api, m1)["diagnosis"] == ""
    world.clock.advance(15)
    assert deadlines.note_overdue(world) == 1
    assert "step 11 (hardware reported)" in timeline(api, m1)["diagnosis"]
    world.clock.advance(180)
    deadlines.fail_past_deadline(world)
    assert status(api, m1) == "Failed commissioning"


def test_machine_that_only_says_that_it_works_ends_all_the_same(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context
):
    whole.until_scripts(api, agent, machine, m1)
    for _ in range(13):
        if machine.signal("WORKING").status_code != 200:
            break
        world.clock.advance(280)
        deadlines.fail_past_deadline(world)
    assert status(api, m1) == "Failed commissioning"
    assert machine.signal("WORKING").status_code == 401


def test_step_is_overdue_by_what_earlier_boots_of_the_image_needed(
    api: Any, agent: AgentPlay, m1: str, world: Context, execute: Any
):
    commission(api, m1)
    # Six boots of that image that were done: a lease 3 s after power-on, a loader 200 s after the lease.
    execute(
        """WITH again AS (
               INSERT INTO boot (boot_id, machine_id, operation_id, epoch, purpose, requested_at, ended_at, outcome,
                                 consumer_key, token_key, token_secret_sha256, token_secret, image_id)
               SELECT md5(random()::text || number), machine_id, operation_id, 0, purpose, requested_at, requested_at,
                      'done', '', md5(random()::text || number), token_secret_sha256, '', image_id
               FROM boot, generate_series(1, 6) AS number RETURNING id)
           INSERT INTO boot_step (boot_id, step, by_whom, at)
           SELECT id, step, 'somebody', now() + seconds * interval '1 second' FROM again,
                  (VALUES (3, 0), (4, 10), (5, 13), (6, 213)) AS known (step, seconds)"""
    )
    assert api.post(f"machines/{m1}/?op=abort").status_code == 200
    assert commission(api, m1).status_code == 200
    jobs = agent.rack.post("jobs", {"wait": 0, "slots": 9, "held": []}).body["jobs"]
    agent.report(next(job for job in jobs if job["kind"] == "power_on"))
    world.clock.advance(29)
    assert deadlines.note_overdue(world) == 0
    world.clock.advance(2)
    assert deadlines.note_overdue(world) == 1, "30 s, not the 240 s that nobody had measured"
    agent.lease(at=world.clock.now().isoformat())
    world.clock.advance(350)
    assert deadlines.note_overdue(world) == 0, "400 s, not 120 s: here it takes that long"


def test_operations_that_nothing_leads_to_hide_none_that_is_due(
    api: Any, agent: AgentPlay, m1: str, world: Context, execute: Any
):
    """A pass looks at a hundred, those that are due longest first."""
    commission(api, m1)
    execute(
        "INSERT INTO machine (system_id, hostname) SELECT 'a' || translate(lpad(n::text, 5, '0'), '01234567', "
        "'abcdefgh'), 'n' || n FROM generate_series(1, 100) AS n"
    )
    execute(
        "INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, ends_at, "
        "outcome) SELECT id, 'commission', 1, now(), 60, now(), now() - interval '1 day', now(), 'running' "
        "FROM machine WHERE operation_id IS NULL"
    )
    agent.report(agent.job())
    world.clock.advance(1300)
    assert deadlines.fail_past_deadline(world) == 100
    deadlines.fail_past_deadline(world)
    assert status(api, m1) == "Failed commissioning"
    assert execute("SELECT DISTINCT outcome FROM operation WHERE machine_id <> %s", (1,)) == [("aborted",)]


def test_status_is_dated_when_it_changes_and_not_when_power_does(api: Any, agent: AgentPlay, m1: str, world: Context):
    dates = [read(api, m1)["status_changed_at"]]
    for verb in ("power_on", "power_off"):
        world.clock.advance(60)
        assert api.post(f"machines/{m1}/?op={verb}").status_code == 200
        agent.report(agent.job())
        dates.append(read(api, m1)["status_changed_at"])
    world.clock.advance(60)
    assert commission(api, m1).status_code == 200
    dates.append(read(api, m1)["status_changed_at"])
    assert dates[0] == dates[1] == dates[2] < dates[3]


def test_what_a_locked_machine_goes_through_goes_on_to_its_end(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context
):
    whole.until_scripts(api, agent, machine, m1)
    assert api.post(f"machines/{m1}/?op=lock").status_code == 200
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    assert status(api, m1) == "Ready"
    assert agent.job()["kind"] == "power_off"
    assert commission(api, m1).status_code == 409


def test_broken_machine_is_ready_after_a_commissioning(api: Any, agent: AgentPlay, machine: MachinePlay, m1: str):
    assert api.post(f"machines/{m1}/?op=mark_broken", data={"comment": "no memory"}).status_code == 200
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    known = read(api, m1)
    assert (known["status_name"], known["error_description"]) == ("Ready", "")
