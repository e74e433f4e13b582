# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones and resource pools, and which machines are in them."""

from __future__ import annotations

import pytest

from .test_api import M1

KINDS = pytest.mark.parametrize(
    ("listing", "one"), [("zones/", "zones/{name}/"), ("resourcepools/", "resourcepool/{id}/")], ids=["zone", "pool"]
)


def names(api, listing: str) -> list[str]:
    return [known["name"] for known in api.get(listing).json]


def hostnames(api, query: str) -> list[str]:
    return [known["hostname"] for known in api.get(f"machines/?fields=hostname&{query}").json]


@pytest.fixture
def three(api) -> dict[str, dict]:
    """m0 in the default zone and pool, m1 and m2 in zone east, m2 in pool web as well; by hostname."""
    api.post("zones/", data={"name": "east"})
    api.post("resourcepools/", data={"name": "web"})
    given = {"m0": {}, "m1": {"zone": "east"}, "m2": {"zone": "east", "pool": "web"}}
    made = {}
    for number, (hostname, groups) in enumerate(given.items()):
        data = {"commission": "false", "hostname": hostname, "mac_addresses": f"52:54:00:20:09:0{number}", **groups}
        made[hostname] = api.post("machines/", data=data).json
    return made


def test_default_ones_are_those_that_clients_know(api) -> None:
    (zone,), (pool,) = api.get("zones/").json, api.get("resourcepools/").json
    assert zone == {
        "id": 1, "name": "default", "description": "", "resource_uri": "/MAAS/api/2.0/zones/default/",
    }  # fmt: skip
    assert pool == {
        "id": 0, "name": "default", "description": "Default pool", "resource_uri": "/MAAS/api/2.0/resourcepool/0/",
    }  # fmt: skip
    machine = api.post("machines/", data=M1).json
    assert (machine["zone"], machine["pool"]) == (zone, pool)


@KINDS
def test_life_of_one(api, listing, one) -> None:
    made = api.post(listing, data={"name": " room 2 ", "description": "the far one"}).json
    assert (made["name"], made["description"]) == ("room 2", "the far one")
    assert api.get(made["resource_uri"].removeprefix("/MAAS/api/2.0/")).json == made
    for specifier in (made["id"], "room 2"):
        assert api.get(one.format(id=specifier, name=specifier)).json == made
    changed = api.put(one.format(**made), data={"name": "room-3"}).json
    assert (changed["id"], changed["name"], changed["description"]) == (made["id"], "room-3", "the far one")
    assert names(api, listing) == ["default", "room-3"]
    assert api.delete(one.format(**changed)).status_code == 204
    assert names(api, listing) == ["default"]
    assert api.get(one.format(**changed)).status_code == 404


@KINDS
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "needs a name"),
        ("17", "not digits alone"),
        ("a/b", "cannot be a name"),
        ("-a", "cannot be a name"),
        ("x" * 129, "cannot be a name"),
        ("default", "exists already"),
    ],
)
def test_bad_names_are_refused(api, listing, one, name, words) -> None:
    refused = api.post(listing, data={"name": name})
    assert refused.status_code == 400
    assert words in refused.json["name"][0]
    assert names(api, listing) == ["default"]


@KINDS
def test_default_one_stays(api, listing, one) -> None:
    (default,) = api.get(listing).json
    assert "cannot be renamed" in api.put(one.format(**default), data={"name": "other"}).json["name"][0]
    assert "cannot be deleted" in api.delete(one.format(**default)).json["name"][0]
    kept = api.put(one.format(**default), data={"name": "default", "description": "room 1"}).json
    assert kept == {**default, "description": "room 1"}


@KINDS
def test_change_that_changes_nothing_is_no_event(api, listing, one) -> None:
    made = api.post(listing, data={"name": "a"}).json
    api.put(one.format(**made), data={"name": "a", "description": ""})
    (event,) = api.get("events/?op=query&level=AUDIT").json["events"]
    assert event["type"] == "ZONES_AND_POOLS"
    assert "was created" in event["description"]


def test_machines_of_a_deleted_zone_are_in_the_default_one(api, three) -> None:
    assert api.delete("zones/east/").status_code == 204
    assert hostnames(api, "zone=default") == ["m0", "m1", "m2"]


def test_pool_with_machines_is_not_deleted(api, three) -> None:
    refused = api.delete("resourcepool/web/")
    assert refused.status_code == 409
    assert "still has m2" in refused.text
    api.put(f"machines/{three['m2']['system_id']}/", data={"pool": "default"})
    assert api.delete("resourcepool/web/").status_code == 204


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("zone=east", ["m1", "m2"]),
        ("zone=east&pool=web", ["m2"]),
        ("zone=east&zone=default", ["m0", "m1", "m2"]),
        ("not_in_zone=east", ["m0"]),
        ("not_in_pool=web&zone=east", ["m1"]),
        ("not_in_pool=web&not_in_pool=default", []),
    ],
)
def test_lists_by_zone_and_pool(api, three, query, found) -> None:
    assert hostnames(api, query) == found


@pytest.mark.parametrize("field", ["zone", "not_in_zone", "pool", "not_in_pool"])
def test_filter_by_a_name_that_nothing_has_is_refused(api, three, field) -> None:
    for path in ("machines/?", "machines/?op=power_parameters&"):
        refused = api.get(f"{path}{field}=eats")
        assert refused.status_code == 400
        assert "'eats'" in refused.json[field][0]


def test_machine_goes_where_it_is_told_and_stays(api, three) -> None:
    path = f"machines/{three['m0']['system_id']}/"
    moved = api.put(path, data={"zone": "east", "pool": "web"}).json
    assert (moved["zone"]["name"], moved["pool"]["name"]) == ("east", "web")
    # Empty, as from clients that send everything, is no wish.
    kept = api.put(path, data={"description": "x", "zone": "", "pool": ""}).json
    assert (kept["zone"]["name"], kept["pool"]["name"]) == ("east", "web")
    refused = api.put(path, data={"zone": "eats", "description": "y"})
    assert refused.status_code == 400
    assert "list them with GET zones/" in refused.json["zone"][0]
    assert api.get(path).json["description"] == "x"


def test_many_machines_are_put_in_a_zone_or_none(api, three, execute) -> None:
    ids = [three[name]["system_id"] for name in ("m0", "m1")]
    assert api.post("machines/?op=set_zone", data={"nodes": ids, "zone": "default"}).status_code == 204
    assert hostnames(api, "zone=default") == ["m0", "m1"]
    refused = api.post("machines/?op=set_zone", data={"nodes": [*ids, "nnnnnn"], "zone": "east"})
    assert refused.status_code == 400
    assert "'nnnnnn'" in refused.json["nodes"][0]
    assert api.post("machines/?op=set_zone", data={"zone": "east"}).status_code == 400
    api.post(f"machines/{ids[1]}/?op=lock")
    locked = api.post("machines/?op=set_zone", data={"nodes": ids, "zone": "east"})
    assert locked.status_code == 409
    assert "m1 is locked" in locked.text
    assert hostnames(api, "zone=default") == ["m0", "m1"]
    (told,) = execute("SELECT count(*) FROM event WHERE description LIKE '%%was put in zone default'")
    assert told == (2,)


def test_code_of_the_release_before_still_registers_machines(execute) -> None:
    execute("INSERT INTO machine (system_id, hostname) VALUES ('aaaaaa', 'old')")
    assert execute("SELECT zone_id, pool_id FROM machine") == [(1, 0)]
