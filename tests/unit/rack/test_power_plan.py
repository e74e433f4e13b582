# SPDX-License-Identifier: GPL-3.0-or-later
"""Power decisions and sessions, without a BMC."""

from __future__ import annotations

import pytest

from rackyard_core.power.ipmi import bmc
from rackyard_core.power.orders import plan_power


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
    assert "hunter2" not in repr(bmc("10.30.0.11", "admin", "hunter2"))
