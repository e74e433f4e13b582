# SPDX-License-Identifier: GPL-3.0-or-later
"""Bonds, bridges and VLANs of a machine: what each is made of, and what cannot be."""

from __future__ import annotations

import pytest

from .test_interfaces import events, ok, refused

MACS = [f"52:54:00:20:01:0{number}" for number in range(1, 5)]
M1 = {"commission": "false", "hostname": "m1", "mac_addresses": MACS}

CREATE = {"bond": "op=create_bond", "bridge": "op=create_bridge", "vlan": "op=create_vlan"}


@pytest.fixture
def vlans(api) -> dict[str, int]:
    """The ids of VLANs: of fabric lab untagged, 20 and 30; of fabric far untagged and 40. Two have subnets."""
    found = {}
    for fabric, vids in (("lab", (0, 20, 30)), ("far", (0, 40))):
        known = ok(api.post("fabrics/", data={"name": fabric}))
        for vid in vids[1:]:
            ok(api.post(f"fabrics/{known['id']}/vlans/", data={"vid": vid, "name": f"v{vid}"}))
        for vlan in ok(api.get(f"fabrics/{known['id']}/vlans/")):
            found[fabric if vlan["vid"] == 0 else str(vlan["vid"])] = vlan["id"]
    ok(api.post("subnets/", data={"name": "boot", "cidr": "10.20.0.0/24", "vlan": found["lab"]}))
    ok(api.post("subnets/", data={"name": "tagged", "cidr": "10.30.0.0/24", "vlan": found["20"]}))
    return found


@pytest.fixture
def m1(api, vlans) -> str:
    """Four NICs, of which the last is in another fabric."""
    path = f"nodes/{ok(api.post('machines/', data=M1))['system_id']}/interfaces/"
    for number, place in enumerate(("lab", "lab", "lab", "far")):
        ok(api.put(f"{path}eth{number}/", data={"vlan": vlans[place]}))
    return path


@pytest.fixture
def make(api, m1):
    """Create an interface of a kind; the answer."""

    def post(kind: str, **wish: object):
        return api.post(f"{m1}?{CREATE[kind]}", data=wish)

    return post


def link(api, m1: str, nic: str, subnet: str, **more: object):
    return api.post(f"{m1}{nic}/?op=link_subnet", data={"mode": "auto", "subnet": subnet, **more})


def ids(api, m1: str) -> dict[str, int]:
    return {nic["name"]: nic["id"] for nic in ok(api.get(m1))}


def test_bond_is_made_of_nics_and_has_their_links_place(api, m1, make, vlans) -> None:
    ok(link(api, m1, "eth0", "boot"))
    known = ids(api, m1)
    bond = ok(make("bond", parents=[known["eth0"], known["eth1"]], bond_mode="802.3ad", bond_miimon="50", mtu="9000"))
    assert (bond["name"], bond["type"], bond["mac_address"]) == ("bond0", "bond", MACS[0])
    assert (bond["parents"], bond["children"], bond["links"]) == (["eth0", "eth1"], [], [])
    assert (bond["vlan"]["id"], bond["effective_mtu"]) == (vlans["lab"], 9000)
    assert bond["params"] == {
        "bond_mode": "802.3ad", "bond_miimon": 50, "bond_downdelay": 0, "bond_updelay": 0, "bond_num_grat_arp": 1,
        "bond_lacp_rate": "fast", "bond_xmit_hash_policy": "layer2", "mtu": 9000,
    }  # fmt: skip
    nic = ok(api.get(f"{m1}eth0/"))
    assert (nic["children"], nic["links"]) == (["bond0"], [])
    assert any("have no links of their own any more: 10.20.0.1" in each for each in events(api))
    assert "part of bond0, a bond" in refused(link(api, m1, "eth1", "boot"), "mode")
    assert [each["ip_address"] for each in ok(link(api, m1, "bond0", "boot"))["links"]] == ["10.20.0.1"]
    assert ok(api.put(f"{m1}bond0/", data={"bond_mode": "active-backup"}))["params"]["bond_mode"] == "active-backup"
    assert api.get(f"machines/{m1.split('/')[1]}/").json["boot_interface"]["name"] == "eth0"


