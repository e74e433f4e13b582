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


def test_only_a_machine_is_deleted_here(api, three) -> None:
    machine, *controllers = three
    assert [api.delete(f"nodes/{each}/").status_code for each in controllers] == [404, 404]
    assert api.delete(f"nodes/{machine}/").status_code == 204
    assert api.get(f"nodes/{machine}/").status_code == 404


def test_machines_are_put_in_a_zone_and_controllers_are_not(api, three) -> None:
    machine, rack, _region = three
    api.post("zones/", data={"name": "east"})
    assert api.post("nodes/?op=set_zone", data={"nodes": machine, "zone": "east"}).status_code == 204
    assert api.get(f"nodes/{machine}/").json["zone"]["name"] == "east"
    assert api.post("nodes/?op=set_zone", data={"nodes": rack, "zone": "east"}).status_code == 400
