# SPDX-License-Identifier: GPL-3.0-or-later
"""Several racks and machines at one BMC: never two racks at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.services.power import queue

from . import several_racks as several
from . import test_whole_commissioning as whole
from .play import AgentPlay, poll, register_machine
from .several_racks import only

image, m1 = whole.image, whole.m1
agent, rack2 = several.agent, several.rack2


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
