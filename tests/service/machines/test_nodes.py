# SPDX-License-Identifier: GPL-3.0-or-later
"""`nodes/`: machines and controllers alike."""

from __future__ import annotations

import pytest

from .test_api import M1


@pytest.fixture
def three(api, add_rack, execute) -> dict[str, str]:
    """A machine, a rack and a region: the path at which each is by its kind, by system_id."""
    machine = api.post("machines/", data=M1).json["system_id"]
    rack = add_rack("rack1", "203.0.113.1/24")
    execute("INSERT INTO region (system_id, name, seen_at) VALUES ('abcdef', 'region1', now())")
    return {
        machine: f"machines/{machine}/",
        rack: f"rackcontrollers/{rack}/",
        "abcdef": "regioncontrollers/abcdef/",
    }


def test_everything_is_listed_and_read_in_its_own_shape(api, three) -> None:
    listed = {each["system_id"]: each for each in api.get("nodes/").json}
    assert listed.keys() == three.keys()
    assert {each["node_type"] for each in listed.values()} == {0, 2, 3}
    for system_id, path in three.items():
        assert listed[system_id] == api.get(path).json == api.get(f"nodes/{system_id}/").json
    missing = api.get("nodes/nnnnnn/")
    assert missing.status_code == 404
    assert "GET nodes/" in missing.text


def test_lists_show_what_matches_and_refuse_what_nothing_has(api, three) -> None:
    machine, rack, region = three
    api.post("zones/", data={"name": "east"})
    api.post("rackcontrollers/?op=set_zone", data={"nodes": rack, "zone": "east"})
    domain = api.get(f"rackcontrollers/{rack}/").json["domain"]["name"]
    for query, found in {
        "hostname=rack1": {rack},
        "hostname=rack1&hostname=m1": {machine, rack},
        f"id={machine}&id=abcdef": {machine, region},
        "mac_address=52-54-00-AA-00-01": {rack},
        "zone=east": {rack},
        "zone=default": {machine, region},
        f"domain={domain}": {machine, rack, region},
        "pool=default": {machine},
        "hostname=rack1&zone=default": set(),
    }.items():
        assert {each["system_id"] for each in api.get(f"nodes/?{query}").json} == found, query
        for listing, system_id in (("rackcontrollers", rack), ("regioncontrollers", region)):
            shown = [each["system_id"] for each in api.get(f"{listing}/?{query}").json]
            assert shown == [system_id] * (system_id in found), (listing, query)
    for listing in ("nodes", "rackcontrollers", "regioncontrollers"):
        for wrong in ("zone=west", "domain=none.example.org", "pool=web", "mac_address=x", "agent_name=x"):
            refused = api.get(f"{listing}/?{wrong}")
            assert refused.status_code == 400, (listing, wrong)
            assert wrong.partition("=")[0] in refused.json


def test_only_a_machine_is_deleted_here(api, three) -> None:
    machine, *controllers = three
    assert [api.delete(f"nodes/{each}/").status_code for each in controllers] == [404, 404]
    assert api.delete(f"nodes/{machine}/").status_code == 204
    assert api.get(f"nodes/{machine}/").status_code == 404


@pytest.fixture
def east(api) -> str:
    """A zone that is not the default one."""
    return api.post("zones/", data={"name": "east"}).json["name"]


def zones(api, paths) -> list[str]:
    return [api.get(path).json["zone"]["name"] for path in paths]


def put(api, path: str, nodes, zone: str):
    return api.post(f"{path}?op=set_zone", data={"nodes": list(nodes), "zone": zone})


def test_all_kinds_are_put_in_a_zone_together_or_not_at_all(api, three, east) -> None:
    device = api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:00:00:20"}).json["system_id"]
    paths = [*three.values(), f"devices/{device}/"]
    refused = put(api, "nodes/", [*three, device, "nnnnnn"], east)
    assert refused.status_code == 400
    assert refused.json == {"nodes": ["There are no such nodes: 'nnnnnn'; list them with GET nodes/."]}
    assert zones(api, paths) == ["default"] * 4
    assert put(api, "nodes/", [*three, device], east).status_code == 204
    assert zones(api, paths) == ["east"] * 4
    assert {each["zone"]["name"] for each in api.get("nodes/").json} == {"east"}
    assert api.delete("zones/east/").status_code == 204
    assert zones(api, paths) == ["default"] * 4, "what was in a zone that goes is in the default one"


def test_each_kind_is_put_in_a_zone_where_it_is_listed_and_nowhere_else(api, three, east) -> None:
    device = api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:00:00:20"}).json["system_id"]
    known = {path.partition("/")[0]: system_id for system_id, path in three.items()} | {"devices": device}
    for listing in known:
        for kind, system_id in known.items():
            answer = put(api, f"{listing}/", [system_id], east)
            assert answer.status_code == (204 if kind == listing else 400), (listing, kind)
    assert zones(api, [f"{kind}/{system_id}/" for kind, system_id in known.items()]) == ["east"] * 4


def test_operator_may_not_move_a_machine_together_with_what_is_not_theirs(api, api_of, key_of, three, east) -> None:
    machine, rack, _region = three
    operator = api_of(key_of("ann"))
    assert api.post("users/ann/?op=grant", data={"role": "operator", "pool": "*"}).status_code == 200
    refused = put(operator, "nodes/", [machine, rack], east)
    assert refused.status_code == 403
    assert "may not change racks or regions" in refused.text
    assert zones(api, three.values()) == ["default"] * 3
    assert put(operator, "nodes/", [machine], east).status_code == 204


