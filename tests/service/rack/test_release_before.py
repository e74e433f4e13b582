# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents of former releases, as this repository's history has them, at the present region: while a site is upgraded,
regions come first, and its racks go on. A copy without history has what one of them said, in test_recorded_agent.py of
folder rpc."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from rpc.hardware import MAC
from rpc.play import MACHINE_IP, RACK_IP, declare_network

from rackyard.region.services.racks import health

from .conftest import REPOSITORY, RackHost, Region, wait_until
from .test_agent import Site, journal_line
from .whole_rack import IP, register_image

# The last one before two racks shared a VLAN, and one from two days before.
RELEASES = ("03e56646430720b32b2344b4552bc7a81f7e9f34", "8e0ba63eb1fb421ea5c4195e5aff1011e42be9de")


@pytest.fixture(params=RELEASES)
def old_code(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """PYTHONPATH of that release."""
    asked = ["git", "-C", str(REPOSITORY), "archive", request.param, "src", "plugins/module_utils"]
    archive = subprocess.run(asked, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"no history here: {archive.stderr.decode().strip()}")
    (tmp_path / "old").mkdir()
    subprocess.run(["tar", "-x", "-C", str(tmp_path / "old")], input=archive.stdout, check=True)
    return f"{tmp_path}/old/src:{tmp_path}/old/plugins/module_utils"


@pytest.fixture
def site(region: Region, rack: RackHost, old_code: str, api: Any) -> Site:
    """A rack with that agent, which serves the machines' subnet."""
    rack.code = old_code
    (rack.home / "bin/ip").write_text(IP % RACK_IP)
    (rack.home / "bin/ip").chmod(0o755)
    found = Site(region, rack)
    rack.start()
    wait_until(lambda: found.rows("SELECT 1 FROM rack_interface WHERE host(address) = %s", RACK_IP), "registration")
    ((system_id,),) = found.rows("SELECT system_id FROM rack")
    declare_network(api, system_id)
    return found


def test_racks_of_the_release_before_are_served(site: Site, sim: Any, api: Any) -> None:
    register_image(site.region, site.rack.home)
    machine = {
        "hostname": "m1", "architecture": "amd64", "mac_addresses": MAC, "power_type": "ipmi",
        "power_parameters_power_address": sim.bmc.address, "power_parameters_power_port": str(sim.bmc.port),
        "power_parameters_power_user": sim.bmc.user, "power_parameters_power_pass": "secret",
    }  # fmt: skip
    system_id = api.post("machines/", data={"commission": "false", **machine}).get_json()["system_id"]
    # The older one does not know how to look for a BMC out of its networks; this one it has reached before.
    site.rows("INSERT INTO power_contact (bmc_id, rack_id, succeeded_at) SELECT bmc.id, rack.id, now() FROM bmc, rack")
    assert api.post(f"machines/{system_id}/?op=commission").status_code == 200
    wait_until(lambda: sim.calls() == ["boot pxe", "power 1"], "the power job", timeout_s=90)
    site.rack.log(journal_line(1, "dhcpd", f"rackyard-lease commit {MACHINE_IP} {MAC} 600"))
    wait_until(lambda: site.rows("SELECT 1 FROM lease WHERE ip = %s", MACHINE_IP), "the lease", timeout_s=90)
    newest = "SELECT 1 FROM rack JOIN rack_daemon ON rack_id = rack.id WHERE generation = desired_generation"
    wait_until(lambda: site.rows(newest), "the newest desired state", timeout_s=90)
    wait_until(lambda: site.rows("SELECT 1 FROM rack_service WHERE state = 'running'"), "its services", timeout_s=90)
    steps = api.get(f"machines/{system_id}/?op=boot_timeline").get_json()["steps"]
    done = {step["step"]: step["by"] for step in steps if step["outcome"] == "done"}
    assert done[4].startswith("rack1"), steps
    refused = site.rows("SELECT name, message FROM rack_daemon WHERE NOT ok AND name NOT IN ('tftp', 'dhcp')")
    assert refused == [], "this host has neither loaders nor dhcpd"
    assert all(" is not heard of" not in words for words in health.troubles(site.region.ctx, "rack1"))
