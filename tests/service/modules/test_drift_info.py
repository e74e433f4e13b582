# SPDX-License-Identifier: GPL-3.0-or-later
"""Option `expect` of modules, module drift_info, and the playbook that shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.rackyard.metal.plugins.modules import drift_info, machines
from rackyard.region.clock import Clock

from . import test_machine_commission as commissioning
from .conftest import MACHINE

served = commissioning.served
Result = dict[str, Any]
Run = Callable[..., Result]
EXPECT = {"cpu_count": 2, "disks": [{"count": 2, "kind": "ssd", "size_gb": 480.1}], "nics": []}


def test_declaration_is_made_once_and_removed_once(run: Run, register: Run) -> None:
    foretold, made = register(check=True, expect=EXPECT), register(expect=EXPECT)
    assert {key: made[key] for key in ("actions", "diff")} == {key: foretold[key] for key in ("actions", "diff")}
    assert made["diff"]["after"]["expect"] == EXPECT
    assert not register(expect=EXPECT)["changed"]
    assert not register()["changed"], "what is not given is left alone"
    several = [{**MACHINE, "expect": EXPECT}]
    assert not run(machines, machines=several)["changed"]
    several[0]["expect"] = {"cpu_count": 4}
    changed = run(machines, machines=several)
    assert (changed["diff"][0]["before"]["expect"], changed["diff"][0]["after"]["expect"]) == (EXPECT, {"cpu_count": 4})
    refused = register(expect={"cpus": 4})
    assert "expect: There is no 'cpus'; it takes cpu_count" in refused["msg"]
    assert register(expect={})["actions"] == ["update machine m1"]
    assert not register(expect={})["changed"]
    assert run(drift_info)["summary"] == ["machines: 1 without a declaration", "racks: none"]


def test_playbook_shows_reports_and_fails(
    run: Run, register: Run, served: str, admin_key: str, execute: Run, rack: str, tmp_path: Path
) -> None:
    register(expect=EXPECT)
    assert run(drift_info, hostnames=["m1"], racks=False)["summary"] == [
        "machines: 1 not known",
        "machine m1: it was never commissioned; commission it",
    ]
    assert "There is no machine 'm9'" in run(drift_info, hostnames=["m9"])["msg"]
    execute("UPDATE machine SET cpu_count = 1, commissioned_at = %s", Clock().now())
    execute("UPDATE rack SET desired_generation = 4")
    execute(
        "INSERT INTO rack_daemon (rack_id, name, generation, ok, applied_at) "
        "SELECT id, unnest(ARRAY['dhcp', 'dns']), unnest(ARRAY[3, 4]), true, now() FROM rack"
    )
    report = tmp_path / "drift.json"
    given = {"rackyard_drift_report": str(report), "rackyard_drift_check": True}
    running = commissioning.playbook(
        "drift.yml", served, "--check", "--diff", "-e", json.dumps(given), RACKYARD_API_KEY=admin_key
    )
    text = running.communicate()[0]
    assert running.returncode != 0, text
    for line in (
        "machines: 1 different",
        "machine m1: cpu_count: declared 2, found 1",
        'rack rack1: dhcp: declared {"generation": 4}',
        "+++ after: machine m1 as declared",
        "+++ after: rack rack1 as declared",
        "Something is not as declared",
    ):
        assert line in text, text
    told = json.loads(report.read_text())
    assert told == {"differs": True, **{part: run(drift_info)[part] for part in ("machines", "racks")}}

    execute("UPDATE machine SET cpu_count = 2")
    execute("UPDATE rack_daemon SET generation = 4")
    register(expect={"cpu_count": 2})
    running = commissioning.playbook("drift.yml", served, "-e", json.dumps(given), RACKYARD_API_KEY=admin_key)
    text = running.communicate()[0]
    assert running.returncode == 0, text
    assert json.loads(report.read_text())["differs"] is False
