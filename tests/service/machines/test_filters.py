# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the list of machines, by MAAS's names."""

from __future__ import annotations

import pytest

from rackyard.region.api.machine_filters import FILTER

NEGATIVES = sorted(name for name in FILTER if name.startswith("not_"))


@pytest.fixture
def fleet(api, key_of, execute) -> dict[str, dict]:
    """Three machines that differ in everything, by hostname: a on VLAN 0 of fabric hall in space dmz, b on its VLAN 7
    without a space, c on no VLAN that is known."""
    key_of("ann")
    hall = api.post("fabrics/", data={"name": "hall"}).json
    vlan = api.post(f"fabrics/{hall['id']}/vlans/", data={"vid": 7}).json
    api.post("spaces/", data={"name": "dmz"})
    api.put(f"vlans/{hall['vlans'][0]['id']}/", data={"space": "dmz"})
    made = {}
    for number, hostname in enumerate("abc", 1):
        data = {"commission": "false", "hostname": hostname, "mac_addresses": f"52:54:00:20:0a:0{number}"}
        made[hostname] = api.post("machines/", data={**data, "description": f"Rack {number}_0% \\ blue"}).json
    vlans = {"a": hall["vlans"][0]["id"], "b": vlan["id"]}
    for hostname, vlan_id in vlans.items():
        execute(
            "UPDATE machine_interface SET vlan_id = %s FROM machine WHERE machine.id = machine_id AND hostname = %s",
            (vlan_id, hostname),
        )
    execute(
        "UPDATE machine SET cpu_count = id * 4, memory_mib = id * 1024, "
        "status = CASE hostname WHEN 'c' THEN 4 ELSE 0 END"
    )
    execute(
        "UPDATE machine SET power_state = 'on', owner_id = (SELECT id FROM account WHERE username = 'ann') "
        "WHERE hostname = 'b'"
    )
    execute("UPDATE machine SET architecture = 'arm64/generic' WHERE hostname = 'c'")
    for ip, mac, ends in (("10.20.0.5", 1, "1 hour"), ("10.20.0.6", 2, "-1 hour")):
        execute(
            "INSERT INTO lease (ip, mac, state, at, expires_at) VALUES (%s, %s, 'commit', now(), now() + %s::interval)",
            (ip, f"52:54:00:20:0a:0{mac}", ends),
        )
    api.post("tags/", data={"name": "gpu"})
    api.post("tags/gpu/?op=update_nodes", data={"add": made["c"]["system_id"]})
    api.post("zones/", data={"name": "east"})
    api.put(f"machines/{made['b']['system_id']}/", data={"zone": "east"})
    made["a"]["vlan"], made["b"]["vlan"] = vlans["a"], vlans["b"]
    return made


def found(api, query: str) -> str:
    answer = api.get(f"machines/?fields=hostname&{query}")
    assert answer.status_code == 200, answer.text
    return "".join(known["hostname"] for known in answer.json)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("hostname=a&hostname=c", "ac"),
        ("not_hostname=a", "bc"),
        ("mac_address=52:54:00:20:0A:02", "b"),
        ("not_mac_address=52-54-00-20-0a-02", "ac"),
        ("pxe_mac=52:54:00:20:0a:03", "c"),
        ("not_pxe_mac=52:54:00:20:0a:03", "ab"),
        ("ip_addresses=10.20.0.5&ip_addresses=10.20.0.6", "a"),
        ("not_ip_addresses=10.20.0.5", "bc"),
        ("status=new", "ab"),
        ("not_status=new&not_status=5", "c"),
        ("power_state=on", "b"),
        ("not_power_state=on", "ac"),
        ("owner=ann", "b"),
        ("not_owner=ann", "ac"),
        ("arch=arm64", "c"),
        ("not_arch=arm64/generic", "ab"),
        ("zone=east", "b"),
        ("not_in_zone=east", "ac"),
        ("not_in_pool=default", ""),
        ("tags=gpu", "c"),
        ("not_tags=gpu", "ab"),
        ("fabrics=hall", "ab"),
        ("not_fabrics=hall", "c"),
        ("spaces=dmz", "a"),
        ("spaces=undefined", "b"),
        ("not_spaces=dmz", "bc"),
        ("cpu_count=8", "bc"),
        ("mem=3000", "c"),
        ("free_text=ACK 2", "b"),
        ("free_text=20:0a:03", "c"),
        ("free_text=gpu", "c"),
        ("free_text=_0%25 \\", "abc"),
        ("free_text=%25x", ""),
        ("free_text=  ", "abc"),
        ("not_hostname=a&power_state=unknown&cpu_count=1", "c"),
    ],
)
def test_list_shows_what_was_asked_for(api, fleet, query: str, expected: str) -> None:
    assert found(api, query) == expected


def test_machines_by_system_id_and_vlan(api, fleet) -> None:
    a, b = fleet["a"], fleet["b"]
    assert found(api, f"system_id={a['system_id']}&id={b['system_id']}") == "ab"
    assert found(api, f"not_system_id={a['system_id']}") == "bc"
    assert found(api, f"vlans={a['vlan']}") == "a"
    assert found(api, f"not_vlans={a['vlan']}&not_vlans={b['vlan']}") == "c"


def test_filters_hold_for_power_parameters_too(api, fleet) -> None:
    answer = api.get("machines/?op=power_parameters&not_in_zone=east&arch=amd64").json
    assert list(answer) == [fleet["a"]["system_id"]]


@pytest.mark.parametrize(
    "name",
    ["fabrics", "vlans", "spaces", "owner", "zone", "pool", "tags", "power_state", "status", "arch", "mac_address"],
)
@pytest.mark.parametrize("negative", [False, True])
def test_value_that_nothing_has_is_refused_by_its_name(api, fleet, name: str, negative: bool) -> None:
    field = name if not negative else f"not_in_{name}" if name in ("zone", "pool") else f"not_{name}"
    refused = api.get(f"machines/?{field}=nowhere")
    assert refused.status_code == 400
    assert refused.json.keys() == {field}
    assert "'nowhere'" in refused.json[field][0]


def test_every_negative_filter_has_its_positive() -> None:
    assert len(NEGATIVES) >= 14
    assert {name.removeprefix("not_in_").removeprefix("not_") for name in NEGATIVES} <= FILTER.keys()
