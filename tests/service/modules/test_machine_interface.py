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
NIC = {"name": "eth0", "mac_address": MAC, "vlan": "lab/0", "mtu": 0, "enabled": True, "tags": [], "links": []}


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


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "eth7"}, "no interface eth7 of m1; give its mac_address to create it"),
        ({"machine": "m7"}, "no machine 'm7'"),
        ({"mac_address": "52:54"}, "MAC address '52:54' is malformed"),
        ({"links": [{"mode": "auto"}]}, "needs its subnet"),
        ({"links": [{**STATIC, "mode": "auto"}]}, "goes with mode static"),
        ({"links": [{**STATIC, "ip_address": "moon"}]}, "'moon' is no address"),
        ({"links": [{**STATIC, "ip_address": "10.21.0.1"}]}, "10.21.0.1 of the interface eth0 of m1 lies outside"),
        ({"links": [{"mode": "dhcp", "default_gateway": True}]}, "goes with modes auto and static"),
        ({"links": [{**STATIC, "default_gateway": True}] * 2}, "one default gateway"),
    ],
)
def test_refusals_are_worded_and_change_nothing(declare: Run, check: bool, options: Result, words: str) -> None:
    refused = declare(check=check, **options)
    assert refused["failed"]
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
