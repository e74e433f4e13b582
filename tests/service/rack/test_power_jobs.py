# SPDX-License-Identifier: GPL-3.0-or-later
"""Power jobs against a BMC that is not always there."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rackyard.rack.jobs import THREADS, JobRunner
from rackyard.rack.spool import Spool
from rackyard_core.power.pool import PowerPool

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
        "expires_at": expires.isoformat(), "limit_s": 180, **changes,
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


class Time:
    """A monotonic clock that moves by sleeping on it only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.at: dict[float, Callable[[], None]] = {}

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        for due in list(self.at):
            if self.now >= due:
                self.at.pop(due)()


def results(spool: Spool) -> dict[int, dict[str, Any]]:
    return {item["job"]: item["result"] for item in spool.waiting("result")}


def test_soft_off_waits_as_long_as_the_order_may_take(sim: SimulatedBmc, pool: PowerPool, tmp_path: Path):
    spool, clock = Spool(tmp_path / "spool"), Time()
    runner = JobRunner(spool, pool, tmp_path / "jobs", sleep=clock.sleep, clock=clock)
    sim.power = "on"
    (sim.state / "slow-shutdown").touch()

    def stop() -> None:
        sim.power = "off"

    clock.at[clock.now + 150] = stop
    soft = order(sim)
    soft["power"]["options"] = {"power_off_mode": "soft"}
    runner.submit(soft)
    wait_until(lambda: len(spool), "the report")
    runner.close()
    assert (results(spool)[1]["ok"], results(spool)[1]["power_state"]) == (True, "off")
    assert sim.calls() == ["shutdown 1"]


def test_soft_off_that_is_not_obeyed_fails_before_the_region_gives_it_up(
    sim: SimulatedBmc, pool: PowerPool, tmp_path: Path
):
    spool, clock = Spool(tmp_path / "spool"), Time()
    runner = JobRunner(spool, pool, tmp_path / "jobs", sleep=clock.sleep, clock=clock)
    sim.power = "on"
    (sim.state / "slow-shutdown").touch()
    soft = order(sim, limit_s=60)
    soft["power"]["options"] = {"power_off_mode": "soft"}
    runner.submit(soft)
    wait_until(lambda: len(spool), "the report")
    runner.close()
    assert results(spool)[1]["error_kind"] == "timeout"
    assert "still on, not off" in results(spool)[1]["error"]
    assert 50 < sum(clock.slept) < 60


def test_order_whose_time_is_over_by_this_hosts_own_clock_is_not_carried_out(
    sim: SimulatedBmc, pool: PowerPool, tmp_path: Path
):
    spool, clock = Spool(tmp_path / "spool"), Time()
    runner = JobRunner(spool, pool, tmp_path / "jobs", sleep=clock.sleep, clock=clock)
    sim.power = "on"
    # The first order holds the machine; while it waits, the second one's time runs out.
    runner.submit(order(sim, expect_off=True, limit_s=100))
    runner.submit(order(sim, id=2, kind="power_on", boot_device="pxe", limit_s=30))
    wait_until(lambda: len(spool) == 2, "both reports")
    runner.close()
    assert results(spool)[2]["error_kind"] == "refused"
    assert "its 30 s were over" in results(spool)[2]["error"]
    assert sim.calls() == ["power 0"]


def test_regions_wall_clock_does_not_matter(sim: SimulatedBmc, pool: PowerPool, tmp_path: Path):
    spool = Spool(tmp_path / "spool")
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    past = datetime.now(UTC) - timedelta(days=1)
    runner.submit(order(sim, kind="power_query", expires_at=past.isoformat(), limit_s=30))
    wait_until(lambda: len(spool), "the report")
    runner.close()
    assert results(spool)[1]["ok"]


def test_newer_order_ends_one_that_is_under_way_between_two_commands(
    sim: SimulatedBmc, pool: PowerPool, tmp_path: Path
):
    spool, clock = Spool(tmp_path / "spool"), Time()
    runner = JobRunner(spool, pool, tmp_path / "jobs", sleep=clock.sleep, clock=clock)
    sim.power = "on"
    (sim.state / "slow-off").touch()

    def newer() -> None:
        runner.submit(order(sim, id=2, kind="power_query", epoch=2))
        sim.power = "off"

    clock.at[clock.now + 0.1] = newer
    runner.submit(order(sim, kind="power_on", boot_device="pxe"))
    wait_until(lambda: len(spool) == 2, "both reports")
    runner.close()
    assert "a newer order (epoch 2)" in results(spool)[1]["error"]
    assert sim.calls() == ["boot pxe", "power 0"]


def test_job_is_held_until_its_result_is_delivered_and_is_done_once(sim: SimulatedBmc, pool: PowerPool, tmp_path: Path):
    spool = Spool(tmp_path / "spool")
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    sim.power = "on"
    assert runner.slots == THREADS
    runner.submit(order(sim, expect_off=True))
    assert (runner.held(), runner.slots) == ([1], THREADS - 1)
    # A region that did not hear of it hands it out again.
    runner.submit(order(sim, expect_off=True))
    assert runner.slots == THREADS - 1
    sim.power = "off"
    wait_until(lambda: len(spool), "the report")
    assert (runner.held(), runner.slots) == ([1], THREADS)
    runner.submit(order(sim, expect_off=True))
    assert runner.slots == THREADS
    # So it is after a restart, too.
    assert JobRunner(Spool(tmp_path / "spool"), pool, tmp_path / "jobs").held() == [1]
    runner.delivered(1)
    assert runner.held() == []
    runner.close()


