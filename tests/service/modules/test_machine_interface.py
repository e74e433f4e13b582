# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import machine_interface, subnet

Result = dict[str, Any]
Run = Callable[..., Result]

MAC, SECOND = "52:54:00:20:01:01", "52:54:00:20:01:02"
STATIC = {"mode": "static", "subnet": "boot", "ip_address": "10.20.0.50"}
KEPT = {**STATIC, "default_gateway": False}
NIC = {
    "name": "eth0", "type": "physical", "parents": [], "mac_address": MAC, "vlan": "lab/0", "mtu": 0, "enabled": True,
    "tags": [], "links": [],
}  # fmt: skip


@pytest.fixture
def m1(run: Run, register: Run, rack: str) -> None:
    assert run(subnet, name="boot", cidr="10.20.0.0/24", fabric="lab", gateway_ip="10.20.0.1")["changed"]
    assert run(subnet, name="store", cidr="10.99.0.0/24", fabric="far")["changed"]
    assert register()["changed"]


@pytest.fixture
def declare(run: Run, m1: None) -> Run:
    """Run the module for the machine's only NIC, by name if nothing else is said."""

    def module(check: bool = False, **options: Any) -> Result:
        return run(machine_interface, check=check, **{"machine": "m1", "name": "eth0", **options})

    return module


def test_link_then_again_converges(declare: Run) -> None:
    foretold, done = declare(check=True, links=[STATIC]), declare(links=[STATIC])
    assert done["actions"] == foretold["actions"] == ["link interface eth0 of m1 (static 10.20.0.50 in boot)"]
    assert foretold["interface"] == {**NIC, "vlan": "", "links": [KEPT]}, "the VLAN follows the subnet"
    assert done["interface"] == {**NIC, "links": [KEPT]}
    assert done["diff"]["before"] == {**NIC, "vlan": ""}
    for same in (
        {},
        {"links": [STATIC]},
        {"links": [{**STATIC, "subnet": "10.20.0.0/24"}]},
        {"mac_address": MAC.upper()},
    ):
        assert not declare(**same)["changed"], same


def test_links_are_all_that_there_shall_be(declare: Run) -> None:
    declare(links=[STATIC, {"mode": "auto", "subnet": "boot"}])
    other = [{"mode": "auto", "subnet": "boot", "default_gateway": True}, {**STATIC, "ip_address": "10.20.0.51"}]
    foretold, done = declare(check=True, links=other), declare(links=other)
    assert (
        done["actions"]
        == foretold["actions"]
        == [
            "unlink interface eth0 of m1 (static 10.20.0.50)",
            "link interface eth0 of m1 (static 10.20.0.51 in boot)",
            "route interface eth0 of m1 (auto in boot)",
        ]
    )
    auto = {"mode": "auto", "subnet": "boot", "ip_address": "10.20.0.3", "default_gateway": True}
    assert done["interface"]["links"] == foretold["interface"]["links"] == [auto, {**KEPT, "ip_address": "10.20.0.51"}]
    assert not declare(links=other)["changed"]
    assert declare(links=[])["interface"]["links"] == []
    assert not declare(links=[])["changed"]


def test_any_address_will_do_where_none_is_given(declare: Run) -> None:
    anything = {"mode": "static", "subnet": "boot"}
    declare(links=[STATIC])
    assert not declare(links=[anything])["changed"]
    done = declare(links=[anything, STATIC])
    assert done["actions"] == ["link interface eth0 of m1 (static in boot)"], "the one that is named is that one"
    assert [link["ip_address"] for link in done["interface"]["links"]] == ["10.20.0.50", "10.20.0.3"]


@pytest.mark.parametrize(
    "change", [{"mtu": 9000}, {"enabled": False}, {"tags": ["b", "a"]}, {"mac_address": MAC, "name": "front0"}]
)
def test_each_change_is_made_once_and_foretold(declare: Run, change: Result) -> None:
    foretold, done = declare(check=True, **change), declare(**change)
    assert done["changed"]
    assert done["actions"] == foretold["actions"]
    assert done["interface"] == foretold["interface"]
    assert not declare(**change)["changed"]


def test_nic_moves_to_another_vlan_and_is_linked_there(declare: Run) -> None:
    declare(links=[STATIC], mtu=9000)
    moved = {"vlan": "far/0", "mtu": 0, "links": [{"mode": "auto", "subnet": "store"}]}
    foretold, done = declare(check=True, **moved), declare(**moved)
    assert done["actions"] == foretold["actions"] == [
        "update interface eth0 of m1", "link interface eth0 of m1 (auto in store)",
    ]  # fmt: skip
    assert (done["interface"]["vlan"], done["interface"]["mtu"]) == ("far/0", 0)
    assert [link["ip_address"] for link in done["interface"]["links"]] == ["10.99.0.1"]
    assert not declare(**moved)["changed"]


def test_nic_is_created_by_its_mac_and_removed(run: Run, m1: None) -> None:
    second = {"machine": "m1", "mac_address": SECOND, "name": "store0", "vlan": "far/0", "tags": ["slow"]}
    foretold, done = run(machine_interface, check=True, **second), run(machine_interface, **second)
    assert done["actions"] == foretold["actions"] == ["create interface store0 of m1"]
    assert done["interface"] == foretold["interface"]
    assert not run(machine_interface, **second)["changed"]
    gone = {"machine": "m1", "mac_address": SECOND, "state": "absent"}
    assert run(machine_interface, check=True, **gone)["changed"]
    done = run(machine_interface, **gone)
    assert (done["actions"], done["interface"]) == ([f"delete interface {SECOND} of m1"], {})
    assert not run(machine_interface, **gone)["changed"]


