# SPDX-License-Identifier: GPL-3.0-or-later
"""`relay_vlan`: a VLAN whose DHCP a router brings to racks elsewhere, and what such a VLAN must be."""

from __future__ import annotations

import pytest

from .test_api import DYNAMIC, PXE_A, ok, refused

FAR = {"name": "far", "cidr": "10.90.0.0/24", "fabric": "lab", "vid": "7"}
FAR_RANGE = {"type": "dynamic", "start_ip": "10.90.0.100", "end_ip": "10.90.0.150"}
NEAR_PATH, FAR_PATH = "fabrics/lab/vlans/0/", "fabrics/lab/vlans/7/"


@pytest.fixture
def near(api, add_rack) -> dict:
    """A VLAN in which a rack answers DHCP, and beside it VLAN 7."""
    ok(api.post("fabrics/", data={"name": "lab"}))
    ok(api.post("subnets/", data=PXE_A))
    ok(api.post("ipranges/", data=DYNAMIC))
    add_rack("rack1", "10.20.0.2/24")
    ok(api.post("fabrics/lab/vlans/", data={"vid": "7"}))
    return ok(api.put(NEAR_PATH, data={"dhcp_on": "true", "primary_rack": "rack1"}))


def relay(api, target: dict):
    return api.put(FAR_PATH, data={"relay_vlan": target["id"]})


def test_relay_is_shown_as_a_vlan_stays_and_is_taken_back(api, near) -> None:
    assert near["relay_vlan"] is None
    shown = ok(relay(api, near))
    assert shown["relay_vlan"] == near
    assert ok(api.get(f"vlans/{shown['id']}/")) == shown
    assert shown in ok(api.get("fabrics/lab/"))["vlans"]
    assert ok(api.put(FAR_PATH, data={"mtu": "9000"}))["relay_vlan"] == near
    assert ok(api.put(FAR_PATH, data={"relay_vlan": ""}))["relay_vlan"] is None
    made = ok(api.post("fabrics/lab/vlans/", data={"vid": "8", "relay_vlan": near["id"]}))
    assert made["relay_vlan"] == near


def test_relay_into_another_fabric_is_fine(api, near) -> None:
    ok(api.post("fabrics/", data={"name": "hall-b"}))
    assert ok(api.put("fabrics/hall-b/vlans/0/", data={"relay_vlan": near["id"]}))["relay_vlan"]["fabric"] == "lab"


def test_vlan_is_not_relayed_to_itself_nor_to_one_that_is_not_there(api, near) -> None:
    far = ok(api.get(FAR_PATH))
    assert "cannot be relayed to itself" in refused(relay(api, far), "relay_vlan")
    assert "There is no VLAN '9999'" in refused(relay(api, {"id": 9999}), "relay_vlan")
    assert ok(api.get(FAR_PATH)) == far


def test_vlan_has_either_dhcp_of_its_own_or_a_relay(api, near) -> None:
    ok(relay(api, near))
    words = refused(api.put(FAR_PATH, data={"dhcp_on": "true", "primary_rack": "rack1"}), "relay_vlan")
    assert "not both" in words
    assert "relay_vlan" in words


def test_relay_leads_to_a_vlan_with_dhcp_that_is_not_relayed_itself(api, near) -> None:
    other = ok(api.post("fabrics/lab/vlans/", data={"vid": "8"}))
    words = refused(relay(api, other), "relay_vlan")
    assert "VLAN 7 of fabric lab would be relayed to VLAN 8 of fabric lab, where DHCP is off" in words
    ok(api.put("fabrics/lab/vlans/8/", data={"relay_vlan": near["id"]}))
    words = refused(relay(api, other), "relay_vlan")
    assert "is relayed itself, to VLAN 0 of fabric lab; name that one" in words


def test_dhcp_stays_on_where_others_are_relayed_to(api, near) -> None:
    ok(relay(api, near))
    words = refused(api.put(NEAR_PATH, data={"dhcp_on": "false"}), "relay_vlan")
    assert "VLAN 7 of fabric lab would be relayed to VLAN 0 of fabric lab, where DHCP is off" in words
    ok(api.put(FAR_PATH, data={"relay_vlan": ""}))
    assert not ok(api.put(NEAR_PATH, data={"dhcp_on": "false"}))["dhcp_on"]


@pytest.mark.parametrize("late", ["range", "relay"])
def test_machines_of_a_relayed_subnet_need_their_router(api, near, late: str) -> None:
    """Without it they would get an address, and reach nobody."""
    subnet = ok(api.post("subnets/", data=FAR))
    steps = {
        "range": lambda: api.post("ipranges/", data=FAR_RANGE),
        "relay": lambda: relay(api, near),
    }
    last = steps.pop(late)
    ok(next(iter(steps.values()))())
    assert "subnet far, which is relayed to VLAN 0 of fabric lab" in refused(last(), "gateway_ip")
    ok(api.put(f"subnets/{subnet['id']}/", data={"gateway_ip": "10.90.0.1"}))
    ok(last())
    assert "its gateway_ip" in refused(api.put(f"subnets/{subnet['id']}/", data={"gateway_ip": ""}), "gateway_ip")


@pytest.mark.parametrize("late", ["range", "relay"])
def test_machines_behind_a_relay_are_served_by_ipv4_only(api, near, late: str) -> None:
    """dhcpd could not tell who they are, so a range would be there and nobody would get an address."""
    ok(api.post("subnets/", data={**FAR, "name": "far6", "cidr": "2001:db8:90::/64"}))
    whole = {"type": "dynamic", "start_ip": "2001:db8:90::1:0", "end_ip": "2001:db8:90::1:ffff"}
    steps = {
        "range": lambda: api.post("ipranges/", data=whole),
        "relay": lambda: relay(api, near),
    }
    last = steps.pop(late)
    ok(next(iter(steps.values()))())
    words = refused(last(), "relay_vlan")
    assert "Subnet far6 has a dynamic range of IPv6 addresses" in words
    assert "served by IPv4 only" in words


def test_relay_is_followed_by_subnets_and_ranges_that_show_their_vlan(api, near) -> None:
    ok(relay(api, near))
    subnet = ok(api.post("subnets/", data={**FAR, "gateway_ip": "10.90.0.1"}))
    assert subnet["vlan"]["relay_vlan"] == near
    assert ok(api.post("ipranges/", data=FAR_RANGE))["subnet"]["vlan"]["relay_vlan"]["vid"] == 0


def test_relayed_vlan_goes_and_the_one_it_led_to_stays(api, near) -> None:
    ok(relay(api, near))
    assert api.delete(FAR_PATH).status_code == 204
    assert ok(api.get(NEAR_PATH)) == near