def test_job_that_a_restart_cut_off_is_reported_as_to_be_retried(pool: PowerPool, tmp_path: Path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/7.json").write_text('{"id": 7, "epoch": 3}')
    (tmp_path / "jobs/8.json").write_text("{half a no")
    spool = Spool(tmp_path / "spool")
    spool.append("result", [{"job": 9, "result": {"ok": True}}])
    (tmp_path / "jobs/9.json").write_text('{"id": 9, "epoch": 3}')
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    assert runner.report_cut_off() == 1
    assert (results(spool)[7]["error_kind"], results(spool)[7]["epoch"]) == ("retry", 3)
    assert results(spool)[9] == {"ok": True}
    assert runner.held() == [7, 9]
    assert list((tmp_path / "jobs").iterdir()) == []


def test_two_hundred_silent_bmcs_do_not_hold_up_a_power_on(sim: SimulatedBmc, tmp_path: Path):
    spool = Spool(tmp_path / "spool")
    pool = PowerPool(4)
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("", 0))
        for number in range(200):
            lost = order(sim, id=1000 + number, machine=f"lost{number}", kind="power_query")
            # Each at an address of its own, as the pool knows BMCs by it.
            lost["power"] |= {"address": f"127.0.1.{number + 1}", "port": deaf.getsockname()[1]}
            runner.submit(lost)
        runner.submit(order(sim, kind="power_on", boot_device="pxe"))
        wait_until(lambda: 1 in results(spool), "the power-on", timeout_s=10)
        assert results(spool)[1]["power_state"] == "on"
        # One after the other, four workers would have had 200 s of silence ahead of it.
        assert results(spool)[1]["took_seconds"] < 10
        wait_until(lambda: len(results(spool)) == 201, "all reports", timeout_s=30)
    assert {result["error_kind"] for job, result in results(spool).items() if job != 1} == {"unreachable"}
    runner.close()
    pool.close()


def test_order_that_another_rack_may_have_carried_out_leaves_a_machine_that_is_on(
    sim: SimulatedBmc, pool: PowerPool, tmp_path: Path
):
    spool = Spool(tmp_path / "spool")
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    sim.power = "on"
    runner.submit(order(sim, kind="power_on", boot_device=None, boot_device_if_off="pxe"))
    wait_until(lambda: len(spool) == 1, "the first report")
    assert (results(spool)[1]["power_state"], sim.calls()) == ("on", [])
    sim.power = "off"
    runner.submit(order(sim, id=2, kind="power_on", boot_device=None, boot_device_if_off="pxe"))
    wait_until(lambda: len(spool) == 2, "the second report")
    runner.close()
    assert (results(spool)[2]["power_state"], sim.calls()) == ("on", ["boot pxe", "power 1"])


def test_failure_tells_which_commands_may_have_reached_the_bmc(sim: SimulatedBmc, pool: PowerPool, tmp_path: Path):
    """A cycle whose machine does not go off, and an order that finds nobody at the address."""
    spool, clock = Spool(tmp_path / "spool"), Time()
    runner = JobRunner(spool, pool, tmp_path / "jobs", sleep=clock.sleep, clock=clock)
    sim.power = "on"
    (sim.state / "slow-off").touch()
    runner.submit(order(sim, kind="power_on", boot_device="pxe"))
    wait_until(lambda: len(spool) == 1, "the first report", timeout_s=60)
    sim.process.send_signal(signal.SIGSTOP)
    runner.submit(order(sim, id=2, kind="power_on", boot_device="pxe"))
    wait_until(lambda: len(spool) == 2, "the second report", timeout_s=60)
    sim.process.send_signal(signal.SIGCONT)
    runner.close()
    told = [(results(spool)[number]["error_kind"], results(spool)[number]["given"]) for number in (1, 2)]
    assert told == [("timeout", ["off"]), ("unreachable", [])]


def test_probe_asks_whether_the_bmc_answers_and_needs_no_login(sim: SimulatedBmc, pool: PowerPool, tmp_path: Path):
    spool = Spool(tmp_path / "spool")
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    probe = order(sim, kind="power_probe", limit_s=15)
    probe["power"]["password"] = "wrong"
    runner.submit(probe)
    wait_until(lambda: len(spool) == 1, "the first report")
    assert (results(spool)[1]["ok"], results(spool)[1]["power_state"]) == (True, "unknown")
    sim.process.send_signal(signal.SIGSTOP)
    runner.submit({**probe, "id": 2})
    wait_until(lambda: len(spool) == 2, "the second report")
    sim.process.send_signal(signal.SIGCONT)
    runner.close()
    assert (results(spool)[2]["ok"], results(spool)[2]["error_kind"]) == (False, "unreachable")
