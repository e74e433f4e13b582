# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from rackyard_core.subnets import BadSubnet, SubnetWish, plan_absent, plan_present, refuse_overlap

RANGE = {"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.199", "comment": ""}
NOWHERE = {"fabric": False, "vlan": None}
VLAN_OFF = {"mtu": 1500, "dhcp_on": False, "primary_rack": ""}
VLAN_ON = {"mtu": 1500, "dhcp_on": True, "primary_rack": "rack1"}


def wish(**options: Any) -> SubnetWish:
    base = {"name": "boot", "cidr": "10.20.0.0/24", "fabric": "lab", "vid": 0}
    return SubnetWish.from_options({**base, **options})


def view(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "boot",
        "cidr": "10.20.0.0/24",
        "fabric": "lab",
        "vid": 0,
        **VLAN_ON,
        "gateway_ip": "",
        "dns_servers": [],
        "allow_dns": True,
        "allow_proxy": True,
        "router_advertisements": False,
        "managed": True,
        "enlistment": "off",
        "description": "",
        "ranges": [RANGE],
        "alone": True,
    }
    return {**base, **changes}


def words(plan: Any) -> list[str]:
    return [str(action) for action in plan.actions]


def test_everything_is_made_in_the_order_that_dhcp_needs() -> None:
    plan = plan_present({}, NOWHERE, wish(vid=5, mtu=9000, dhcp_on=True, primary_rack="rack1", ranges=[RANGE]))
    assert words(plan) == [
        "create fabric lab",
        "create VLAN 5 of fabric lab",
        "update VLAN 5 of fabric lab",
        "create subnet boot",
        "create dynamic range 10.20.0.100-10.20.0.199",
        "update VLAN 5 of fabric lab",
    ]
    assert plan.actions[2].values == {"mtu": 9000}
    assert plan.actions[-1].values == {"dhcp_on": True, "primary_rack": "rack1"}


def test_new_fabric_brings_its_untagged_vlan() -> None:
    assert words(plan_present({}, NOWHERE, wish())) == ["create fabric lab", "create subnet boot"]


def test_subnet_as_wished_is_left_alone() -> None:
    full = wish(dhcp_on=True, primary_rack="rack1", mtu=1500, gateway_ip="", dns_servers=[], ranges=[RANGE])
    plan = plan_present(view(), {"fabric": True, "vlan": VLAN_ON}, full)
    assert not plan.changed
    assert plan.before == plan.after


def test_addresses_are_compared_by_value() -> None:
    six = {"type": "dynamic", "start_ip": "2001:DB8:0::0100", "end_ip": "2001:db8::1ff", "comment": ""}
    canonical = {"type": "dynamic", "start_ip": "2001:db8::100", "end_ip": "2001:db8::1ff", "comment": ""}
    plan = plan_present(
        view(cidr="2001:db8::/64", ranges=[canonical]),
        {"fabric": True, "vlan": VLAN_ON},
        wish(cidr="2001:0db8::/64", ranges=[six]),
    )
    assert not plan.changed


def test_ranges_not_mentioned_are_left_alone_and_an_empty_list_removes_them() -> None:
    place = {"fabric": True, "vlan": VLAN_ON}
    assert not plan_present(view(), place, wish()).changed
    assert words(plan_present(view(), place, wish(ranges=[]))) == ["delete dynamic range 10.20.0.100-10.20.0.199"]


def test_moved_range_is_updated_in_place() -> None:
    moved = {**RANGE, "end_ip": "10.20.0.150"}
    plan = plan_present(view(), {"fabric": True, "vlan": VLAN_ON}, wish(ranges=[moved]))
    assert words(plan) == ["update dynamic range 10.20.0.100-10.20.0.199"]
    assert plan.actions[0].values["end_ip"] == "10.20.0.150"


def test_dhcp_is_switched_off_before_its_range_goes() -> None:
    plan = plan_present(view(), {"fabric": True, "vlan": VLAN_ON}, wish(dhcp_on=False, ranges=[]))
    assert words(plan) == ["update VLAN 0 of fabric lab", "delete dynamic range 10.20.0.100-10.20.0.199"]


