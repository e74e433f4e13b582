# SPDX-License-Identifier: GPL-3.0-or-later
"""Power jobs against a BMC that is not always there."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rackyard.rack.jobs import JobRunner
from rackyard.rack.spool import Spool
from rackyard_core.power_process import PowerPool

from .conftest import SimulatedBmc, wait_until


@pytest.fixture
def pool() -> Iterator[PowerPool]:
    made = PowerPool(1)
    yield made
    made.close()


def order(sim: SimulatedBmc, **changes: Any) -> dict[str, Any]:
    power = {"type": "ipmi", "address": sim.bmc.address, "port": sim.bmc.port, "user": "admin", "password": "secret"}
    expires = datetime.now(UTC) + timedelta(seconds=180)
    return {
        "id": 1, "kind": "power_off", "epoch": 1, "machine": "abcdef", "hostname": "m1", "power": power,
        "expires_at": expires.isoformat(), **changes,
    }  # fmt: skip


def test_bmc_that_is_silent_while_its_machine_stops_is_asked_again(sim: SimulatedBmc, pool: PowerPool, tmp_path: Path):
    spool = Spool(tmp_path / "spool")
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        sim.power = "off"
        sim.process.send_signal(signal.SIGCONT)

    runner = JobRunner(spool, pool, tmp_path / "jobs", sleep=pause)
    sim.power = "on"
    sim.process.send_signal(signal.SIGSTOP)
    runner.submit(order(sim, expect_off=True))
    wait_until(lambda: len(spool), "the report", timeout_s=60)
    runner.close()
    (batch,) = spool.batches()
    result = batch.items[0]["result"]
    assert (result["ok"], result["power_state"]) == (True, "off"), json.dumps(result)
    assert pauses


def test_fifty_machines_that_take_their_time_to_stop_do_not_hold_up_a_power_on(
    sim: SimulatedBmc, pool: PowerPool, tmp_path: Path
):
    spool = Spool(tmp_path / "spool")
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    sim.power = "on"
    for number in range(50):
        runner.submit(order(sim, id=number, machine=f"slow{number}", expect_off=True))
    runner.submit(order(sim, id=99, kind="power_query", machine="quick"))
    wait_until(lambda: len(spool), "the report of the quick one", timeout_s=15)
    assert [item["job"] for batch in spool.batches() for item in batch.items] == [99]
    sim.power = "off"
    wait_until(lambda: len(spool) == 51, "all reports", timeout_s=30)
    runner.close()


def test_question_about_power_does_not_wait_until_the_machine_has_stopped(
    sim: SimulatedBmc, pool: PowerPool, tmp_path: Path
):
    spool = Spool(tmp_path / "spool")
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    sim.power = "on"
    runner.submit(order(sim, expect_off=True))
    runner.submit(order(sim, id=2, kind="power_query"))
    try:
        wait_until(lambda: len(spool), "the answer", timeout_s=10)
        (batch,) = spool.batches()
        assert [(item["job"], item["result"]["power_state"]) for item in batch.items] == [(2, "on")]
    finally:
        sim.power = "off"
        wait_until(lambda: len(spool) == 2, "both reports")
        runner.close()
