# SPDX-License-Identifier: GPL-3.0-or-later
"""Several racks and one BMC: who is asked, who comes next when one does not reach it, and never two at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.services.power import orders, queue
from rackyard.region.services.site import overview
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import deadlines, power, racks

from . import test_whole_commissioning as whole
from .conftest import Server
from .play import AgentPlay, another, poll, register_machine

image, m1 = whole.image, whole.m1
commission, read, timeline = whole.commission, whole.read, whole.timeline

ROUTED_BMC = "10.99.0.1"
SILENT = "BMC 10.30.0.11 does not answer IPMI"


@pytest.fixture
def agent(rack: Any) -> AgentPlay:
    """rack1: in the BMCs' subnet."""
    rack.register(("mgmt0", "10.10.0.21/24"), ("pxe0", "10.20.0.2/24"), ("bmc0", "10.30.0.2/24"))
    return AgentPlay(rack)


@pytest.fixture
def rack2(server: Server, world: Context, tmp_path: Path) -> AgentPlay:
    """In the BMCs' subnet, too."""
    return another(server, world, tmp_path, "rack2", ("mgmt0", "10.10.0.22/24"), ("bmc0", "10.30.0.3/24"))


@pytest.fixture
def rack3(server: Server, world: Context, tmp_path: Path) -> AgentPlay:
    """Without an address there; a route nobody knows of."""
    return another(server, world, tmp_path, "rack3", ("mgmt0", "10.10.0.23/24"))


def events(api: Any, kind: str, level: str = "DEBUG") -> list[str]:
    shown = api.get(f"events/?op=query&level={level}&limit=1000").get_json()["events"]
    return [each["description"] for each in shown if each["type"] == kind]


def only(agent: AgentPlay, kind: str) -> dict[str, Any]:
    (job,) = poll(agent.rack)
    assert job["kind"] == kind
    return job


# When a rack does not reach the BMC --------------------------------------------------------------


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


# A power-on is not repeated blindly --------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "device", "device_if_off"),
    [
        ([], "pxe", None),
        (["off"], "pxe", None),
        (["off", "on"], None, "pxe"),
        (["on"], None, "pxe"),
        (None, None, "pxe"),
    ],
)
def test_next_rack_starts_a_machine_anew_only_if_it_cannot_be_starting(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, given: list[str] | None, device: Any, device_if_off: Any
):
    """None: an agent of the release before, which does not tell what it did."""
    commission(api, m1)
    known = {} if given is None else {"given": given}
    agent.report(only(agent, "power_on"), "unknown", ok=False, error=SILENT, error_kind="unreachable", **known)
    job = only(rack2, "power_on")
    assert (job["boot_device"], job["boot_device_if_off"]) == (device, device_if_off)
    assert ("is left on if it is" in timeline(api, m1)["steps"][2]["detail"]) == (device is None)


def test_lost_power_on_goes_to_the_next_rack_and_the_late_answer_is_noted_and_ignored(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, world: Context
):
    commission(api, m1)
    lost = only(agent, "power_on")
    world.clock.advance(30)
    assert poll(agent.rack, held=(lost["id"],)) == []
    world.clock.advance(91)
    poll(agent.rack, held=(lost["id"],))
    power.expire_jobs(world)
    assert poll(rack2.rack) == [], "its last call to the BMC may still be under way"
    world.clock.advance(25)
    power.expire_jobs(world)
    job = only(rack2, "power_on")
    assert (job["id"], job["boot_device"], job["boot_device_if_off"]) == (lost["id"], None, "pxe")
    assert agent.refuse(lost, "unreachable", "it fell silent").body == {"accepted": False}
    assert read(api, m1)["status_name"] == "Commissioning"
    (noted,) = events(api, "JOB_RESULT_STALE")
    assert noted == "rack1 reported on power_on of m1 after it was given to rack2; ignored: it fell silent"
    rack2.report(job)
    assert agent.report(lost, "off").body == {"accepted": False}
    assert read(api, m1)["power_state"] == "on", "also when the next rack is done"
    assert timeline(api, m1)["steps"][3]["by"] == "rack2 (agent)"
    assert rack2.report(job).body == {"accepted": False}


def test_report_on_a_job_that_was_never_that_racks_is_refused(
    api: Any, agent: AgentPlay, rack2: AgentPlay, rack3: AgentPlay, m1: str
):
    commission(api, m1)
    job = only(agent, "power_on")
    agent.refuse(job, "unreachable", SILENT)
    assert rack3.report(job).status == 404
    assert agent.report(job).body == {"accepted": False}