def test_vlan_on_a_bridge_on_a_bond_has_its_own_address(api, m1, make, vlans) -> None:
    ok(make("bond", parents="eth1,eth2"))
    bridge = ok(make("bridge", parent="bond0", bridge_stp="true", mac_address="02:00:00:00:00:01"))
    assert (bridge["name"], bridge["mac_address"], bridge["parents"]) == ("br0", "02:00:00:00:00:01", ["bond0"])
    assert bridge["params"] == {"bridge_type": "standard", "bridge_stp": True, "bridge_fd": 15}
    tagged = ok(make("vlan", parent=bridge["id"], vlan=vlans["20"], tags="fast"))
    assert (tagged["name"], tagged["type"], tagged["vlan"]["vid"]) == ("br0.20", "vlan", 20)
    assert (tagged["params"], tagged["tags"]) == ("", ["fast"])
    assert ok(link(api, m1, "br0.20", "tagged"))["links"][0]["ip_address"] == "10.30.0.1"
    assert "br0.20 is that VLAN" in refused(link(api, m1, "br0.20", "boot", force="true"), "vlan")
    shown = {nic["name"]: nic["children"] for nic in ok(api.get(f"machines/{m1.split('/')[1]}/"))["interface_set"]}
    assert (shown["eth1"], shown["bond0"], shown["br0"]) == (["bond0"], ["br0"], ["br0.20"])