MADE = {
    "bond0": (
        {"type": "bond", "parents": ["eth1", "eth0"], "bond_mode": "802.3ad", "links": [STATIC]},
        {"bond_miimon": 50, "bond_lacp_rate": "slow", "bond_xmit_hash_policy": "layer3+4", "links": []},
    ),
    "br0": ({"type": "bridge", "parents": ["eth0"], "tags": ["vm"]}, {"bridge_stp": True, "bridge_fd": 0, "mtu": 9000}),
    "eth0.30": ({"type": "vlan", "parents": ["eth0"], "vlan": "lab/30"}, {"mtu": 1400, "enabled": False, "links": [
        {"mode": "auto", "subnet": "cams"}
    ]}),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_of_others_is_foretold_and_made_once(run: Run, declare: Run, name: str) -> None:
    assert run(subnet, name="cams", cidr="10.40.0.0/24", fabric="lab", vid=30)["changed"]
    declare(mac_address=MAC, vlan="lab/0")
    assert run(machine_interface, machine="m1", mac_address=SECOND, name="eth1", vlan="lab/0")["changed"]
    made, change = MADE[name]
    for wish, verb in ((made, "create"), (change, "update")):
        foretold, done = declare(check=True, name=name, **wish), declare(name=name, **wish)
        assert done["actions"][0] == f"{verb} interface {name} of m1", done
        assert (foretold["actions"], foretold["diff"]["before"]) == (done["actions"], done["diff"]["before"])
        # Which address it is only the region knows before.
        for link in foretold["interface"]["links"]:
            link["ip_address"] = link["ip_address"] or "10.40.0.1"
        assert foretold["interface"] == done["interface"]
        expected = {**wish, "parents": sorted(wish.get("parents", made["parents"]))}
        assert {key: done["interface"][key] for key in expected if key != "links"}.items() <= expected.items()
        assert not declare(name=name, **wish)["changed"]
    strange = [{"type": "physical"}, {"parents": ["eth1"]}, *([{"vlan": "far/0"}] if made["type"] == "vlan" else [])]
    for other in strange:
        assert declare(check=True, name=name, **other)["msg"] == declare(name=name, **other)["msg"], other
    assert not declare(name=name, **change)["changed"]
    gone = {"name": name, "type": made["type"], "state": "absent"}
    assert declare(check=True, **gone)["actions"] == declare(**gone)["actions"] == [f"delete interface {name} of m1"]
    assert not declare(**gone)["changed"]


def test_what_comes_before_in_a_playbook_may_be_missing_in_check_mode_only(declare: Run) -> None:
    wish = {"name": "bond0.30", "type": "vlan", "parents": ["bond0"], "vlan": "lab/0"}
    assert declare(check=True, **wish)["actions"] == ["create interface bond0.30 of m1"]
    assert declare(**wish)["msg"] == "parents: m1 has no interface bond0; it has eth0"


REFUSED = [
    ({"name": "eth7"}, "no interface eth7 of m1; give its mac_address to create it"),
    ({"machine": "m7"}, "no machine 'm7'"),
    ({"mac_address": "52:54"}, "MAC address '52:54' is malformed"),
    ({"name": None, "mac_address": SECOND, "type": "bond"}, "name: a bond is found by its name"),
    ({"name": "bond0", "type": "bond"}, "parents: there is no interface bond0 of m1 yet"),
    ({"name": "br0", "type": "bridge", "parents": ["eth0", "eth1"]}, "a bridge has exactly one"),
    ({"name": "br0", "type": "bridge", "parents": ["eth0"], "bond_mode": "802.3ad"}, "bond_mode: type bridge has no"),
    ({"name": "v", "type": "vlan", "parents": ["eth0"]}, "say which VLAN it is, as FABRIC/VID"),
    ({"parents": ["eth1"]}, "is made of nothing, and stays so"),
    ({"bridge_fd": 3}, "bridge_fd: interface eth0 of m1 has no such parameter"),
    ({"type": "bond", "state": "absent"}, "is of type physical, not bond"),
    ({"links": [{"mode": "auto"}]}, "needs its subnet"),
    ({"links": [{**STATIC, "mode": "auto"}]}, "goes with mode static"),
    ({"links": [{**STATIC, "ip_address": "moon"}]}, "'moon' is no address"),
    ({"links": [{**STATIC, "ip_address": "10.21.0.1"}]}, "10.21.0.1 of the interface eth0 of m1 lies outside"),
    ({"links": [{"mode": "dhcp", "default_gateway": True}]}, "goes with modes auto and static"),
    ({"links": [{**STATIC, "default_gateway": True}] * 2}, "one default gateway"),
]


@pytest.mark.parametrize("check", [True, False])
def test_refusals_are_worded_and_change_nothing(declare: Run, check: bool) -> None:
    for options, words in REFUSED:
        refused = declare(check=check, **options)
        assert refused["failed"], options
        assert words in refused["msg"]
    assert declare(links=[STATIC])["changed"]


def test_what_is_not_there_may_come_before_in_check_mode_only(declare: Run) -> None:
    for options in ({"vlan": "lab/99"}, {"links": [{"mode": "auto", "subnet": "moon"}]}):
        assert declare(check=True, **options)["changed"]
        refused = declare(**options)
        assert refused["failed"]
        assert "There is no" in refused["msg"]


def test_regions_refusal_is_worded(declare: Run) -> None:
    refused = declare(links=[{**STATIC, "ip_address": "10.20.0.2"}])
    assert refused["failed"]
    assert "10.20.0.2 belongs to rack rack1" in refused["msg"]
    assert refused["status"] == 400