def test_new_order_fences_the_one_that_went_on(api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str):
    commission(api, m1)
    on = only(agent, "power_on")
    agent.refuse(on, "unreachable", SILENT)
    assert api.post(f"machines/{m1}/?op=abort").status_code == 200
    (off,) = poll(rack2.rack)
    assert off["kind"] == "power_off", "what went on was called off"
    rack2.report(off, "off")
    assert agent.report(on).body == {"accepted": False}
    assert read(api, m1)["power_state"] == "off"


# A search among racks of which nothing is known --------------------------------------------------


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


# Never two racks at one BMC ----------------------------------------------------------------------


@pytest.fixture
def chassis(api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, execute: Any) -> list[str]:
    """Two machines in slots of one BMC, with an order for each: one at rack1, one at rack2."""
    m2 = register_machine(api, "m2", "52:54:00:00:00:77", "10.30.0.12")
    execute("UPDATE machine SET bmc_id = (SELECT bmc_id FROM machine WHERE hostname = 'm1'), bmc_slot = hostname")
    for system_id in (m1, m2):
        assert api.post(f"machines/{system_id}/?op=power_on").status_code == 200
    execute("UPDATE job SET rack_id = (SELECT id FROM rack WHERE hostname = 'rack1') WHERE machine_id = "
            "(SELECT id FROM machine WHERE hostname = 'm1')")  # fmt: skip
    execute("UPDATE job SET rack_id = (SELECT id FROM rack WHERE hostname = 'rack2') WHERE machine_id = "
            "(SELECT id FROM machine WHERE hostname = 'm2')")  # fmt: skip
    return [m1, m2]


def test_rack_waits_while_another_one_is_at_the_same_bmc_for_another_machine(
    agent: AgentPlay, rack2: AgentPlay, chassis: list[str]
):
    job = only(agent, "power_on")
    assert poll(rack2.rack) == []
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(poll, rack2.rack, wait_s=20)
        time.sleep(0.5)
        began = time.monotonic()
        agent.report(job)
        assert [each["hostname"] for each in waiting.result(20)] == ["m2"]
    assert time.monotonic() - began < 5, "it is woken when the BMC is free"


def test_second_order_at_a_bmc_goes_to_the_rack_that_is_there(
    api: Any, agent: AgentPlay, rack2: AgentPlay, chassis: list[str]
):
    only(agent, "power_on")
    for _ in range(2):
        api.post(f"machines/{chassis[1]}/?op=power_off")
    assert [job["kind"] for job in poll(agent.rack)] == ["power_off"]


def test_two_racks_that_ask_at_the_same_moment_do_not_both_get_the_bmc(
    agent: AgentPlay, rack2: AgentPlay, chassis: list[str], world: Context, execute: Any
):
    ids = dict(execute("SELECT hostname, id FROM rack"))
    with ThreadPoolExecutor() as threads:
        with world.db.transaction() as tx:
            assert len(queue.take(world, tx, ids["rack1"], 10)) == 1
            asking = threads.submit(poll, rack2.rack)
            time.sleep(0.5)
            assert not asking.done(), "it waits until it is known what rack1 gets"
        assert asking.result(20) == []


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


@pytest.mark.parametrize("restarts", [0, 1])
def test_dead_racks_power_on_is_not_repeated_blindly_if_it_ever_had_it(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str, world: Context, restarts: int
):
    commission(api, m1)
    for _ in range(restarts):
        agent.refuse(only(agent, "power_on"), "retry", "the agent was restarted while it worked on this")
    world.clock.advance(36)
    poll(rack2.rack, slots=0)
    assert racks.bury_dead_racks(world) == 1
    job = only(rack2, "power_on")
    assert (job["boot_device"], job["boot_device_if_off"]) == ((None, "pxe") if restarts else ("pxe", None))


def test_power_on_that_was_cut_off_before_is_not_repeated_blindly_after_a_network_error(
    api: Any, agent: AgentPlay, rack2: AgentPlay, m1: str
):
    commission(api, m1)
    agent.refuse(only(agent, "power_on"), "retry", "the agent was restarted while it worked on this")
    again = only(agent, "power_on")
    agent.report(again, "unknown", ok=False, error=SILENT, error_kind="unreachable", given=[])
    assert only(rack2, "power_on")["boot_device_if_off"] == "pxe"


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
