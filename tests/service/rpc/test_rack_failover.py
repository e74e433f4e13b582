# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack does not reach a BMC, or goes away: who is asked next, and when nobody is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.services.power import orders
from rackyard.region.services.site import overview
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import deadlines, power, racks

from . import several_racks as several
from . import test_whole_commissioning as whole
from .play import AgentPlay, poll, register_machine
from .several_racks import SILENT, events, only

image, m1 = whole.image, whole.m1
commission, read, timeline = whole.commission, whole.read, whole.timeline
agent, rack2, rack3 = several.agent, several.rack2, several.rack3


@pytest.mark.parametrize("kind", ["unreachable", "timeout"])
def test_network_error_goes_to_the_next_rack_at_once_and_the_boot_tells(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, kind: str
):
    commission(api, m1)
    job = only(agent, "power_on")
    assert agent.report(job, "unknown", ok=False, error=SILENT, error_kind=kind, given=[]).body == {"accepted": True}
    assert read(api, m1)["status_name"] == "Commissioning"
    again = only(rack2, "power_on")
    assert (again["id"], again["epoch"], again["boot_device"]) == (job["id"], job["epoch"], "pxe")
    chosen = timeline(api, m1)["steps"][2]["detail"]
    assert f"rack1 did not do it: {SILENT}; power-on goes to rack2: rack2 has 10.30.0.3/24 on bmc0" in chosen
    (told,) = events(api, "RACK_CHANGED", "WARNING")
    assert told.startswith(f"power-on of m1: rack1 did not do it: {SILENT}")
    rack2.report(again)
    powered = timeline(api, m1)["steps"][3]
    assert (powered["outcome"], powered["by"]) == ("done", "rack2 (agent)")
    assert powered["detail"].endswith(f"before that rack1: {SILENT}")


def test_rack_that_failed_is_asked_last_for_ten_minutes(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, world: Context, execute: Any
):
    assert power.poll_power(world) == 1
    agent.refuse(only(agent, "power_query"), "unreachable", SILENT)
    rack2.report(only(rack2, "power_query"), "off")
    assert overview.read(world)["racks"][0]["bmcs"] == {"reached": 0, "out of reach": 1}
    assert overview.read(world)["racks"][1]["bmcs"] == {"reached": 1, "out of reach": 0}
    assert api.post(f"machines/{m1}/?op=power_on").status_code == 200
    assert poll(agent.rack) == []
    (asked,) = events(api, "REQUEST_POWER_ON")
    assert "also possible: rack1 (failed at " in asked
    rack2.report(only(rack2, "power_on"))
    world.clock.advance(601)
    busy = register_machine(api, "m2", "52:54:00:00:00:77", "10.30.0.12")
    api.post(f"machines/{busy}/?op=power_on")
    execute("UPDATE job SET rack_id = (SELECT id FROM rack WHERE hostname = 'rack2') WHERE state = 'queued'")
    api.post(f"machines/{m1}/?op=power_off")
    assert only(agent, "power_off"), "rack2 has more to do, and the failure is too long ago to count"


@pytest.mark.parametrize(("kind", "error"), [("auth", "wrong user name or password"), ("refused", "not in this state")])
def test_bmc_that_answers_is_not_asked_by_another_rack(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, kind: str, error: str
):
    commission(api, m1)
    agent.refuse(only(agent, "power_on"), kind, error)
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert f"rack1 could not power on m1: {error}" in known["status_message"]
    assert "power_on" not in [job["kind"] for job in poll(rack2.rack)]
    assert events(api, "RACK_CHANGED") == []


def test_when_all_racks_failed_the_error_names_each_with_its_own_reason(
    api: Any, agent: AgentPlay, rack2: AgentPlay, rack3: AgentPlay, m1: str
):
    commission(api, m1)
    agent.refuse(only(agent, "power_on"), "unreachable", "no answer within 4 s")
    rack2.refuse(only(rack2, "power_on"), "unreachable", "no route to host")
    assert read(api, m1)["status_name"] == "Commissioning", "rack3 may have a route"
    rack3.refuse(only(rack3, "power_probe"), "unreachable", "link is down")
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    expected = (
        "none of 3 racks could power on m1: rack1: no answer within 4 s; rack2: no route to host; rack3: link is down"
    )
    assert known["status_message"] == expected
    assert (timeline(api, m1)["steps"][3]["outcome"], timeline(api, m1)["steps"][3]["detail"]) == ("failed", expected)
    assert poll(agent.rack) == poll(rack2.rack) == poll(rack3.rack) == [], "the BMC is left alone"


