# SPDX-License-Identifier: GPL-3.0-or-later
"""`spaces/`, and what else finds things by where they are: VLANs in spaces, subnets by VLAN, default objects."""

from __future__ import annotations

import pytest

UNDEFINED = {"id": -1, "name": "undefined", "description": ""}


def ok(response):
    assert response.status_code == 200, response.text
    return response.json


def refused(response, field: str) -> str:
    assert response.status_code == 400, response.text
    assert list(response.json) == [field], response.json
    return response.json[field][0]


@pytest.fixture
def fabric(api) -> dict:
    return ok(api.post("fabrics/", data={"name": "lab"}))


@pytest.fixture
def space(api) -> dict:
    return ok(api.post("spaces/", data={"name": "dmz", "description": "what others reach"}))


@pytest.fixture
def vlan(api, fabric, space) -> dict:
    """VLAN 20, in the space."""
    return ok(api.post("fabrics/lab/vlans/", data={"vid": "20", "space": "dmz"}))


@pytest.fixture
def subnet(api, vlan) -> dict:
    return ok(api.post("subnets/", data={"name": "web", "cidr": "10.20.0.0/24", "vlan": vlan["id"]}))


def test_space_has_its_vlans_and_their_subnets(api, space, fabric, vlan, subnet) -> None:
    assert (vlan["space"], subnet["space"], subnet["vlan"]["space"]) == ("dmz", "dmz", "dmz")
    shown = ok(api.get("spaces/dmz/"))
    uri = f"/MAAS/api/2.0/spaces/{space['id']}/"
    assert shown == {**space, "vlans": [vlan], "subnets": [subnet], "resource_uri": uri}
    assert ok(api.get(f"spaces/{space['id']}/")) == shown
    listed, undefined = ok(api.get("spaces/"))
    assert listed == shown
    assert {name: undefined[name] for name in UNDEFINED} == UNDEFINED
    assert undefined["vlans"] == fabric["vlans"]
    assert undefined["subnets"] == []


def test_space_can_be_renamed_and_described(api, space, vlan) -> None:
    changed = ok(api.put("spaces/dmz/", data={"name": "outside", "description": ""}))
    assert (changed["id"], changed["name"], changed["description"]) == (space["id"], "outside", "")
    assert ok(api.get(f"vlans/{vlan['id']}/"))["space"] == "outside"
    assert api.get("spaces/dmz/").status_code == 404
    assert ok(api.put(f"spaces/{space['id']}/", data={"name": "outside"})) == changed


def test_deleted_space_leaves_its_vlans_without_one(api, space, subnet) -> None:
    assert api.delete("spaces/dmz/").status_code == 204
    answer = api.get(f"spaces/{space['id']}/")
    assert answer.status_code == 404
    assert f"no space '{space['id']}'" in answer.text
    assert ok(api.get("subnets/web/"))["space"] == "undefined"
    assert [known["name"] for known in ok(api.get("spaces/-1/"))["subnets"]] == ["web"]


def test_space_without_a_name_gets_one_that_is_free(api) -> None:
    assert ok(api.post("spaces/"))["name"] == "space-1"
    ok(api.post("spaces/", data={"name": "space-3"}))
    assert ok(api.post("spaces/"))["name"] == "space-4"


@pytest.mark.parametrize(
    ("name", "words"),
    [("dmz", "exists already"), ("12", "taken for an id"), ("undefined", "VLANs without"), ("-1", "cannot be a name")],
)
def test_bad_name_is_refused(api, space, name: str, words: str) -> None:
    assert words in refused(api.post("spaces/", data={"name": name}), "name")
    ok(api.post("spaces/", data={"name": "other"}))
    assert words in refused(api.put("spaces/other/", data={"name": name}), "name")


@pytest.mark.parametrize("specifier", ["-1", "undefined", "0"])
def test_undefined_space_is_read_and_no_more(api, fabric, vlan, specifier: str) -> None:
    shown = ok(api.get(f"spaces/{specifier}/"))
    assert (shown["id"], shown["name"], shown["vlans"]) == (-1, "undefined", fabric["vlans"])
    for answer, done in (
        (api.put(f"spaces/{specifier}/", data={"name": "x"}), "changed"),
        (api.delete(f"spaces/{specifier}/"), "deleted"),
    ):
        assert answer.status_code == 400
        assert f"The space undefined is where VLANs without a space are shown, and cannot be {done}" in answer.text
    assert ok(api.get("spaces/-1/")) == shown


