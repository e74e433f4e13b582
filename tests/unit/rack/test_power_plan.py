# SPDX-License-Identifier: GPL-3.0-or-later
"""Power decisions and sessions, without a BMC."""

from __future__ import annotations

import pytest

from rackyard_core.ipmi import Bmc, plan_power
from rackyard_core.power_process import PowerPool


@pytest.mark.parametrize(
    ("current", "wanted", "actions", "final"),
    [
        ("off", "on", ("on",), "on"),
        ("on", "on", (), "on"),
        ("on", "off", ("off",), "off"),
        ("off", "off", (), "off"),
        ("on", "soft-off", ("soft-off",), "off"),
        ("off", "soft-off", (), "off"),
        ("on", "cycle", ("off", "on"), "on"),
        ("off", "cycle", ("on",), "on"),
        ("on", "reset", ("reset",), "on"),
        ("off", "reset", ("on",), "on"),
        ("on", "query", (), "on"),
        ("off", "query", (), "off"),
    ],
)
def test_plan(current: str, wanted: str, actions: tuple[str, ...], final: str) -> None:
    plan = plan_power(current, wanted)
    assert (plan.actions, plan.final, plan.changed) == (actions, final, bool(actions))


@pytest.mark.parametrize(("current", "wanted"), [("on", "explode"), ("unknown", "on")])
def test_plan_refuses_what_it_does_not_know(current: str, wanted: str) -> None:
    with pytest.raises(ValueError, match="unknown power"):
        plan_power(current, wanted)


def test_password_is_not_in_the_representation() -> None:
    assert "hunter2" not in repr(Bmc("10.30.0.11", "admin", "hunter2"))


def test_each_bmc_has_one_owner_whatever_the_credentials() -> None:
    pool = PowerPool(4)
    owners = {pool.owner(Bmc("10.30.0.11", user, "x")) for user in ("a", "b", "c")}
    assert len(owners) == 1
    assert len({pool.owner(Bmc(f"10.30.0.{host}", "a", "x")) for host in range(1, 60)}) == 4
