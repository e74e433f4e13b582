# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import space, subnet

RANGE = {"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.199"}

Result = dict[str, Any]
Run = Callable[..., Result]

OPTIONS = {"name": "boot", "cidr": "10.20.0.0/24", "fabric": "lab", "ranges": [RANGE]}


def test_create_then_again_converges(run: Run) -> None:
    first, second = run(subnet, **OPTIONS), run(subnet, **OPTIONS)
    assert first["actions"] == [
        "create fabric lab",
        "create subnet boot",
        "create dynamic range 10.20.0.100-10.20.0.199",
    ]
    assert first["subnet"]["fabric"] == "lab"
    assert not second["changed"]
    assert second["subnet"] == first["subnet"]


def test_check_mode_changes_nothing(run: Run) -> None:
    foretold = run(subnet, check=True, **OPTIONS)
    assert foretold["changed"]
    assert run(subnet, **OPTIONS)["actions"] == foretold["actions"]


@pytest.mark.parametrize(
    "change",
    [
        {"mtu": 9000, "vlan_name": "pxe"},
        {"vid": 5},
        {"gateway_ip": "10.20.0.1", "dns_servers": ["10.20.0.53"]},
        {"allow_dns": False, "allow_proxy": False, "managed": False, "description": "x"},
        {"cidr": "10.20.0.0/23"},
        {"ranges": [{**RANGE, "end_ip": "10.20.0.120"}, {**RANGE, "type": "reserved", "start_ip": "10.20.0.130"}]},
        {"ranges": []},
    ],
)
def test_each_change_is_made_once(run: Run, change: Result) -> None:
    run(subnet, **OPTIONS)
    options = {**OPTIONS, **change}
    assert run(subnet, check=True, **options)["changed"]
    changed = run(subnet, **options)
    assert changed["changed"], changed
    assert not changed.get("failed"), changed
    assert not run(subnet, **options)["changed"]


def test_cleared_values_converge(run: Run) -> None:
    run(subnet, **OPTIONS, gateway_ip="10.20.0.1", dns_servers=["10.20.0.53"])
    cleared = {**OPTIONS, "gateway_ip": "", "dns_servers": []}
    assert run(subnet, **cleared)["subnet"]["dns_servers"] == []
    assert not run(subnet, **cleared)["changed"]


def test_dhcp_comes_with_its_rack_and_goes_with_its_subnet(run: Run, rack: str) -> None:
    options = {**OPTIONS, "dhcp_on": True, "primary_rack": rack}
    assert run(subnet, **options)["subnet"]["dhcp_on"]
    assert not run(subnet, **options)["changed"]
    assert run(subnet, name="boot", state="absent")["actions"] == [
        "update VLAN 0 of fabric lab",
        "delete subnet boot",
    ]
    assert not run(subnet, name="boot", state="absent")["changed"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "big", "cidr": "10.0.0.0/8", "ranges": []}, "overlaps subnet boot (10.20.0.0/24)"),
        ({"ranges": [{**RANGE, "end_ip": "10.21.0.1"}]}, "not inside subnet 10.20.0.0/24: 10.21.0.1"),
        ({"cidr": "10.20.0.5/24"}, "host bits zero"),
        ({"dhcp_on": True, "primary_rack": "rack9"}, "'rack9' of subnet boot is no enrolled rack"),
    ],
)
def test_refusals_are_worded_and_change_nothing(run: Run, check: bool, options: Result, words: str) -> None:
    before = run(subnet, **OPTIONS)["subnet"]
    refused = run(subnet, check=check, **{**OPTIONS, **options})
    assert refused["failed"]
    assert words in refused["msg"]
    assert run(subnet, **OPTIONS)["subnet"] == before


FAR = {
    "name": "far", "cidr": "10.90.0.0/24", "fabric": "hall", "vid": 7, "gateway_ip": "10.90.0.1",
    "ranges": [{"type": "dynamic", "start_ip": "10.90.0.100", "end_ip": "10.90.0.150"}],
}  # fmt: skip


