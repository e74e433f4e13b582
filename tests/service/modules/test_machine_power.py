# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import machine_power
from rackyard.region.context import Context

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def obedient_rack(ctx: Context, rack: str, execute: Run) -> Iterator[list[str]]:
    """A thread that does power jobs as an agent would, on a machine that is off at first; gives the orders it saw."""
    orders: list[str] = []
    stop = threading.Event()

    def work() -> None:
        power = "off"
        while not stop.is_set():
            for job_id, kind in execute("SELECT id, kind FROM job WHERE state = 'queued' ORDER BY id"):
                if kind != "power_query":
                    orders.append(kind)
                    power = kind.removeprefix("power_")
                execute(
                    "UPDATE job SET state = 'done', finished_at = now(), "
                    "result = jsonb_build_object('power_state', %s::text) WHERE id = %s",
                    power,
                    job_id,
                )
                execute("SELECT pg_notify('rackyard_machines', system_id) FROM machine")
            time.sleep(0.02)

    worker = threading.Thread(target=work)
    worker.start()
    yield orders
    stop.set()
    worker.join()


def switch(run: Run, **options: Any) -> dict[str, Any]:
    return run(machine_power, hostname="m1", timeout_s=10, poll_interval_s=0.1, **options)


def test_state_changes_once_and_is_read_back(run: Run, register: Run, obedient_rack: list[str]) -> None:
    register()
    first, second = switch(run, state="on"), switch(run, state="on")
    assert (first["changed"], first["power_state"], first["actions"]) == (True, "on", ["power on machine m1"])
    assert (second["changed"], second["power_state"]) == (False, "on")
    assert obedient_rack == ["power_on"]


def test_check_mode_asks_and_switches_nothing(run: Run, register: Run, obedient_rack: list[str]) -> None:
    register()
    foretold = switch(run, check=True, state="on")
    assert (foretold["changed"], foretold["power_state"]) == (True, "on")
    assert foretold["diff"] == {"before": {"power_state": "off"}, "after": {"power_state": "on"}}
    assert obedient_rack == []


def test_cycle_changes_each_time(run: Run, register: Run, obedient_rack: list[str]) -> None:
    register()
    assert switch(run, action="cycle")["actions"] == ["power on machine m1"]
    assert switch(run, action="cycle")["actions"] == ["power off machine m1", "power on machine m1"]
    assert obedient_rack == ["power_on", "power_off", "power_on"]


def test_machine_without_bmc_is_named_with_the_remedy(run: Run, register: Run) -> None:
    register(power=None)
    refused = switch(run, state="on")
    assert "m1 has no BMC" in refused["msg"]
    assert refused["status"] == 400


def test_bmc_that_no_rack_reaches_is_named(run: Run, register: Run) -> None:
    register()
    refused = switch(run, state="on")
    assert "10.30.0.11" in refused["msg"]
    assert refused["status"] == 409


def test_unknown_machine_is_named(run: Run) -> None:
    assert "There is no machine 'm1'" in switch(run, state="on")["msg"]
