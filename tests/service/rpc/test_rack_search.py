# SPDX-License-Identifier: GPL-3.0-or-later
"""A BMC that is in no rack's subnet: a search among racks of which nothing is known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.services.power import orders
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import power, racks

from . import several_racks as several
from . import test_whole_commissioning as whole
from .play import AgentPlay, poll, register_machine
from .several_racks import SILENT, events, only

image, m1 = whole.image, whole.m1
commission, read, timeline = whole.commission, whole.read, whole.timeline
agent, rack2, rack3 = several.agent, several.rack2, several.rack3

ROUTED_BMC = "10.99.0.1"


@pytest.fixture
def routed(api: Any, m1: str) -> str:
    """A machine whose BMC is in no rack's subnet; its system id."""
    return register_machine(api, "m2", "52:54:00:00:00:77", ROUTED_BMC)


def test_first_rack_that_the_bmc_answers_gets_the_job_and_is_remembered(
    api: Any, agent: AgentPlay, rack2: AgentPlay, rack3: AgentPlay, routed: str
):
    assert commission(api, routed).status_code == 200
    assert timeline(api, routed)["steps"][2]["outcome"] == "waiting"
    probes = [only(each, "power_probe") for each in (agent, rack2)]
    assert probes[0]["power"]["address"] == ROUTED_BMC
    agent.refuse(probes[0], "unreachable", "no route to host")
    rack2.report(probes[1], "unknown")
    assert poll(rack3.rack) == [], "nobody needs its answer any more"
    on = only(rack2, "power_on")
    assert on["boot_device"] == "pxe"
    rack2.report(on)
    step3, step4 = timeline(api, routed)["steps"][2:4]
    assert (step3["outcome"], step3["detail"]) == ("done", "rack2 is the first rack that BMC 10.99.0.1 answers")
    assert step4["by"] == "rack2 (agent)"
    assert events(api, "RACK_FOUND") == [
        "power-on of m2 goes to rack2: rack2 is the first rack that BMC 10.99.0.1 answers"
    ]
    api.post(f"machines/{routed}/?op=abort")
    assert only(rack2, "power_off"), "the rack that reached it once is asked at once"


def test_late_answer_to_a_probe_is_remembered_and_changes_nothing(
    api: Any, agent: AgentPlay, rack2: AgentPlay, routed: str, execute: Any
):
    commission(api, routed)
    late, quick = only(agent, "power_probe"), only(rack2, "power_probe")
    rack2.report(quick, "unknown")
    on = only(rack2, "power_on")
    agent.report(late, "unknown")
    assert poll(agent.rack) == []
    rack2.refuse(on, "unreachable", SILENT)
    assert only(agent, "power_on"), "but it is the next one to be asked"


def test_search_without_a_find_fails_with_what_each_rack_said(
    api: Any, agent: AgentPlay, rack2: AgentPlay, rack3: AgentPlay, routed: str, world: Context
):
    """rack3 is of the release before, which knows no probes; rack2 does not come for its own."""
    commission(api, routed)
    agent.refuse(only(agent, "power_probe"), "unreachable", "no route to host")
    rack3.refuse(only(rack3, "power_probe"), "refused", "job kind 'power_probe' is not known to this rack")
    world.clock.advance(21)
    power.expire_jobs(world)
    message = read(api, routed)["status_message"]
    assert message.startswith("none of 3 racks could power on m2: rack1: no route to host; rack3: job kind")
    assert "rack2: rack2 never took the power-probe of m2 (BMC 10.99.0.1)" in message
    failed = timeline(api, routed)["steps"][2]
    assert (failed["outcome"], failed["detail"]) == ("failed", message)
    assert poll(agent.rack) == []


def test_search_whose_racks_were_removed_ends_in_time(
    api: Any, agent: AgentPlay, rack3: AgentPlay, routed: str, world: Context, execute: Any
):
    commission(api, routed)
    execute("DELETE FROM job WHERE kind = 'power_probe'")
    world.clock.advance(601)
    power.expire_jobs(world)
    known = read(api, routed)
    assert known["status_name"] == "Failed commissioning"
    assert known["status_message"].startswith(
        "no rack was found for the power-on of m2 (BMC 10.99.0.1); order it again"
    )


def test_operator_who_asks_gets_the_answer_of_the_rack_that_was_found(
    agent: AgentPlay, rack3: AgentPlay, routed: str, world: Context
):
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(orders.query, world, COMMAND_LINE, routed, 20)
        agent.refuse(agent.job(), "unreachable", "no route to host")
        rack3.report(rack3.job(), "unknown")
        rack3.report(rack3.job(), "off")
        assert answer.result(20) == "off"


def test_bmc_that_no_rack_reaches_is_not_searched_at_each_round(
    api: Any, agent: AgentPlay, rack3: AgentPlay, routed: str, world: Context, execute: Any
):
    execute("UPDATE machine SET power_state_at = now() + interval '1 day' WHERE hostname = 'm1'")
    assert power.poll_power(world) == 1
    for each in (agent, rack3):
        each.refuse(only(each, "power_probe"), "unreachable", "no route to host")
    assert read(api, routed)["power_state"] == "error"
    world.clock.advance(301)
    assert power.poll_power(world) == 1
    assert poll(agent.rack) == poll(rack3.rack) == []
    assert "rack3 (mgmt0 10.10.0.23/24; no route to host)" in read(api, routed)["power_error"]
    world.clock.advance(3600)
    power.poll_power(world)
    assert only(agent, "power_probe")


def test_abort_during_a_search_calls_it_off_and_begins_one_for_the_power_off(
    api: Any, agent: AgentPlay, rack3: AgentPlay, routed: str
):
    commission(api, routed)
    old = only(agent, "power_probe")
    assert api.post(f"machines/{routed}/?op=abort").status_code == 200
    assert agent.report(old, "unknown").body == {"accepted": False}
    new = only(agent, "power_probe")
    assert new["epoch"] > old["epoch"]
    agent.report(new, "unknown")
    assert only(agent, "power_off")


def test_no_dead_rack_is_searched(api: Any, agent: AgentPlay, rack2: AgentPlay, routed: str, world: Context):
    world.clock.advance(36)
    poll(rack2.rack, slots=0)
    assert racks.bury_dead_racks(world) == 1
    assert api.post(f"machines/{routed}/?op=power_on").status_code == 200
    assert poll(agent.rack) == []
    assert only(rack2, "power_probe")