@pytest.fixture
def served(run: Run, rack: str) -> None:
    """A subnet in which a rack answers DHCP."""
    assert run(subnet, **OPTIONS, dhcp_on=True, primary_rack=rack)["subnet"]["dhcp_on"]


def test_relay_comes_last_converges_and_goes(run: Run, served: None) -> None:
    options = {**FAR, "relay_vlan": "lab/0"}
    foretold = run(subnet, check=True, **options)
    assert foretold["diff"]["after"]["relay_vlan"] == "lab/0"
    done = run(subnet, **options)
    assert done["actions"] == foretold["actions"]
    assert done["actions"][-1] == "update VLAN 7 of fabric hall"
    assert done["subnet"]["relay_vlan"] == "lab/0"
    assert not run(subnet, **options)["changed"]
    assert not run(subnet, **FAR)["changed"], "not mentioned is left alone"
    foretold = run(subnet, check=True, **{**options, "relay_vlan": ""})
    assert (foretold["diff"]["before"]["relay_vlan"], foretold["diff"]["after"]["relay_vlan"]) == ("lab/0", "")
    assert run(subnet, **{**options, "relay_vlan": ""})["subnet"]["relay_vlan"] == ""
    assert not run(subnet, **{**options, "relay_vlan": ""})["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"relay_vlan": "lab/0", "gateway_ip": ""}, "give the subnet its gateway_ip"),
        ({"relay_vlan": "7"}, "cannot be relayed to itself"),
        ({"relay_vlan": "lab/0", "dhcp_on": True}, "not both"),
    ],
)
def test_relay_that_cannot_work_is_refused_in_the_regions_words(
    run: Run, served: None, options: Result, words: str
) -> None:
    refused = run(subnet, **{**FAR, **options})
    assert refused["failed"]
    assert words in refused["msg"]


def test_relay_to_a_vlan_that_is_not_there_is_refused_before_anything_is_done(run: Run, served: None) -> None:
    options = {**FAR, "relay_vlan": "lab/9"}
    assert run(subnet, check=True, **options)["changed"], "another task may make that VLAN first"
    refused = run(subnet, **options)
    assert refused["failed"]
    assert "no VLAN lab/9 (FABRIC/VID) that subnet far could be relayed to" in refused["msg"]
    assert not run(subnet, name="far", state="absent")["changed"], "nothing was made"


def test_removed_subnet_ends_its_relay_so_that_the_other_vlan_can_go(run: Run, served: None) -> None:
    run(subnet, **FAR, relay_vlan="lab/0")
    assert run(subnet, name="far", state="absent")["actions"] == ["update VLAN 7 of fabric hall", "delete subnet far"]
    gone = run(subnet, name="boot", state="absent")
    assert gone.get("msg") is None
    assert gone["actions"] == ["update VLAN 0 of fabric lab", "delete subnet boot"]


def test_vlan_is_put_into_its_space_once_and_out_again(run: Run) -> None:
    run(space, name="dmz")
    foretold, done = run(subnet, check=True, **OPTIONS, space="dmz"), run(subnet, **OPTIONS, space="dmz")
    assert foretold["actions"] == done["actions"]
    assert done["actions"][:2] == ["create fabric lab", "update VLAN 0 of fabric lab"]
    assert foretold["subnet"]["space"] == done["subnet"]["space"] == "dmz"
    assert not run(subnet, **OPTIONS, space="dmz")["changed"]
    assert not run(subnet, **OPTIONS)["changed"], "not mentioned is left alone"
    assert run(subnet, **OPTIONS, space="undefined")["subnet"]["space"] == ""
    assert not run(subnet, **OPTIONS, space="")["changed"]


def test_space_that_is_not_there_is_refused_before_anything_is_done(run: Run) -> None:
    assert run(subnet, check=True, **OPTIONS, space="moon")["changed"], "another task may declare that space first"
    refused = run(subnet, **OPTIONS, space="moon")
    assert refused["failed"]
    assert "no space moon that the VLAN of subnet boot could be in; there are undefined" in refused["msg"]
    assert run(subnet, **OPTIONS)["actions"][0] == "create fabric lab", "nothing was made"