@pytest.mark.parametrize("path", ["vlans/{id}/", "fabrics/lab/vlans/20/"])
@pytest.mark.parametrize("none", ["", "undefined", "-1"])
def test_vlan_moves_between_spaces_and_out_of_them(api, vlan, path: str, none: str) -> None:
    path, other = path.format(**vlan), ok(api.post("spaces/", data={"name": "inside"}))
    assert ok(api.put(path, data={"space": other["id"]}))["space"] == "inside"
    assert ok(api.put(path, data={"mtu": "9000"}))["space"] == "inside", "not mentioned is left alone"
    assert ok(api.put(path, data={"space": none}))["space"] == "undefined"
    assert ok(api.put(path, data={"space": "dmz"})) == {**vlan, "mtu": 9000}


def test_vlan_is_in_no_space_that_is_not_there(api, vlan) -> None:
    assert "no space 'moon'" in refused(api.put("fabrics/lab/vlans/20/", data={"space": "moon"}), "space")
    assert "no space 'moon'" in refused(api.post("fabrics/lab/vlans/", data={"vid": "5", "space": "moon"}), "space")
    assert ok(api.get("fabrics/lab/vlans/20/")) == vlan


def test_subnets_space_is_that_of_the_vlan_that_it_moves_to(api, fabric, subnet) -> None:
    untagged = fabric["vlans"][0]["id"]
    assert "not supported" in refused(api.put("subnets/web/", data={"vlan": untagged, "space": "dmz"}), "space")
    assert ok(api.put("subnets/web/", data={"vlan": untagged, "space": "undefined"}))["space"] == "undefined"


def test_every_change_is_in_the_audit_trail(api, space) -> None:
    ok(api.put("spaces/dmz/", data={"description": "x"}))
    api.delete("spaces/dmz/")
    told = ok(api.get("events/?op=query&level=AUDIT"))["events"]
    assert [event["description"] for event in reversed(told)] == [
        "Space dmz was created",
        "Space dmz was changed: description what others reach → x",
        "Space dmz was deleted",
    ]


@pytest.mark.parametrize(
    "specifier", ["ip:10.20.0.7", "vlan:{vlan[id]}", "vlan:vlan-20", "vid:20", "fabric:lab", "space:dmz"]
)
def test_subnet_is_found_by_where_it_is(api, subnet, specifier: str) -> None:
    path = f"subnets/{specifier.format(**subnet)}/"
    assert ok(api.get(path)) == subnet
    assert ok(api.put(path, data={"description": "x"}))["description"] == "x"


@pytest.mark.parametrize("specifier", ["ip:10.21.0.7", "ip:web", "vlan:7777", "vid:5", "fabric:x", "space:undefined"])
def test_subnet_that_is_not_there_is_not_found_by_where_it_is(api, subnet, specifier: str) -> None:
    answer = api.get(f"subnets/{specifier}/")
    assert answer.status_code == 404
    assert f"no subnet '{specifier}'" in answer.text


def test_more_than_one_subnet_is_none(api, subnet, vlan) -> None:
    ok(api.post("subnets/", data={"name": "web6", "cidr": "2001:db8:20::/64", "vlan": vlan["id"]}))
    for answer in (api.get("subnets/space:dmz/"), api.delete("subnets/space:dmz/")):
        assert answer.status_code == 400
        assert "more than one subnet: web (10.20.0.0/24), web6 (2001:db8:20::/64); name one of them" in answer.text
    assert len(ok(api.get("subnets/"))) == 2


def test_first_fabric_is_the_default_one_under_its_own_id(api, fabric) -> None:
    ok(api.post("fabrics/", data={"name": "second"}))
    assert ok(api.get("fabrics/0/")) == fabric
    assert ok(api.get("fabrics/0/vlans/0/")) == fabric["vlans"][0]
    assert ok(api.put("fabrics/0/", data={"description": "x"}))["id"] == fabric["id"]
    answer = api.delete("fabrics/0/")
    assert answer.status_code == 400
    assert f"delete it by its own id {fabric['id']}" in answer.text
    assert api.delete(f"fabrics/{fabric['id']}/").status_code == 204


def test_there_is_no_default_fabric_without_one(api) -> None:
    answer = api.get("fabrics/0/")
    assert answer.status_code == 404
    assert "no fabric '0'" in answer.text


def test_first_subnet_makes_the_fabric_that_it_is_in(api) -> None:
    assert api.get("fabrics/").get_json() == []
    made = ok(api.post("subnets/", data={"cidr": "198.51.100.0/24"}))
    assert (made["vlan"]["fabric"], made["vlan"]["vid"], made["vlan"]["name"]) == ("fabric-0", 0, "untagged")
    second = ok(api.post("subnets/", data={"cidr": "203.0.113.0/24"}))
    assert second["vlan"]["id"] == made["vlan"]["id"]
    refused = api.post("subnets/", data={"cidr": "192.0.2.0/24", "fabric": "fabric-1"})
    assert refused.status_code == 400
    assert len(api.get("fabrics/").get_json()) == 1
