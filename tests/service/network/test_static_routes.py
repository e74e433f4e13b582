# SPDX-License-Identifier: GPL-3.0-or-later
"""`static-routes/`: what they hold and everything they refuse. What machines hear of them is in `rpc` and `rack`."""

from __future__ import annotations

import pytest

from rackyard.region.services.network.checks import MAX_DESTINATIONS

ROUTE = {"source": "boot", "destination": "store", "gateway_ip": "10.20.0.254"}


def ok(response):
    assert response.status_code == 200, response.text
    return response.json


def refused(response, field: str) -> str:
    assert response.status_code == 400, response.text
    assert list(response.json) == [field], response.json
    return response.json[field][0]


@pytest.fixture
def subnets(api) -> dict[str, dict]:
    ok(api.post("fabrics/", data={"name": "lab"}))
    cidrs = {"boot": "10.20.0.0/24", "store": "10.99.0.0/16", "other": "10.21.0.0/24", "boot6": "2001:db8:20::/64"}
    return {name: ok(api.post("subnets/", data={"name": name, "cidr": cidr})) for name, cidr in cidrs.items()}


@pytest.fixture
def route(api, subnets) -> dict:
    return ok(api.post("static-routes/", data=ROUTE))


@pytest.mark.parametrize(
    ("source", "destination"), [("boot", "store"), ("10.20.0.0/24", "cidr:10.99.0.0/16"), ("{boot[id]}", "{store[id]}")]
)
def test_route_has_its_subnets_however_they_are_named(api, subnets, source: str, destination: str) -> None:
    given = {"source": source.format(**subnets), "destination": destination.format(**subnets), "metric": "100"}
    made = ok(api.post("static-routes/", data={**ROUTE, **given}))
    assert made == {
        "id": made["id"],
        "source": subnets["boot"],
        "destination": subnets["store"],
        "gateway_ip": "10.20.0.254",
        "metric": 100,
        "resource_uri": f"/MAAS/api/2.0/static-routes/{made['id']}/",
    }
    assert ok(api.get("static-routes/")) == [made]
    assert ok(api.get(f"static-routes/{made['id']}/")) == made


def test_route_is_changed_in_part_and_deleted(api, subnets, route) -> None:
    path = f"static-routes/{route['id']}/"
    assert route["metric"] == 0
    assert ok(api.put(path, data={"gateway_ip": "10.20.0.253"})) == {**route, "gateway_ip": "10.20.0.253"}
    assert ok(api.put(path, data={"metric": "7"}))["gateway_ip"] == "10.20.0.253"
    moved = ok(api.put(path, data={"source": "other", "destination": "boot", "gateway_ip": "10.21.0.1"}))
    assert (moved["source"], moved["destination"], moved["metric"]) == (subnets["other"], subnets["boot"], 7)
    assert api.delete(path).status_code == 204
    answer = api.get(path)
    assert answer.status_code == 404
    assert f"no static route '{route['id']}'" in answer.text


@pytest.mark.parametrize("name", ["boot", "store"])
def test_route_goes_with_either_subnet(api, route, name: str) -> None:
    assert api.delete(f"subnets/{name}/").status_code == 204
    assert ok(api.get("static-routes/")) == []


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"source": ""}, "source", "needs its source"),
        ({"destination": ""}, "destination", "needs its destination"),
        ({"gateway_ip": ""}, "gateway_ip", "give an address of 10.20.0.0/24"),
        ({"source": "moon"}, "source", "no subnet 'moon'"),
        ({"destination": "moon"}, "destination", "no subnet 'moon'"),
        ({"destination": "boot"}, "destination", "are in it already"),
        ({"gateway_ip": "10.21.0.1"}, "gateway_ip", "through 10.21.0.1, outside 10.20.0.0/24"),
        ({"gateway_ip": "2001:db8:20::1"}, "gateway_ip", "outside 10.20.0.0/24"),
        ({"gateway_ip": "router"}, "gateway_ip", "'router'"),
        ({"metric": "-1"}, "metric", "not a number from 0"),
        ({"destination": "boot6"}, "destination", "from one family of addresses to the other"),
        ({"source": "boot6", "gateway_ip": "2001:db8:20::1"}, "source", "where DHCP tells no routes"),
    ],
)
def test_bad_route_is_refused_and_changes_nothing(api, subnets, changed: dict, field: str, words: str) -> None:
    assert words in refused(api.post("static-routes/", data={**ROUTE, **changed}), field)
    assert ok(api.get("static-routes/")) == []


def test_same_route_is_there_once(api, route) -> None:
    message = refused(api.post("static-routes/", data={**ROUTE, "metric": "5"}), "gateway_ip")
    assert f"Route from boot to store through 10.20.0.254 exists already (id {route['id']})" in message
    other = ok(api.post("static-routes/", data={**ROUTE, "gateway_ip": "10.20.0.253"}))
    path = f"static-routes/{other['id']}/"
    assert "exists already" in refused(api.put(path, data={"gateway_ip": "10.20.0.254"}), "gateway_ip")
    assert ok(api.get(path)) == other


def test_subnet_keeps_the_gateway_of_its_route_inside_and_to_itself(api, route) -> None:
    assert "outside 10.20.0.0/25" in refused(api.put("subnets/boot/", data={"cidr": "10.20.0.0/25"}), "gateway_ip")
    dynamic = {"type": "dynamic", "start_ip": "10.20.0.200", "end_ip": "10.20.0.254"}
    assert "in the dynamic range 10.20.0.200 - 10.20.0.254" in refused(
        api.post("ipranges/", data=dynamic), "gateway_ip"
    )
    ok(api.post("ipranges/", data={**dynamic, "end_ip": "10.20.0.250"}))
    path = f"static-routes/{route['id']}/"
    assert "in the dynamic range" in refused(api.put(path, data={"gateway_ip": "10.20.0.210"}), "gateway_ip")
    assert ok(api.get(path))["gateway_ip"] == "10.20.0.254"


def test_subnet_has_no_more_routes_than_an_answer_of_dhcp_has_room_for(api, subnets) -> None:
    for number in range(MAX_DESTINATIONS + 1):
        ok(api.post("subnets/", data={"name": f"far{number}", "cidr": f"10.98.{number}.0/24"}))
    for number in range(MAX_DESTINATIONS):
        ok(api.post("static-routes/", data={**ROUTE, "destination": f"far{number}"}))
    ok(api.post("static-routes/", data={**ROUTE, "destination": "far0", "gateway_ip": "10.20.0.1"}))
    message = refused(api.post("static-routes/", data={**ROUTE, "destination": f"far{MAX_DESTINATIONS}"}), "source")
    assert "an answer of DHCP has room for 20" in message


def test_every_change_is_in_the_audit_trail(api, route) -> None:
    path = f"static-routes/{route['id']}/"
    ok(api.put(path, data={"gateway_ip": "10.20.0.253"}))
    api.delete(path)
    told = ok(api.get("events/?op=query&level=AUDIT"))["events"]
    assert [event["description"] for event in told[:3]] == [
        "Route from boot to store through 10.20.0.253 was deleted",
        "Route from boot to store through 10.20.0.253 was changed: gateway_ip 10.20.0.254 → 10.20.0.253",
        "Route from boot to store through 10.20.0.254 was created",
    ]
