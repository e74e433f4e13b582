# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack says with its registration what its host is made of, and the API shows it."""

from __future__ import annotations

from typing import Any

from rackyard.daemons import own_host

from .conftest import RackClient
from .hardware import MAC

HOST = {
    "architecture": "amd64", "cpu_count": 16, "cpu_speed_mhz": 2794, "memory_mib": 15940, "swap_bytes": 0,
    "osystem": "debian", "distro_series": "trixie",
    "hardware": {"system_vendor": "Dell Inc.", "hardware_uuid": "4c4c4544-0042-3510-8052-b4c04f4b3332"},
}  # fmt: skip
OLD = [{"name": "bond0", "mac": MAC, "addresses": ["10.20.0.2/24"]}]
NEW = [
    {"name": "eth0", "mac": MAC, "addresses": [], "type": "physical", "enabled": True, "link_connected": False,
     "link_speed_mbps": 25000, "mtu": 1500, "parents": []},
    {**OLD[0], "type": "bond", "enabled": True, "link_connected": True, "link_speed_mbps": 0, "mtu": 9000,
     "parents": ["eth0"], "news": 1},
]  # fmt: skip


def registered(api: Any, rack: RackClient, **body: Any) -> dict[str, Any]:
    answer = rack.post("register", {"version": "1", **body})
    assert answer.status == 200, answer.body
    (shown,) = api.get("rackcontrollers/").json
    return shown


def test_api_shows_what_a_rack_is_made_of(api: Any, rack: RackClient) -> None:
    vlan = api.post("fabrics/", data={"name": "lab"}).json["vlans"][0]["id"]
    api.post("subnets/", data={"cidr": "10.20.0.0/24", "name": "pxe-a", "vlan": vlan})
    shown = registered(api, rack, interfaces=NEW, host={**HOST, "news": {"of": "1.0"}})
    names = ("architecture", "cpu_count", "cpu_speed", "memory", "swap_size", "osystem", "distro_series")
    assert [shown[name] for name in names] == ["amd64/generic", 16, 2794, 15940, 0, "debian", "trixie"]
    assert shown["hardware_uuid"] == HOST["hardware"]["hardware_uuid"]
    info = shown["hardware_info"]
    assert (info["system_vendor"], info["system_serial"], info["cpu_model"]) == ("Dell Inc.", "Unknown", "Unknown")
    eth0, bond0 = shown["interface_set"]
    assert (eth0["type"], eth0["children"], eth0["links"], eth0["vlan"]) == ("physical", ["bond0"], [], None)
    assert (eth0["link_connected"], eth0["link_speed"], eth0["effective_mtu"]) == (False, 25000, 1500)
    assert (bond0["type"], bond0["parents"], bond0["mac_address"], bond0["vlan"]["id"]) == ("bond", ["eth0"], MAC, vlan)
    (link,) = bond0["links"]
    assert (link["ip_address"], link["subnet"]["name"]) == ("10.20.0.2", "pxe-a")
    assert shown["ip_addresses"] == ["10.20.0.2"]
    real = registered(api, rack, interfaces=OLD, host=own_host.facts())
    assert real["memory"] > 0, "what this very host says is what the contract takes"
    assert real["cpu_count"] > 0


def test_agent_of_the_release_before_is_shown_as_unknown(api: Any, rack: RackClient) -> None:
    registered(api, rack, interfaces=NEW, host=HOST)
    shown = registered(api, rack, interfaces=OLD)
    assert [shown[name] for name in ("architecture", "cpu_count", "memory", "osystem")] == ["", 0, 0, ""]
    assert (shown["swap_size"], shown["hardware_uuid"]) == (None, None)
    assert set(shown["hardware_info"].values()) == {"Unknown"}
    (nic,) = shown["interface_set"]
    assert (nic["name"], nic["type"], nic["link_connected"]) == ("bond0", "physical", None)
    assert nic["links"][0]["cidr"] == "10.20.0.2/24"


def test_what_no_host_is_is_refused_by_its_place(rack: RackClient) -> None:
    for field, value in (("cpu_count", -1), ("memory_mib", "much"), ("hardware", {"a b": "x"}), ("osystem", "A B")):
        answer = rack.post("register", {"version": "1", "interfaces": OLD, "host": {**HOST, field: value}})
        assert answer.status == 400, field
        assert f"host.{field}" in answer.error