def test_wrong_password_at_the_second_rack_ends_it_there(
    api: Any, agent: AgentPlay, rack2: AgentPlay, rack3: AgentPlay, m1: str
):
    commission(api, m1)
    agent.refuse(only(agent, "power_on"), "unreachable", SILENT)
    rack2.refuse(only(rack2, "power_on"), "auth", "refused user 'admin'")
    message = read(api, m1)["status_message"]
    assert f"rack1: {SILENT}; rack2: refused user 'admin'; it was tried once" in message
    assert poll(rack3.rack) == []


def test_operators_order_without_a_boot_goes_on_as_well(api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str):
    assert api.post(f"machines/{m1}/?op=power_off").status_code == 200
    agent.refuse(only(agent, "power_off"), "unreachable", SILENT)
    rack2.report(only(rack2, "power_off"), "off")
    assert read(api, m1)["power_state"] == "off"
    assert len(events(api, "RACK_CHANGED", "WARNING")) == 1


def test_question_is_answered_by_the_next_rack_while_somebody_waits(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, world: Context
):
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(orders.query, world, COMMAND_LINE, m1, 20)
        agent.refuse(agent.job(), "unreachable", SILENT)
        rack2.report(rack2.job(), "on")
        assert answer.result(20) == "on"
        failing = threads.submit(orders.query, world, COMMAND_LINE, m1, 20)
        rack2.refuse(rack2.job(), "unreachable", SILENT)
        agent.refuse(agent.job(), "unreachable", "no route to host")
        with pytest.raises(Exception, match=f"none of 2 racks could ask m1: rack2: {SILENT}; rack1: no route to host"):
            failing.result(20)


def test_racks_take_turns_quietly_while_nobody_reaches_a_bmc(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, world: Context
):
    for _ in range(3):
        assert power.poll_power(world) == 1
        for _each in range(2):
            (asked,) = [(rack, job) for rack in (agent, rack2) for job in poll(rack.rack)]
            asked[0].refuse(asked[1], "unreachable", SILENT)
        world.clock.advance(301)
    assert len(events(api, "RACK_CHANGED")) == 1
    assert len(events(api, "NODE_POWER_QUERY_FAILED")) == 1


# Racks that go away ------------------------------------------------------------------------------


def test_job_of_a_dead_rack_goes_to_one_that_reached_the_bmc_before_and_the_boot_tells(
    api: Any, agent: AgentPlay, rack3: AgentPlay, m1: str, world: Context, execute: Any
):
    execute("INSERT INTO power_contact (bmc_id, rack_id, succeeded_at) "
            "SELECT bmc.id, rack.id, now() FROM bmc, rack WHERE rack.hostname = 'rack3'")  # fmt: skip
    commission(api, m1)
    world.clock.advance(36)
    poll(rack3.rack, slots=0)
    assert racks.bury_dead_racks(world) == 1
    assert only(rack3, "power_on")["boot_device"] == "pxe", "rack1 never had it"
    detail = timeline(api, m1)["steps"][2]["detail"]
    assert "power-on goes to rack3, since rack1 is away: rack3 reached BMC 10.30.0.11 at " in detail


def test_deadline_of_the_operation_ends_what_goes_from_rack_to_rack(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, world: Context, execute: Any
):
    commission(api, m1)
    job = only(agent, "power_on")
    execute("UPDATE operation SET deadline_at = now() + interval '10 s'")
    agent.refuse(job, "unreachable", SILENT)
    world.clock.advance(11)
    deadlines.fail_past_deadline(world)
    assert read(api, m1)["status_name"] == "Failed commissioning"
    assert [each["kind"] for each in poll(rack2.rack)] == ["power_off"]
