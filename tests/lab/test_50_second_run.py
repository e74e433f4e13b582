# SPDX-License-Identifier: GPL-3.0-or-later
"""Running things again: nothing changes, nothing is lost, and it is quick."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from lab_site import ROOT, Lab, recap, stored

GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
ARTEFACT = f"{GALAXY['namespace']}-{GALAXY['name']}-{GALAXY['version']}.tar.gz"


def test_second_site_run_changes_nothing(lab: Lab) -> None:
    began = time.monotonic()
    numbers = recap(lab.playbook("site"))
    stored(lab, "second-site-run", {"seconds": round(time.monotonic() - began, 1), "recap": numbers})
    for host in ("region1", "rack1"):
        assert numbers[host]["failed"] == 0
        assert numbers[host]["changed"] == 0


def test_an_installed_collection_finds_what_the_repository_has_installed(lab: Lab, tmp_path: Path) -> None:
    """Roles, templates and the service's code are found where ansible-galaxy puts them; nothing else is used."""
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(tmp_path)
    galaxy = ("ansible-galaxy", "collection")
    commands = (
        (*galaxy, "build", "--output-path", str(tmp_path), str(ROOT)),
        (*galaxy, "install", "--no-deps", "-p", str(tmp_path), str(tmp_path / ARTEFACT)),
        ("ansible-playbook", "-i", str(ROOT / "inventory" / "lab"), "rackyard.metal.site", "--check"),
    )
    for command in commands:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        (lab.work / "installed-collection.log").write_text(done.stdout)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert {host: row["changed"] for host, row in recap(done.stdout).items()} == {"region1": 0, "rack1": 0}


def test_declaring_network_and_machines_again_changes_nothing(lab: Lab) -> None:
    for playbook in ("network", "machines"):
        assert {host: row["changed"] for host, row in recap(lab.playbook(playbook)).items() if row["changed"]} == {}


def test_second_demo_picks_up_what_is_there(lab: Lab) -> None:
    before = {name: lab.machine(name)["commissioned_at"] for name in ("m1", "m2")}
    began = time.monotonic()
    output = lab.run("demo")
    stored(lab, "second-demo", {"seconds": round(time.monotonic() - began, 1)})
    assert {name: lab.machine(name)["commissioned_at"] for name in ("m1", "m2")} == before
    assert "LLDP neighbour" in output


@pytest.mark.parametrize(("state", "changed"), [("on", 1), ("on", 0), ("off", 1), ("off", 0)])
def test_power_through_the_region_converges(lab: Lab, state: str, changed: int) -> None:
    wanted = json.dumps({"rackyard_power": ["m1"], "rackyard_power_state": state})
    assert recap(lab.playbook("power", "-e", wanted))["m1"]["changed"] == changed
    assert lab.machine("m1")["power_state"] == state
