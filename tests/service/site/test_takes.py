# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request may say: a filter or a wish that would be ignored is refused, with its name."""

from __future__ import annotations

import re

import pytest

from rackyard.region import api as region_api

M1 = {"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:20:01:01"}


@pytest.fixture
def machine(api) -> str:
    return f"machines/{api.post('machines/', data=M1).json['system_id']}/"


@pytest.fixture
def fabric(api) -> dict:
    return api.post("fabrics/", data={"name": "lab"}).json


def refused(response, name: str) -> str:
    assert response.status_code == 400, response.text
    assert response.json.keys() == {name}
    return response.json[name][0]


@pytest.mark.parametrize("name", ["agent_name", "not_agent_name", "parent", "Hostname"])
def test_list_of_machines_refuses_a_filter_that_it_would_ignore(api, machine, name: str) -> None:
    message = refused(api.get(f"machines/?{name}=a"), name)
    assert "hostname, not_hostname, " in message
    assert refused(api.get(f"machines/?op=power_parameters&{name}=a"), name)


@pytest.mark.parametrize("name", ["zone", "domain", "agent_name"])
def test_events_refuse_a_filter_that_they_would_ignore(api, name: str) -> None:
    assert "owner, level" in refused(api.get(f"events/?op=query&{name}=a"), name)


def every_read() -> list[tuple[str, str | None]]:
    return [
        (resource.path, op)
        for resource in region_api.resources()
        for method, op in resource.actions
        if method == "GET" and resource.path != "/version/"
    ]


@pytest.mark.parametrize(("path", "op"), every_read())
def test_no_read_ignores_what_it_does_not_know(api, path: str, op: str | None) -> None:
    """Before it is known whether the thing exists: any does."""
    url = re.sub(r"<[^>]+>", "1", path).lstrip("/")
    message = refused(api.get(url, query_string={"op": op or "", "colour": "blue"}), "colour")
    assert url in message


@pytest.mark.parametrize("query", ["op=", "zone=", "format=json", "op=&tags=&tags="])
def test_what_says_nothing_is_no_filter(api, machine, query: str) -> None:
    assert [each["hostname"] for each in api.get(f"machines/?{query}").json] == ["m1"]


FIXED_OF_MACHINES = {
    "min_hwe_kernel": "ga-22.04",
    "swap_size": "1024",
    "cpu_count": "4",
    "memory": "2048",
}


@pytest.mark.parametrize(("name", "value"), FIXED_OF_MACHINES.items())
def test_machine_refuses_what_cannot_be_changed(api, machine, name: str, value: str) -> None:
    before = api.get(machine).json
    message = refused(api.put(machine, data={"description": "new", name: value}), name)
    assert f"'{value}' is not supported by this region yet" in message
    assert api.get(machine).json == before
    assert refused(
        api.post("machines/", data={"commission": "false", "mac_addresses": "52:54:00:20:01:02", name: value}), name
    )
    assert len(api.get("machines/").json) == 1


def test_machine_takes_what_is_so_already(api, machine, change_machine) -> None:
    """As Terraform sends it: all parameters, always."""
    change_machine(machine.split("/")[1], cpu_count=4, memory_mib=2048)
    always = {"zone": "default", "pool": "default", "domain": "rackyard.internal", "min_hwe_kernel": ""}
    given = {**always, "cpu_count": "4", "memory": "2048", "swap_size": "", "description": "new"}
    assert api.put(machine, data=given).json["description"] == "new"
    by_id = {"zone": "1", "pool": "0", "domain": "0"}
    assert api.put(machine, data=by_id).status_code == 200
    assert api.put(machine, data=dict.fromkeys(FIXED_OF_MACHINES, "")).status_code == 200
    new = {"mac_addresses": "52:54:00:20:01:02", **always, "swap_size": "", "cpu_count": "0", "deployed": "false"}
    assert api.post("machines/", data={"commission": "false", **new}).status_code == 200


def test_commissioning_refuses_what_it_cannot_do(api, machine) -> None:
    assert refused(api.post(f"{machine}?op=commission", data={"enable_ssh": "true"}), "enable_ssh")


def test_commissioning_takes_the_parameters_of_libmaas(api, machine) -> None:
    """What stands in its way is then the machine's power type, not a parameter."""
    given = {"enable_ssh": "0", "skip_networking": "0", "skip_storage": "1", "testing_scripts": "none"}
    plain, told = (api.post(f"{machine}?op=commission", data=data) for data in ({}, given))
    assert (told.status_code, told.text) == (plain.status_code, plain.text)
    assert "power" in told.text


def test_networks_refuse_what_cannot_be_changed(api, fabric) -> None:
    vlan = f"vlans/{fabric['vlans'][0]['id']}/"
    api.post("fabrics/", data={"name": "other"})
    for path in (vlan, "fabrics/lab/vlans/0/"):
        assert refused(api.put(path, data={"fabric": "other"}), "fabric")
    assert refused(api.post("fabrics/lab/vlans/", data={"vid": "5", "fabric": "other"}), "fabric")
    api.post("spaces/", data={"name": "dmz"})
    fixed = {"rdns_mode": "0", "active_discovery": "true", "disabled_boot_architectures": "pxe", "space": "dmz"}
    for name, value in fixed.items():
        assert refused(api.post("subnets/", data={"cidr": "10.20.0.0/24", name: value}), name)
    assert api.get("subnets/").json == []


def test_networks_take_what_is_so_already(api, fabric) -> None:
    vlan = f"vlans/{fabric['vlans'][0]['id']}/"
    for same in ({"fabric": "lab"}, {"fabric": str(fabric["id"])}, {"fabric": ""}):
        assert api.put(vlan, data=same).status_code == 200, same
    api.post("spaces/", data={"name": "dmz"})
    api.put(vlan, data={"space": "dmz"})
    place = {"cidr": "10.20.0.0/24", "fabric": "lab", "vid": "0", "space": "dmz"}
    subnet = {**place, "rdns_mode": "2", "active_discovery": "false"}
    made = api.post("subnets/", data={**subnet, "disabled_boot_architectures": ""})
    assert made.status_code == 200, made.text
    assert api.put("subnets/10.20.0.0/24/", data=subnet).status_code == 200


def test_unknown_names_of_a_change_are_ignored_as_in_maas(api, machine) -> None:
    assert api.put(machine, data={"colour": "blue", "description": "new"}).json["description"] == "new"
