# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent of a former release said at its region, recorded word for word, and what this region makes of it.

The agent itself is in the repository's history, with which rack/test_release_before.py runs it; a copy without history
has these calls: it took a machine's power job, after it had looked for its BMC, and reported all the rest."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.services.racks import health

from .conftest import Answer, RackClient
from .play import declare_network, register_machine

ROOT = Path(__file__).resolve().parents[3]
RECORDED = json.loads((ROOT / "tests/data/recorded_agent.json").read_text(encoding="utf-8"))


@pytest.fixture
def said() -> dict[str, list[Any]]:
    """Bodies by call, in order."""
    found: dict[str, list[Any]] = defaultdict(list)
    for call in RECORDED["calls"]:
        found[call["path"]].append(call["body"])
    return found


def test_every_call_of_a_former_release_is_served(
    rack: RackClient, api: Any, world: Context, execute: Any, said: dict[str, list[Any]]
) -> None:
    def say(path: str, number: int = 0) -> Answer:
        answer = rack.post(path, said[path][number])
        assert answer.status == 200, (path, answer.body)
        return answer

    say("register")
    declare_network(api, rack.system_id)
    execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at, is_default) "
        "VALUES ('test', 'amd64', 'bookworm', %s, decode(repeat('00', 32), 'hex'), now(), true)",
        ('{"files": []}',),
    )
    system_id = register_machine(api)
    assert api.post(f"machines/{system_id}/?op=commission").status_code == 200
    probe = say("jobs", 0).body["jobs"][0]
    assert (probe["id"], probe["kind"]) == (2, "power_probe")
    say("jobs/2/result")
    order = say("jobs", 1).body["jobs"][0]
    assert (order["id"], order["kind"], order["boot_device"]) == (1, "power_on", "pxe")
    say("jobs/1/result")
    assert say("leases").body == {"taken": 1, "refused": []}
    say("services")
    wanted = rack.get("desired").body
    assert {"dhcp", "dns", "http", "proxy", "syslog", "ntp", "tftp"} <= wanted.keys()
    applied = said["applied"][0] | {"generation": wanted["generation"]}
    assert rack.post("applied", applied).status == 200
    assert health.troubles(world, "rack1") == []
    assert rack.get("boots").status == 200
    steps = api.get(f"machines/{system_id}/?op=boot_timeline").get_json()["steps"]
    assert [step["outcome"] for step in steps[:4]] == ["done"] * 4
    assert api.get(f"machines/{system_id}/").get_json()["power_state"] == "on"
