# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules machine_commission and machine_test share with their action plugins: the options, and the work with a
way to tell progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .rackyard_core import commissioning
from .rackyard_core.client import RegionClient
from .rackyard_core.hardware import hardware_of
from .rackyard_core.machine_lookup import get_machine
from .rackyard_core.patience import Patience
from .region_module import argument_spec

# Tests may take hours; who waits for those says so.
DEFAULT_TEST_TIMEOUT_S = 3600.0
_SCRIPTS = ("commissioning_scripts", "testing_scripts")


def commission_spec() -> dict[str, Any]:
    """Argument spec of machine_commission."""
    return argument_spec(
        hostname={"type": "str", "required": True},
        force={"type": "bool", "default": False},
        **{name: {"type": "list", "elements": "str"} for name in _SCRIPTS},
        wait={"type": "bool", "default": True},
        timeout_s={"type": "float", "default": commissioning.DEFAULT_TIMEOUT_S},
        poll_interval_s={"type": "float", "default": commissioning.DEFAULT_POLL_INTERVAL_S},
    )


def commission(
    client: RegionClient, options: Mapping[str, Any], check_mode: bool, tell: commissioning.Tell
) -> dict[str, Any]:
    """Decide, act outside check mode, and wait. The task's result; raises RegionError."""
    machine = get_machine(client, options["hostname"])
    scripts = {name: options[name] for name in _SCRIPTS}
    plan = commissioning.plan_commission(machine, options["force"], scripts)
    if check_mode:
        return {**plan.result(), "machine": machine, "timeline": {}, "hardware": hardware_of(machine)}
    patience = Patience(options["timeout_s"], options["poll_interval_s"]) if options["wait"] else None
    timeline = commissioning.commission(client, machine, plan, tell, patience)
    machine = get_machine(client, options["hostname"])
    hardware = hardware_of(machine)
    if options["wait"]:
        tell(summary(machine, hardware))
    return {**plan.result(), "machine": machine, "timeline": timeline, "hardware": hardware}


def test_spec() -> dict[str, Any]:
    """Argument spec of machine_test."""
    return argument_spec(
        hostname={"type": "str", "required": True},
        tests={"type": "list", "elements": "str"},
        wait={"type": "bool", "default": True},
        timeout_s={"type": "float", "default": DEFAULT_TEST_TIMEOUT_S},
        poll_interval_s={"type": "float", "default": commissioning.DEFAULT_POLL_INTERVAL_S},
    )


def test(
    client: RegionClient, options: Mapping[str, Any], check_mode: bool, tell: commissioning.Tell
) -> dict[str, Any]:
    """Decide, act outside check mode, and wait. The task's result; raises RegionError."""
    machine = get_machine(client, options["hostname"])
    plan = commissioning.plan_test(machine, options["tests"])
    if check_mode:
        return {**plan.result(), "machine": machine, "timeline": {}, "results": []}
    patience = Patience(options["timeout_s"], options["poll_interval_s"]) if options["wait"] else None
    timeline = commissioning.test(client, machine, plan, tell, patience)
    machine = get_machine(client, options["hostname"])
    found = test_results(client, machine) if options["wait"] else []
    for each in found:
        tell(f"{each['name']} {' '.join(each['parameters'].values())}: {each['status_name']}".replace(" :", ":"))
    return {**plan.result(), "machine": machine, "timeline": timeline, "results": found}


def test_results(client: RegionClient, machine: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each test said in the machine's last boot."""
    tests = {script["name"] for script in client.get("scripts/", type="testing")}
    sets = client.get(f"nodes/{machine['system_id']}/results/")
    keys = ("name", "status_name", "parameters", "exit_status", "runtime")
    return [{key: each[key] for key in keys} for each in sets[0]["results"] if each["name"] in tests]


def summary(machine: Mapping[str, Any], hardware: Mapping[str, Any]) -> str:
    """What came of it, in one line."""
    return (
        f"{machine['status_name']}, power {machine['power_state']}: {hardware['cpu_count']} CPUs, "
        f"{hardware['memory_mib']} MiB memory, {len(hardware['disks'])} disks, {len(hardware['interfaces'])} NICs"
    )
