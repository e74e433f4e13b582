# SPDX-License-Identifier: GPL-3.0-or-later
"""Power decisions and sessions, without a BMC."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rackyard import rack
from rackyard_core.power import registry
from rackyard_core.power.base import PowerRefused
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


def test_no_driver_is_named_outside_its_own_file() -> None:
    """What is said of one kind of BMC stands in its driver; the registry lists the files."""
    core = Path(registry.__file__).parent
    agent = Path(rack.__file__).parent
    for path in (*core.glob("*.py"), *agent.rglob("*.py")):
        if path.stem.split("_")[0] in registry.DRIVERS or path.name == "registry.py":
            continue
        named = [name for name in registry.DRIVERS if re.search(rf"\b{name}\b", path.read_text(), re.IGNORECASE)]
        assert named == [], path


@pytest.mark.parametrize("name", sorted(registry.DRIVERS))
def test_driver_declares_what_it_takes(name: str) -> None:
    driver = registry.driver(name)
    assert driver.name == name
    names = [parameter.name for parameter in driver.parameters]
    assert len(set(names)) == len(names)
    for parameter in driver.parameters:
        assert parameter.label
        assert not parameter.choices or parameter.default in parameter.choices
        assert not (parameter.secret and parameter.default)


def test_unknown_driver_is_refused_with_those_that_there_are() -> None:
    known = "ipmi, manual, proxmox, redfish, webhook"
    with pytest.raises(PowerRefused, match=f"power type 'apc' is not known here; use one of {known}"):
        registry.driver("apc")