def test_controller_is_changed_by_its_zone_alone(api, three, east, execute) -> None:
    for system_id, path in list(three.items())[1:]:
        was = api.get(path).json
        assert api.put(path, data={"zone": east, "description": "", "domain": "rackyard.internal"}).json == {
            **was, "zone": api.get("zones/east/").json,
        }  # fmt: skip
        for field, value in (("zone", "west"), ("description", "x")):
            assert field in api.put(path, data={field: value}).json
        missing = api.put(path.replace(system_id, "nnnnnn"), data={"zone": east})
        assert missing.status_code == 404
    told = [each["description"] for each in api.get("events/?op=query&level=AUDIT").json["events"]]
    assert any("rack1" in text and "east" in text for text in told), told


def test_anybody_may_ask_whether_a_mac_is_registered(api, client, three, execute) -> None:
    api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:00:00:20"})
    (machine,) = api.get("machines/").json
    macs = [machine["interface_set"][0]["mac_address"], "52-54-00-00-00-20", "52:54:00:aa:00:01", "52:54:00:00:00:77"]
    for listing in ("machines", "nodes", "devices", "rackcontrollers", "regioncontrollers"):
        found = [api.get(f"{listing}/?op=is_registered&mac_address={mac}").json for mac in macs]
        assert found == [True, True, True, False], listing
    url = "/MAAS/api/2.0/{}/?op=is_registered&mac_address=" + macs[0]
    assert [client.get(url.format(each)).status_code for each in ("machines", "nodes", "devices")] == [200, 200, 401]
    assert client.get(url.format("nodes")).json is True
    execute("UPDATE rack SET revoked_at = now()")
    assert api.get(f"nodes/?op=is_registered&mac_address={macs[2]}").json is False
    refused = api.get("nodes/?op=is_registered&mac_address=router")
    assert refused.status_code == 400
    assert "is no MAC address" in refused.json["mac_address"][0]


def test_machines_are_listed_that_are_given_out_to_whoever_asks(api, api_of, key_of, execute) -> None:
    ann, bob = api_of(key_of("ann")), api_of(key_of("bob"))
    made = {}
    for number, (owner, status) in enumerate([("ann", 10), ("ann", 6), ("ann", 4), ("bob", 10)]):
        data = {"commission": "false", "hostname": f"m{number}", "mac_addresses": f"52:54:00:20:09:0{number}"}
        made[f"m{number}"] = system_id = api.post("machines/", data=data).json["system_id"]
        execute(
            "UPDATE machine SET status = %s, owner_id = (SELECT id FROM account WHERE username = %s) "
            "WHERE system_id = %s",
            (status, owner, system_id),
        )

    def names(who, query: str = "") -> list[str]:
        return [each["hostname"] for each in who.get(f"machines/?op=list_allocated{query}").json]

    assert [names(ann), names(bob), names(api)] == [["m0", "m1"], ["m3"], []]
    assert names(ann, f"&id={made['m1']}&id={made['m3']}") == ["m1"]


def test_power_types_have_the_fields_that_machines_take(api) -> None:
    types = {each["name"]: each for each in api.get("rackcontrollers/?op=describe_power_types").json}
    assert types.keys() == {"ipmi", "manual", "proxmox", "redfish", "webhook"}
    shown = {name: (each["chassis"], each["can_set_boot_order"]) for name, each in types.items()}
    assert (shown["webhook"], shown["proxmox"]) == ((False, False), (True, False))
    secret = {name: [each["name"] for each in one["fields"] if each["secret"]] for name, one in types.items()}
    assert secret["webhook"] == ["power_pass", "power_token"]
    assert secret["proxmox"] == ["power_pass", "power_token_secret"]
    assert (types["ipmi"]["queryable"], types["manual"]["queryable"], types["manual"]["fields"]) == (True, False, [])
    fields = {each["name"]: each for each in types["ipmi"]["fields"]}
    assert fields["power_address"]["required"]
    assert fields["power_address"]["field_type"] == "ip_address"
    assert (fields["power_pass"]["field_type"], fields["power_pass"]["secret"]) == ("password", True)
    given = {each["name"]: each["default"] for each in fields.values() if each["choices"]}
    assert all([given[name], given[name]] in fields[name]["choices"] for name in given)
    assert (types["redfish"]["chassis"], types["redfish"]["can_set_boot_order"]) == (True, True)
    # What the description says is taken as it says it.
    given |= {"power_address": "172.16.0.11", "power_pass": "s3cret-pass"}
    data = {**M1, "power_type": "ipmi", **{f"power_parameters_{name}": value for name, value in given.items()}}
    assert api.post("machines/", data={**data, "commission": "false"}).status_code == 200


def test_rack_has_the_images_of_the_regions_while_it_is_alive(api, three, execute) -> None:
    _machine, rack, _region = three
    execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at) "
        """VALUES ('deb13', 'arm64', 'trixie', '{"files": []}', sha256('i'), now())"""
    )
    path = f"rackcontrollers/{rack}/?op=list_boot_images"
    known = [{"name": "deb13", "architecture": "arm64", "subarches": ["generic"]}]
    assert api.get(path).json == {"images": known, "connected": True, "status": "synced"}
    execute("UPDATE rack SET alive = false")
    assert api.get(path).json == {"images": known, "connected": False, "status": "unknown"}
    assert api.get("rackcontrollers/nnnnnn/?op=list_boot_images").status_code == 404
