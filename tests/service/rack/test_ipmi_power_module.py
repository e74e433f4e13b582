# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ipmi_power against a real IPMI implementation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

Order = Callable[..., dict[str, Any]]


# In a process of its own, as on a host: in one that has Ansible's controller code loaded, warnings take another way.
RUN = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.rackyard.metal.plugins.modules import ipmi_power
with patch_module_args(json.load(sys.stdin)):
    ipmi_power.main()
"""


@pytest.fixture
def order(sim: Any) -> Order:
    """Run the module against the simulated BMC; `check=True` is check mode."""

    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        bmc = {"address": sim.bmc.address, "port": sim.bmc.port, "user": sim.bmc.user, "password": sim.bmc.password}
        arguments = {
            **bmc,
            **options,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": "/tmp",
        }
        done = subprocess.run(
            [sys.executable, "-c", RUN],
            input=json.dumps(arguments),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


def test_state_changes_once(sim: Any, order: Order) -> None:
    first, second = order(state="on", boot_device="pxe"), order(state="on", boot_device="pxe")
    assert (first["changed"], first["power_state"], first["actions"]) == (True, "on", ["on"])
    assert (second["changed"], second["power_state"], second["actions"]) == (False, "on", [])
    assert sim.calls() == ["boot pxe", "power 1"]


@pytest.mark.parametrize("state", ["off", "soft-off"])
def test_off_converges_whatever_the_way(sim: Any, order: Order, state: str) -> None:
    sim.power = "on"
    assert order(state=state)["power_state"] == "off"
    assert not order(state=state)["changed"]


@pytest.mark.parametrize("action", ["cycle", "reset"])
def test_actions_always_change(sim: Any, order: Order, action: str) -> None:
    sim.power = "on"
    for _turn in range(2):
        result = order(action=action)
        assert (result["changed"], result["power_state"]) == (True, "on")


def test_check_mode_asks_and_changes_nothing(sim: Any, order: Order) -> None:
    foretold = order(check=True, state="on")
    assert (foretold["changed"], foretold["power_state"]) == (True, "on")
    assert foretold["diff"]["before"] == {"power_state": "off"}
    assert sim.calls() == []


def test_refused_boot_device_is_a_warning(sim: Any, order: Order) -> None:
    (sim.state / "refuse-boot").touch()
    result = order(state="on", boot_device="pxe")
    assert result["power_state"] == "on"
    assert "boot from pxe" in str(result["warnings"])


def test_wrong_password_is_named_and_not_printed(sim: Any, order: Order) -> None:
    refused = order(state="on", password="not-the-one")
    assert (refused["failed"], refused["kind"]) == (True, "auth")
    assert "refused user 'admin'" in refused["msg"]
    assert "not-the-one" not in json.dumps(refused)


def test_state_and_action_exclude_each_other(sim: Any, order: Order) -> None:
    assert "mutually exclusive" in order(state="on", action="cycle")["msg"]
    assert "state, action" in order()["msg"]
