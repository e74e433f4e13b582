# SPDX-License-Identifier: GPL-3.0-or-later
"""Power jobs when answers are lost, agents restart, racks die, regions are away: done once, or named."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.power import handout, outcomes
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.turns import Turn
from rackyard.region.worker.tasks import deadlines, power, racks

from . import test_whole_commissioning as whole
from .conftest import RackClient, Server
from .play import AgentPlay, MachinePlay, another, poll, register_machine

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
commission, read, timeline = whole.commission, whole.read, whole.timeline


@pytest.fixture
def rack2(server: Server, world: Context, tmp_path: Path) -> RackClient:
    """Another rack that reaches the same BMCs."""
    return another(server, world, tmp_path, "rack2", ("mgmt0", "10.10.0.22/24"), ("bmc0", "10.30.0.3/24")).rack


def beats(world: Context, seconds: int) -> None:
    """Time goes by while a worker leads the site."""
    for _ in range(seconds // 5):
        world.clock.advance(5)
        deadlines.keep_time(world)


def test_job_whose_answer_was_lost_is_handed_out_again_until_the_rack_names_it(
    api: Any, agent: AgentPlay, m1: str, world: Context
):
    commission(api, m1)
    (lost,) = poll(agent.rack)
    assert (lost["kind"], lost["limit_s"]) == ("power_on", 120)
    assert poll(agent.rack) == [], "the answer may still be on its way"
    world.clock.advance(11)
    (again,) = poll(agent.rack)
    assert (again["id"], again["epoch"]) == (lost["id"], lost["epoch"])
    world.clock.advance(60)
    assert poll(agent.rack, held=(again["id"],)) == []
    assert agent.report(again).body == {"accepted": True}
    world.clock.advance(60)
    assert poll(agent.rack) == [], "what is done is not done again"


def test_rack_gets_no_more_jobs_than_it_can_work_on(api: Any, agent: AgentPlay, m1: str):
    m2 = register_machine(api, "m2", "52:54:00:00:00:77", "10.30.0.12")
    assert commission(api, m1).status_code == commission(api, m2).status_code == 200
    assert poll(agent.rack, slots=0) == []
    (first,) = poll(agent.rack, slots=1)
    (second,) = poll(agent.rack, held=(first["id"],), slots=1)
    assert {first["hostname"], second["hostname"]} == {"m1", "m2"}


def test_time_of_a_job_begins_when_it_is_taken(api: Any, agent: AgentPlay, m1: str, world: Context):
    commission(api, m1)
    world.clock.advance(500)
    (job,) = poll(agent.rack)
    world.clock.advance(100)
    power.expire_jobs(world)
    assert agent.report(job).body == {"accepted": True}
    assert timeline(api, m1)["steps"][3]["outcome"] == "done"


def test_second_order_goes_to_the_rack_that_is_at_the_machine(api: Any, agent: AgentPlay, rack2: RackClient, m1: str):
    commission(api, m1)
    busy, idle = (agent.rack, rack2) if (on := poll(agent.rack)) else (rack2, agent.rack)
    (on,) = on or poll(rack2)
    assert api.post(f"machines/{m1}/?op=abort").status_code == 200
    assert poll(idle) == [], "it is not busy, but it is not the one at the BMC"
    (off,) = poll(busy, held=(on["id"],))
    assert off["kind"] == "power_off"


def test_rack_gets_no_job_for_a_machine_while_another_rack_is_at_it(
    api: Any, agent: AgentPlay, rack2: RackClient, m1: str, world: Context, execute: Any
):
    commission(api, m1)
    execute("UPDATE job SET rack_id = (SELECT id FROM rack WHERE hostname = 'rack1')")
    (on,) = poll(agent.rack)
    world.clock.advance(36)
    poll(rack2)
    assert racks.bury_dead_racks(world) == 1
    assert api.post(f"machines/{m1}/?op=abort").status_code == 200
    assert poll(rack2) == [], "rack1 may live and still work on it: its power-on could come after the power-off"
    assert agent.report(on).body == {"accepted": False}
    (off,) = poll(rack2)
    assert off["kind"] == "power_off"


def test_waiting_job_of_a_dead_rack_goes_to_a_live_one(
    api: Any, agent: AgentPlay, rack2: RackClient, m1: str, world: Context, execute: Any
):
    commission(api, m1)
    execute("UPDATE job SET rack_id = (SELECT id FROM rack WHERE hostname = 'rack1')")
    world.clock.advance(36)
    poll(rack2, slots=0)
    assert racks.bury_dead_racks(world) == 1
    (job,) = poll(rack2)
    assert AgentPlay(rack2).report(job).body == {"accepted": True}
    assert timeline(api, m1)["steps"][3]["by"] == "rack2 (agent)"
    moved = [
        each for each in api.get("events/?op=query&level=WARNING").get_json()["events"] if each["type"] == "JOB_MOVED"
    ]
    assert "power-on goes to rack2, since rack1 is away" in moved[0]["description"]


def test_waiting_job_of_a_revoked_rack_goes_to_a_live_one(
    api: Any, agent: AgentPlay, rack2: RackClient, m1: str, world: Context, execute: Any
):
    commission(api, m1)
    execute("UPDATE job SET rack_id = (SELECT id FROM rack WHERE hostname = 'rack1')")
    enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack1")
    assert [job["kind"] for job in poll(rack2)] == ["power_on"]


def test_job_that_died_with_its_rack_is_done_by_another_one_after_its_time(
    api: Any, agent: AgentPlay, rack2: RackClient, m1: str, world: Context, execute: Any
):
    commission(api, m1)
    execute("UPDATE job SET rack_id = (SELECT id FROM rack WHERE hostname = 'rack1')")
    poll(agent.rack)
    world.clock.advance(121)
    poll(rack2)
    racks.bury_dead_racks(world)
    power.expire_jobs(world)
    assert poll(rack2) == [], "rack1 may live, and its last call to the BMC may still be under way"
    world.clock.advance(25)
    power.expire_jobs(world)
    (job,) = poll(rack2)
    assert (job["kind"], job["boot_device"], job["boot_device_if_off"]) == ("power_on", None, "pxe")
    assert read(api, m1)["status_name"] == "Commissioning"


def test_agent_that_was_restarted_gets_its_job_again_three_times(api: Any, agent: AgentPlay, m1: str):
    commission(api, m1)
    for _ in range(3):
        (job,) = poll(agent.rack)
        agent.refuse(job, "retry", "the agent was restarted while it worked on this")
    assert [job["kind"] for job in poll(agent.rack)] == ["power_off"]
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "the agent was restarted while it worked on this" in known["status_message"]


def test_late_report_of_a_power_on_wins_over_its_loss(api: Any, agent: AgentPlay, m1: str, world: Context):
    commission(api, m1)
    job = agent.job()
    world.clock.advance(121)
    assert power.expire_jobs(world) == 1
    assert read(api, m1)["status_name"] == "Commissioning", "it may have been switched on all the same"
    world.clock.advance(100)
    assert agent.report(job).body == {"accepted": True}
    world.clock.advance(100)
    deadlines.fail_past_deadline(world)
    assert read(api, m1)["status_name"] == "Commissioning"
    assert timeline(api, m1)["steps"][3]["outcome"] == "done"


def test_power_on_that_nobody_reports_on_fails_with_the_racks_name(api: Any, agent: AgentPlay, m1: str, world: Context):
    commission(api, m1)
    agent.job()
    world.clock.advance(121)
    power.expire_jobs(world)
    world.clock.advance(121)
    deadlines.fail_past_deadline(world)
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "rack1 took but never reported on the power-on of m1 (BMC 10.30.0.11)" in known["status_message"]


def test_time_without_any_region_counts_for_no_job_no_machine_and_no_rack(
    api: Any, agent: AgentPlay, m1: str, world: Context
):
    deadlines.keep_time(world)
    commission(api, m1)
    job = agent.job()
    beats(world, 10)
    world.clock.advance(1500)
    passes = (power.expire_jobs, deadlines.fail_past_deadline, deadlines.note_overdue, racks.bury_dead_racks)
    assert [one_pass(world) for one_pass in passes] == [0, 0, 0, 0], "each has a thread; the beat may come last"
    assert deadlines.keep_time(world) > 1500
    assert [one_pass(world) for one_pass in passes if one_pass is not deadlines.note_overdue] == [0, 0, 0]
    assert agent.report(job).body == {"accepted": True}
    assert read(api, m1)["status_name"] == "Commissioning"
    beats(world, 60)
    assert racks.bury_dead_racks(world) == 1, "a rack that stays away is found out from now on"


def test_job_that_got_more_time_since_it_was_found_overdue_is_not_lost(
    api: Any, agent: AgentPlay, m1: str, world: Context, execute: Any
):
    commission(api, m1)
    job = agent.job()
    world.clock.advance(121)
    found = world.clock.now()
    execute("UPDATE job SET expires_at = expires_at + interval '60 s'")
    ((rack_id,),) = execute("SELECT id FROM rack")
    outcomes.expire(world, job["id"], rack_id, found)
    assert execute("SELECT state FROM job") == [("taken",)]


def test_poll_that_waits_gives_back_nothing_that_another_poll_took_meanwhile(
    api: Any, agent: AgentPlay, m1: str, world: Context, execute: Any
):
    """A rack has a poll at each port of a region; what the one got, the other began without."""
    register_machine(api, "m2", "52:54:00:00:00:77", "10.30.0.12")
    rack = Rack(*execute("SELECT id, system_id, hostname FROM rack")[0])
    got: list[Any] = []
    waiting = threading.Thread(
        target=lambda: got.extend(handout.take(world, rack, handout.Poll(20.0, 10, ()), Turn()).jobs)
    )
    execute("ALTER TABLE job DISABLE TRIGGER job_changed")
    waiting.start()
    time.sleep(0.5)
    assert api.post(f"machines/{m1}/?op=power_on").status_code == 200
    (first,) = handout.take(world, rack, handout.Poll(0.0, 10, ()), Turn()).jobs
    execute("ALTER TABLE job ENABLE TRIGGER job_changed")
    world.clock.advance(11)
    m2 = api.get("machines/?hostname=m2").get_json()[0]["system_id"]
    assert api.post(f"machines/{m2}/?op=power_on").status_code == 200
    waiting.join()
    assert [job["hostname"] for job in got] == ["m2"]
    assert execute("SELECT state, attempts FROM job ORDER BY id LIMIT 1") == [("taken", 1)]
    assert first["hostname"] == "m1"


def test_question_that_no_rack_took_says_nothing_about_the_bmc(api: Any, agent: AgentPlay, m1: str, world: Context):
    assert power.poll_power(world) == 1
    world.clock.advance(61)
    power.expire_jobs(world)
    known = read(api, m1)
    assert (known["power_state"], known["power_error"]) == ("unknown", "")


def test_ready_machine_that_somebody_powers_on_ends_its_timeline(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    assert api.post(f"machines/{m1}/?op=power_on").status_code == 200
    last = timeline(api, m1)["steps"][11]
    assert last["outcome"] == "failed"
    assert "facts stored; switching off was called off: power on was asked for after it" in last["detail"]


def test_ready_machine_that_no_rack_can_switch_off_ends_its_timeline(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context, execute: Any
):
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    execute("UPDATE rack SET alive = false")
    assert machine.signal("OK").status_code == 200
    assert read(api, m1)["status_name"] == "Ready"
    last = timeline(api, m1)["steps"][11]
    assert last["outcome"] == "failed"
    assert "no live rack reaches BMC 10.30.0.11 to switch m1 off; it may still run" in last["detail"]


def test_last_step_is_done_when_the_bmc_says_later_that_the_machine_is_off(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context, execute: Any
):
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    execute("UPDATE rack SET alive = false")
    assert machine.signal("OK").status_code == 200
    failed = timeline(api, m1)["steps"][11]
    execute("UPDATE rack SET alive = true")
    for state, outcome in (("on", "failed"), ("off", "done"), ("off", "done")):
        world.clock.advance(301)
        assert power.poll_power(world) == 1
        assert agent.report(agent.job(), state).body == {"accepted": True}
        last = timeline(api, m1)["steps"][11]
        assert last["outcome"] == outcome
    assert last["at"] == failed["at"], "the facts were stored then"
    assert last["detail"].startswith(failed["detail"]), "what was wrong stays known"
    assert last["detail"].count("UTC, by rack1 (agent): BMC 10.30.0.11 reads off") == 1