@pytest.mark.parametrize(
    ("kind", "wish", "field", "words"),
    [
        ("bond", {}, "parents", "needs the NICs"),
        ("bond", {"parents": "eth1,eth9"}, "parents", "no interface 'eth9'"),
        ("bond", {"parents": "eth0,eth1"}, "parents", "eth0 is used by eth0.20 already"),
        ("bond", {"parents": "eth1,eth0.20"}, "parents", "eth0.20 is a vlan"),
        ("bond", {"parents": "eth1,eth3"}, "parents", "eth1 in VLAN 0 of fabric lab, eth3 in VLAN 0 of fabric far"),
        ("bond", {"parents": "eth1", "bond_mode": "fast"}, "bond_mode", "'fast' is none of balance-rr"),
        ("bond", {"parents": "eth1", "bond_miimon": "-1"}, "bond_miimon", "not a number from 0"),
        ("bond", {"parents": "eth1", "name": "eth0"}, "name", "has an interface eth0 already"),
        ("bond", {"parents": "eth1", "name": "a-bond-of-two-nics"}, "name", "up to 15 letters"),
        ("bond", {"parents": "eth1", "vlan": "1000"}, "vlan", "leave vlan out"),
        ("bridge", {}, "parent", "by its id"),
        ("bridge", {"parent": "br0"}, "parent", "no bridge is in another"),
        ("bridge", {"parent": "eth2"}, "parent", "eth2 is used by br0 already"),
        ("bridge", {"parent": "eth1", "bridge_stp": "maybe"}, "bridge_stp", "neither true nor false"),
        ("vlan", {"parent": "eth1"}, "vlan", "needs its vlan"),
        ("vlan", {"parent": "eth1", "vlan": "lab"}, "vlan", "untagged"),
        ("vlan", {"parent": "eth1", "vlan": "40"}, "vlan", "another fabric than eth1"),
        ("vlan", {"parent": "eth0", "vlan": "20"}, "vlan", "eth0.20 is VLAN 20 of fabric lab on eth0 already"),
        ("vlan", {"parent": "eth0.20", "vlan": "30"}, "parent", "no VLAN is on another"),
        ("vlan", {"parent": "eth2", "vlan": "30"}, "parent", "eth2 is part of br0, a bridge"),
        ("vlan", {"parent": "eth1", "vlan": "30", "mtu": "9000"}, "mtu", "eth1 has an MTU of 1500"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    api, m1, make, vlans, kind: str, wish: dict, field: str, words: str
) -> None:
    ok(make("vlan", parent="eth0", vlan=vlans["20"]))
    ok(make("bridge", parent="eth2"))
    before = ok(api.get(m1))
    given = {name: vlans.get(value, value) if name == "vlan" else value for name, value in wish.items()}
    assert words in refused(make(kind, **given), field)
    assert ok(api.get(m1)) == before


def test_parts_move_together_and_only_where_that_means_something(api, m1, make, vlans) -> None:
    ok(make("bond", parents="eth1,eth2"))
    ok(make("bridge", parent="bond0"))
    ok(link(api, m1, "br0", "boot"))
    assert "part of bond0" in refused(api.put(f"{m1}eth1/", data={"vlan": vlans["far"]}), "vlan")
    moved = ok(api.put(f"{m1}br0/", data={"vlan": vlans["far"]}))
    assert (moved["vlan"]["id"], moved["links"]) == (vlans["far"], [])
    places = {nic["name"]: nic["vlan"]["id"] for nic in ok(api.get(m1))}
    assert {places[name] for name in ("eth1", "eth2", "bond0", "br0", "eth3")} == {vlans["far"]}
    ok(make("vlan", parent="eth0", vlan=vlans["20"]))
    assert "eth0.20 would be on eth0" in refused(api.put(f"{m1}eth0/", data={"vlan": vlans["far"]}), "vlan")
    assert "eth0.20 is that VLAN" in refused(api.put(f"{m1}eth0.20/", data={"vlan": vlans["30"]}), "vlan")


def test_vlan_has_no_larger_mtu_than_what_it_is_on(api, m1, make, vlans) -> None:
    ok(api.put(f"{m1}eth0/", data={"mtu": 9000}))
    assert ok(make("vlan", parent="eth0", vlan=vlans["20"], mtu=8000))["effective_mtu"] == 8000
    assert "eth0.20 would have an MTU of 8000 on eth0" in refused(api.put(f"{m1}eth0/", data={"mtu": 1500}), "mtu")
    assert "which has 9000" in refused(api.put(f"{m1}eth0.20/", data={"mtu": 9001}), "mtu")


@pytest.mark.parametrize(
    ("nic", "change", "field", "words"),
    [
        ("eth0", {"bond_mode": "802.3ad"}, "bond_mode", "eth0 is a physical interface, which has no bond_mode"),
        ("bond0", {"bridge_fd": "3"}, "bridge_fd", "bond0 is a bond interface"),
        ("bond0", {"parents": "eth3"}, "parents", "not supported by this region yet"),
        ("bond0", {"bond_lacp_rate": "often"}, "bond_lacp_rate", "none of fast, slow"),
    ],
)
def test_change_that_cannot_be_is_refused(api, m1, make, nic: str, change: dict, field: str, words: str) -> None:
    ok(make("bond", parents="eth1,eth2"))
    assert words in refused(api.put(f"{m1}{nic}/", data=change), field)


def test_client_that_sends_everything_always_may_name_the_parents(api, m1, make) -> None:
    bond = ok(make("bond", parents="eth1,eth2"))
    known = ids(api, m1)
    same = {"parents": [known["eth1"], known["eth2"]], "name": "uplink", "bond_mode": "active-backup"}
    assert ok(api.put(f"{m1}{bond['id']}/", data=same))["name"] == "uplink"


def test_deleted_from_the_top_only(api, m1, make, vlans) -> None:
    ok(make("bond", parents="eth1,eth2"))
    ok(make("vlan", parent="bond0", vlan=vlans["20"]))
    for nic, child in (("eth1", "bond0"), ("bond0", "bond0.20")):
        answer = api.delete(f"{m1}{nic}/")
        assert answer.status_code == 409
        assert f"{nic} is used by {child}; delete that first" in answer.text
    assert [api.delete(f"{m1}{nic}/").status_code for nic in ("bond0.20", "bond0", "eth2")] == [204, 204, 204]
    assert sorted(ids(api, m1)) == ["eth0", "eth1", "eth3"]


def test_new_mac_of_a_nic_is_shown_by_what_is_made_of_it(api, m1, make) -> None:
    ok(make("bond", parents="eth1,eth2"))
    ok(api.put(f"{m1}eth1/", data={"mac_address": "52:54:00:20:01:99"}))
    assert ok(api.get(f"{m1}bond0/"))["mac_address"] == "52:54:00:20:01:99"
    assert ok(api.put(f"{m1}bond0/", data={"mac_address": MACS[2]}))["mac_address"] == MACS[2], "of another of its NICs"
