# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine is declared, commissioned, and commissioned again without a disk."""

from __future__ import annotations

import json
from typing import Any

from rackyard.region.context import Context

from . import test_whole_commissioning as whole
from .hardware import MAC
from .play import AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
EXPECT: dict[str, Any] = {
    "cpu_count": 2,
    "memory": 2048,
    "architecture": "amd64",
    "bios_boot_method": "bios",
    "secure_boot": False,
    "firmware": {"bios": "1.16.2"},
    "disks": [{"size_gb": 8.6, "kind": "hdd", "serial": "DISK1"}],
    "nics": [{"name": "ens3", "mac_address": MAC, "switch": "switch-a", "port": "tap-m1-0", "link_speed": 1000}],
}


def drift(api: Any, system_id: str) -> dict[str, Any]:
    """What one machine says, which the list says as well."""
    one = api.get(f"machines/{system_id}/?op=drift").get_json()
    assert api.get("machines/?op=drift&hostname=m1").get_json() == [one]
    return dict(one)


def commissioned(api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, **replaced: bytes) -> None:
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts({name.replace("_", "-")[1:]: body for name, body in replaced.items()})
    assert machine.signal("OK").status_code == 200
    assert whole.read(api, m1)["status_name"] == "Ready"
    agent.report(agent.job(), "off")


def test_disk_that_is_gone_after_the_next_commissioning_is_the_only_difference(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context
):
    bare = {"system_id": m1, "hostname": "m1", "found_at": None, "differences": None}
    assert drift(api, m1) == {**bare, "state": "undeclared"}
    assert api.put(f"machines/{m1}/", data={"expect": json.dumps(EXPECT)}).status_code == 200
    assert drift(api, m1) == {**bare, "state": "unknown"}, "it was never commissioned"

    commissioned(api, agent, machine, m1)
    found = drift(api, m1)
    assert (found["state"], found["differences"]) == ("same", [])
    assert found["found_at"] == whole.read(api, m1)["commissioned_at"]

    commissioned(api, agent, machine, m1, _20_storage=b'{"disks": []}')
    found = drift(api, m1)
    assert found["state"] == "differs"
    assert found["differences"] == [{"what": "disks[0]", "declared": EXPECT["disks"][0], "found": {"count": 0}}]

    api.put(f"machines/{m1}/", data={"expect": json.dumps({**EXPECT, "disks": []})})
    assert drift(api, m1)["differences"] == []


def test_declaration_is_shown_where_it_is_asked_for_and_goes_with_an_empty_one(api: Any, m1: str):
    path = f"machines/{m1}/"
    assert "expect" not in api.put(path, json={"expect": EXPECT}).get_json()
    assert "expect" not in api.get("machines/").get_json()[0]
    shown = {"hostname": "m1", "expect": EXPECT}
    assert api.get(f"{path}?fields=hostname,expect").get_json() == shown
    assert api.get("machines/?fields=hostname,expect").get_json() == [shown]
    entry = api.get("audit/?limit=1").get_json()
    assert "cpu_count" in json.dumps(entry), "the trail has it"

    refused = api.put(path, data={"expect": '{"disks": [{"kind": "tape"}]}', "description": "new"})
    assert refused.status_code == 400
    assert refused.get_json() == {"expect": ["disks[0].kind: 'tape' is not one of ['ssd', 'hdd', 'nvme']."]}
    assert whole.read(api, m1)["description"] == ""

    assert api.put(path, data={"expect": ""}).status_code == 200
    assert api.get(f"{path}?fields=expect").get_json() == {"expect": None}
    assert api.get("machines/nobody/?op=drift").status_code == 404


def test_rack_serves_what_is_wanted_or_says_which_daemon_does_not(api: Any, agent: AgentPlay, m1: str):
    def racks() -> tuple[str, Any]:
        (found,) = api.get("rackcontrollers/?op=drift").get_json()
        assert found["hostname"] == "rack1"
        return found["state"], found["differences"]

    def applied(generation: int, **daemons: str) -> None:
        said = {name: {"ok": not words, "message": words} for name, words in daemons.items()}
        assert agent.rack.post("applied", {"generation": generation, "daemons": said}).status == 200

    assert racks() == ("unknown", None)
    first = agent.rack.get("desired").body["generation"]
    applied(first, dhcp="", dns="", tftp="")
    assert racks() == ("same", [])
    api.put("subnets/1/", data={"gateway_ip": "10.20.0.1"})
    second = agent.rack.get("desired").body["generation"]
    assert second > first
    wanted, behind = {"generation": second}, {"generation": first}
    assert racks() == (
        "differs",
        [{"what": name, "declared": wanted, "found": behind} for name in ("dhcp", "dns", "tftp")],
    )
    words = "line 3: semicolon expected"
    applied(second, dhcp=words, dns="", tftp="")
    refused = {"what": "dhcp", "declared": wanted, "found": {"generation": None, "message": words}}
    assert racks() == ("differs", [refused])
