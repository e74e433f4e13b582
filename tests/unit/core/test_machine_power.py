# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest

from rackyard_core.client import RegionClient
from rackyard_core.machine_power import PowerNotReached, carry_out, plan_power
from rackyard_core.patience import Patience
from rackyard_core.wire import Request, Response

MACHINE = {"hostname": "m1", "system_id": "abc123"}


class Bmc:
    """A machine behind a region; it obeys after some questions, or never."""

    def __init__(self, state: str, slowness: int = 2) -> None:
        self.state = self.wanted = state
        self.slowness = slowness
        self.orders: list[str] = []
        self._left = 0

    def __call__(self, request: Request, timeout_s: float) -> Response:
        operation = request.url.rsplit("=", 1)[1]
        if operation != "query_power_state":
            self.orders.append(operation)
            self.wanted = operation.removeprefix("power_")
            self._left = self.slowness
            return Response(200, b"{}")
        self._left -= 1
        if self._left <= 0 < self.slowness:
            self.state = self.wanted
        return Response(200, json.dumps({"state": self.state}).encode())


def run(bmc: Bmc, wanted: str) -> str:
    now = [0.0]
    patience = Patience(20.0, 2.0, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    client = RegionClient("http://region1/MAAS", "a:b:c", transport=bmc)
    return carry_out(client, MACHINE, plan_power("m1", bmc.state, wanted), patience)


@pytest.mark.parametrize("state", ["on", "off"])
def test_state_is_noop_when_already_there(state: str) -> None:
    bmc = Bmc(state)
    assert run(bmc, state) == state
    assert bmc.orders == []


def test_power_on_waits_for_the_bmc_to_say_so() -> None:
    bmc = Bmc("off", slowness=3)
    assert run(bmc, "on") == "on"
    assert bmc.orders == ["power_on"]


def test_cycle_always_acts_and_ends_on() -> None:
    running, resting = Bmc("on"), Bmc("off")
    assert (run(running, "cycle"), running.orders) == ("on", ["power_off", "power_on"])
    assert (run(resting, "cycle"), resting.orders) == ("on", ["power_on"])


def test_bmc_that_does_not_obey_is_an_error_with_its_last_word() -> None:
    with pytest.raises(PowerNotReached, match=r"BMC of m1 still says off, not on, after 20 s") as caught:
        run(Bmc("off", slowness=0), "on")
    assert caught.value.details()["power_state"] == "off"


def test_plans_show_a_difference_exactly_when_they_change_something() -> None:
    for current in ("on", "off"):
        for wanted in ("on", "off", "cycle"):
            plan = plan_power("m1", current, wanted)
            assert plan.changed is (plan.before != plan.after)
