# SPDX-License-Identifier: GPL-3.0-or-later
"""A power-on goes to another rack: it is not repeated blindly, and what the first one says late changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.worker.tasks import power, racks

from . import several_racks as several
from . import test_whole_commissioning as whole
from .play import AgentPlay, poll
from .several_racks import SILENT, events, only

image, m1 = whole.image, whole.m1
commission, read, timeline = whole.commission, whole.read, whole.timeline
agent, rack2, rack3 = several.agent, several.rack2, several.rack3


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