@pytest.mark.parametrize(
    ("text", "place"), [("hall/0", "hall/0"), ("5", "lab/5"), ("row 1/a/07", "row 1/a/7"), ("", "")]
)
def test_relay_is_named_by_fabric_and_vid_or_by_vid_in_the_same_fabric(text: str, place: str) -> None:
    vlan = {**VLAN_OFF, "relay_vlan": "lab/9"}
    plan = plan_present(view(**vlan), {"fabric": True, "vlan": vlan}, wish(relay_vlan=text))
    assert plan.actions[0].values == {"relay_vlan": place}
    assert (plan.before["relay_vlan"], plan.after["relay_vlan"]) == ("lab/9", place)
    again = {**VLAN_OFF, "relay_vlan": place}
    assert not plan_present(view(**again), {"fabric": True, "vlan": again}, wish(relay_vlan=text)).changed


@pytest.mark.parametrize("text", ["hall", "hall/", "hall/x", "/", "-1"])
def test_relay_that_names_no_vlan_is_refused(text: str) -> None:
    with pytest.raises(BadSubnet, match="names no VLAN; write relay_vlan as FABRIC/VID"):
        wish(relay_vlan=text)


def test_relay_replaces_dhcp_in_two_steps_and_begins_when_gateway_and_range_are_there() -> None:
    place = {"fabric": True, "vlan": {**VLAN_ON, "relay_vlan": ""}}
    plan = plan_present(view(), place, wish(dhcp_on=False, relay_vlan="hall/0", gateway_ip="10.20.0.1"))
    assert [action.values for action in plan.actions] == [
        {"dhcp_on": False},
        {"gateway_ip": "10.20.0.1"},
        {"relay_vlan": "hall/0"},
    ]


def test_relay_ends_before_the_gateway_goes() -> None:
    vlan = {**VLAN_OFF, "relay_vlan": "hall/0"}
    plan = plan_present(
        view(gateway_ip="10.20.0.1"), {"fabric": True, "vlan": vlan}, wish(relay_vlan="", gateway_ip="")
    )
    assert [action.values for action in plan.actions] == [{"relay_vlan": ""}, {"gateway_ip": ""}]


def test_only_what_differs_is_sent() -> None:
    plan = plan_present(view(), {"fabric": True, "vlan": VLAN_ON}, wish(description="boot net", allow_dns=True))
    assert plan.actions[0].values == {"description": "boot net"}


def test_other_vlan_moves_the_subnet() -> None:
    plan = plan_present(view(), {"fabric": True, "vlan": VLAN_OFF}, wish(vid=7))
    assert plan.actions[0].values == {"vlan": 7}
    assert plan.after["vid"] == 7


def test_absent_switches_dhcp_off_when_nobody_else_needs_it() -> None:
    assert words(plan_absent(view(), "boot")) == ["update VLAN 0 of fabric lab", "delete subnet boot"]
    assert words(plan_absent(view(alone=False), "boot")) == ["delete subnet boot"]
    assert not plan_absent({}, "boot").changed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cidr": "10.20.0.1/24"}, "'10.20.0.1/24' is no network .*198.51.100.0/24, host bits zero"),
        ({"cidr": "nonsense"}, "'nonsense' is no network"),
        (
            {"ranges": [{**RANGE, "end_ip": "10.21.0.5"}]},
            "not inside subnet 10.20.0.0/24: 10.21.0.5; correct the range",
        ),
        ({"ranges": [{**RANGE, "end_ip": "10.20.0.9"}]}, "ends before it starts; swap"),
        ({"ranges": [{**RANGE, "start_ip": "x"}]}, "malformed address"),
        ({"ranges": [RANGE, {**RANGE, "type": "reserved"}]}, "overlap; make them disjoint"),
    ],
)
def test_bad_input_names_the_object_and_the_remedy(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSubnet, match=message):
        wish(**options)


def test_overlap_with_another_subnet_is_refused_in_check_mode_too() -> None:
    with pytest.raises(BadSubnet, match=r"boot \(10.20.0.0/24\) overlaps subnet big \(10.0.0.0/8\)"):
        refuse_overlap(wish(), [{"name": "six", "cidr": "::/0"}, {"name": "big", "cidr": "10.0.0.0/8"}])
