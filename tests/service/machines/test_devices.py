# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices as the API has them; what name servers and dhcpd make of them is in rpc/test_names.py and test_desired.py."""

from __future__ import annotations

import threading

import pytest

from rackyard.region.db.machines import devices as rows
from rackyard.region.db.machines.devices import Registration
from rackyard.region.services.machines import devices
from rackyard.region.services.machines.devices import Wanted

from .test_api import M1, MACS

LAB = "lab.example.org"
MAC = "52:54:00:30:00:01"
SW1 = {"hostname": "sw1", "mac_addresses": MAC}
PREFIX = "/MAAS/api/2.0"


@pytest.fixture
def lab(api) -> dict:
    return api.post("domains/", data={"name": LAB}).json


@pytest.fixture
def machine(api) -> str:
    return api.post("machines/", data=M1).json["system_id"]


@pytest.fixture
def sw1(api, lab) -> dict:
    return made(api, **SW1, domain=LAB)


def made(api, **data) -> dict:
    answer = api.post("devices/", data=data)
    assert answer.status_code == 200, answer.text
    return answer.json


def refusal(answer, field: str) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.json.keys() == {field}
    return answer.json[field][0]


def test_device_has_the_fields_that_clients_read(api, lab, machine) -> None:
    device = made(api, hostname="SW1", domain=LAB, mac_addresses=[MAC, "52-54-00-30-00-02"], parent=machine,
                  description="top of rack")  # fmt: skip
    uri = f"{PREFIX}/devices/{device['system_id']}/"
    nics = device.pop("interface_set")
    assert device == {
        "system_id": device["system_id"], "hostname": "sw1", "description": "top of rack", "domain": lab,
        "fqdn": f"sw1.{LAB}", "owner": "admin", "owner_data": {}, "parent": machine, "tag_names": [],
        "address_ttl": None, "ip_addresses": [], "zone": api.get("zones/").json[0], "node_type": 1,
        "node_type_name": "Device", "workload_annotations": {}, "resource_uri": uri,
    }  # fmt: skip
    assert [(nic["name"], nic["mac_address"], nic["links"]) for nic in nics] == [
        ("eth0", MAC, []),
        ("eth1", "52:54:00:30:00:02", []),
    ]
    assert api.get(uri.removeprefix(f"{PREFIX}/")).json == {**device, "interface_set": nics}
    assert api.get(f"nodes/{device['system_id']}/interfaces/").json == nics


def test_device_without_a_hostname_gets_one_and_is_in_the_internal_domain(api) -> None:
    device = made(api, mac_addresses=MAC)
    assert device["hostname"] == f"device-{device['system_id']}"
    assert (device["domain"]["id"], device["fqdn"]) == (0, f"{device['hostname']}.rackyard.internal")


def test_fqdn_as_hostname_names_the_domain(api, lab) -> None:
    assert made(api, hostname=f"sw1.{LAB}", mac_addresses=MAC)["domain"]["name"] == LAB
    refused = api.post("devices/", data={"hostname": "sw2.nowhere.org", "mac_addresses": "52:54:00:30:00:02"})
    assert "no domain" in refusal(refused, "hostname")
    refused = api.post("devices/", data={"hostname": f"sw2.{LAB}", "domain": "0", "mac_addresses": "52:54:00:30:00:02"})
    assert "is not the domain" in refusal(refused, "hostname")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"hostname": "sw1"}, "mac_addresses"),
        ({**SW1, "hostname": "a_b"}, "hostname"),
        ({**SW1, "mac_addresses": "52:54:00"}, "mac_addresses"),
        ({**SW1, "mac_addresses": f"{MAC},{MAC}"}, "mac_addresses"),
        ({**SW1, "mac_addresses": " ".join(f"52:54:00:30:01:{n:02x}" for n in range(65))}, "mac_addresses"),
        ({**SW1, "domain": "nowhere.org"}, "domain"),
        ({**SW1, "zone": "nowhere"}, "zone"),
        ({**SW1, "parent": "nnnnnn"}, "parent"),
        ({**SW1, "description": "a\x07"}, "description"),
    ],
)
def test_what_a_device_cannot_be_is_refused(api, data: dict, field: str) -> None:
    assert refusal(api.post("devices/", data=data), field)
    assert api.get("devices/").json == []


def test_names_and_macs_that_others_have_are_refused_with_their_names(api, machine, sw1) -> None:
    other = {"hostname": "sw2", "mac_addresses": "52:54:00:30:00:02"}
    of_machine, of_device = {"mac_addresses": MACS[0]}, {"mac_addresses": MAC}

    def refused(path: str, **taken: str) -> str:
        data = {**({"commission": "false"} if path == "machines/" else {}), **other, **taken}
        return refusal(api.post(path, data=data), next(iter(taken)))

    assert f"Machine m1 ({machine})" in refused("devices/", hostname="m1")
    assert "machine m1" in refused("devices/", **of_machine)
    assert "Device sw1" in refused("devices/", hostname="sw1")
    assert "device sw1" in refused("devices/", **of_device)
    assert "Device sw1" in refused("machines/", hostname="sw1")
    assert "device sw1" in refused("machines/", **of_device)
    assert "device sw1" in refusal(api.put(f"machines/{machine}/", data={"mac_addresses": MAC}), "mac_addresses")
    assert [each["hostname"] for each in api.get("devices/").json] == ["sw1"]
    assert api.get("machines/?fields=hostname").json == [{"hostname": "m1"}]


def test_machine_that_is_registered_beside_a_device_does_not_get_its_mac(ctx, api) -> None:
    """The device is not committed yet when the machine comes: it waits, and is refused then."""
    answers = []
    data = {"commission": "false", "hostname": "m2", "mac_addresses": MAC}
    waiting = threading.Thread(target=lambda: answers.append(api.post("machines/", data=data)))
    with ctx.db.transaction() as tx:
        rows.lock(tx)
        blank = Registration("sw1", "", 0, None, 1)
        rows.add_interface(tx, rows.add(tx, "abcdef", blank, None, ctx.clock.now()), "eth0", MAC, None, ())
        waiting.start()
        waiting.join(0.5)
        assert answers == []
    waiting.join(10)
    assert "device sw1" in refusal(answers[0], "mac_addresses")


def test_a_device_and_a_dns_name_do_not_share_a_name(api, sw1) -> None:
    assert "is a device" in refusal(api.post("dnsresources/", data={"fqdn": f"sw1.{LAB}"}), "name")
    api.post("dnsresources/", data={"fqdn": f"www.{LAB}", "ip_addresses": "192.0.2.1"})
    refused = api.put(f"devices/{sw1['system_id']}/", data={"hostname": "www"})
    assert f"DNS name www.{LAB}" in refusal(refused, "hostname")
    www = api.get("dnsresources/").json[0]
    assert "is a device" in refusal(api.put(f"dnsresources/{www['id']}/", data={"name": "sw1"}), "name")
    assert made(api, hostname="www", mac_addresses="52:54:00:30:00:02")["fqdn"] == "www.rackyard.internal"


def test_domain_with_a_device_is_not_deleted(api, sw1) -> None:
    refused = api.delete(f"domains/{LAB}/")
    assert (refused.status_code, "sw1" in refused.text) == (409, True)
    assert api.put(f"devices/{sw1['system_id']}/", data={"domain": "rackyard.internal"}).status_code == 200
    assert api.delete(f"domains/{LAB}/").status_code == 204


def test_domain_keeps_its_name_when_its_devices_names_would_be_too_long(api, lab) -> None:
    made(api, hostname="x" * 63, mac_addresses=MAC, domain=LAB)
    assert refusal(api.put(f"domains/{LAB}/", data={"name": ".".join(["y" * 60] * 4)[:200]}), "name")


def test_device_is_changed_by_what_is_given(api, sw1, machine) -> None:
    api.post("zones/", data={"name": "east"})
    path = f"devices/{sw1['system_id']}/"
    changed = api.put(path, data={"hostname": "sw2", "zone": "east", "description": "x", "parent": machine}).json
    assert (changed["hostname"], changed["zone"]["name"], changed["description"]) == ("sw2", "east", "x")
    assert (changed["fqdn"], changed["parent"]) == (f"sw2.{LAB}", machine)
    assert api.put(path, data={"parent": ""}).json == {**changed, "parent": None}
    assert api.delete("zones/east/").status_code == 204
    assert api.get(path).json["zone"]["name"] == "default"
    nic = sw1["interface_set"][0]
    macs = api.put(path, data={"mac_addresses": f"52:54:00:30:00:09 {MAC}"}).json["interface_set"]
    assert [each["mac_address"] for each in macs] == [MAC, "52:54:00:30:00:09"]
    assert macs[0] == nic, "what stays keeps its id and name"
    assert refusal(api.put(path, data={"mac_addresses": ""}), "mac_addresses")


def test_device_goes_by_itself_and_with_its_parent(api, sw1, machine) -> None:
    child = made(api, hostname="lxd-0", mac_addresses="52:54:00:30:00:07", parent=machine)
    assert api.delete(f"devices/{sw1['system_id']}/").status_code == 204
    assert api.delete(f"devices/{sw1['system_id']}/").status_code == 404
    assert [each["system_id"] for each in api.get("devices/").json] == [child["system_id"]]
    assert api.delete(f"machines/{machine}/").status_code == 204
    assert api.get("devices/").json == []


FILTERS = [
    ("", ["sw1", "sw2"]),
    ("hostname=sw1", ["sw1"]),
    ("hostname=sw1&hostname=sw2", ["sw1", "sw2"]),
    ("hostname=m1", []),
    (f"mac_address={MAC.upper()}", ["sw1"]),
    (f"domain={LAB}", ["sw1"]),
    ("domain=0", ["sw2"]),
    ("zone=east", ["sw2"]),
    ("pool=default", []),
    ("agent_name=juju", []),
    ("op=&agent_name=&zone=", ["sw1", "sw2"]),
    ("zone=east&hostname=sw1", []),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
def test_list_is_filtered(api, sw1, machine, query: str, found: list[str]) -> None:
    api.post("zones/", data={"name": "east"})
    sw2 = made(api, hostname="sw2", mac_addresses="52:54:00:30:00:02", zone="east", parent=machine)
    assert [each["hostname"] for each in api.get(f"devices/?{query}").json] == found
    assert [each["hostname"] for each in api.get(f"devices/?id={sw2['system_id']}").json] == ["sw2"]
    assert [each["hostname"] for each in api.get(f"devices/?parent={machine}").json] == ["sw2"]


@pytest.mark.parametrize("query", ["tags=a", "status=new", "domain=nowhere.org", "zone=no", "pool=no", "mac_address=x"])
def test_filter_that_would_be_ignored_or_show_nothing_by_mistake_is_refused(api, sw1, query: str) -> None:
    assert refusal(api.get(f"devices/?{query}"), query.partition("=")[0])


def test_list_has_a_constant_number_of_statements(ctx, api, lab) -> None:
    counts = []
    for number in range(1, 4):
        made(api, hostname=f"sw{number}", mac_addresses=f"52:54:00:30:00:0{number}", domain=LAB)
        statements: list[str] = []
        ctx.db.on_statement = statements.append
        assert len(devices.find_all(ctx, Wanted())) == number
        counts.append(len(statements))
    assert counts == [5, 5, 5]


def test_texts_and_tags_are_kept_as_those_of_machines(api, sw1, machine) -> None:
    path = f"devices/{sw1['system_id']}/"
    assert api.post(f"{path}?op=set_owner_data", data={"team": "net", "old": "x"}).json["owner_data"]["team"] == "net"
    assert api.post(f"{path}?op=set_owner_data", data={"old": ""}).json["owner_data"] == {"team": "net"}
    shown = api.post(f"{path}?op=set_workload_annotations", data={"role": "leaf"}).json
    assert (shown["owner_data"], shown["workload_annotations"]) == ({"team": "net"}, {"role": "leaf"})
    assert api.post(f"{path}?op=set_owner_data", data={"team": "x" * 40_000}).status_code == 400
    api.post("tags/", data={"name": "core"})
    add = {"add": [sw1["system_id"], machine]}
    assert api.post("tags/core/?op=update_nodes", data=add).json == {"added": 2, "removed": 0}
    assert api.get(path).json["tag_names"] == ["core"]
    assert [each["hostname"] for each in api.get("tags/core/?op=devices").json] == ["sw1"]
    assert [each["node_type"] for each in api.get("tags/core/?op=nodes").json] == [0, 1]
    assert [api.get(f"tags/none/?op={op}").status_code for op in ("devices", "nodes")] == [404, 404]
    api.post("tags/core/?op=update_nodes", data={"remove": sw1["system_id"]})
    assert api.get(path).json["tag_names"] == []


def test_interfaces_of_a_device_are_made_changed_and_deleted(api, sw1) -> None:
    vlan = api.post("fabrics/", data={"name": "f"}).json["vlans"][0]
    path = f"nodes/{sw1['system_id']}/interfaces/"
    given = {"mac_address": "52:54:00:30:00:02", "vlan": vlan["id"], "tags": "b a"}
    nic = api.post(f"{path}?op=create_physical", data=given).json
    assert (nic["name"], nic["tags"], nic["vlan"]) == ("eth1", ["a", "b"], vlan)
    assert api.get(f"{path}{nic['id']}/").json == api.get(f"{path}eth1/").json == nic
    changed = api.put(f"{path}eth1/", data={"name": "mgmt0", "mac_address": "52:54:00:30:00:03", "vlan": ""}).json
    assert changed == {**nic, "name": "mgmt0", "mac_address": "52:54:00:30:00:03", "vlan": None}
    assert api.put(f"{path}mgmt0/", data={"mac_address": "52:54:00:30:00:03"}).json == changed
    assert [each["name"] for each in api.get(path).json] == ["eth0", "mgmt0"]
    assert api.delete(f"{path}mgmt0/").status_code == 204
    last = api.delete(f"{path}eth0/")
    assert (last.status_code, "only interface" in last.text) == (409, True)
    assert api.get(f"{path}mgmt0/").status_code == 404


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "mac_address"),
        ({"mac_address": "x"}, "mac_address"),
        ({"mac_address": MAC}, "mac_address"),
        ({"mac_address": MACS[0]}, "mac_address"),
        ({"mac_address": "52:54:00:30:00:02", "name": "eth0"}, "name"),
        ({"mac_address": "52:54:00:30:00:02", "name": "../x"}, "name"),
        ({"mac_address": "52:54:00:30:00:02", "vlan": "77"}, "vlan"),
        ({"mac_address": "52:54:00:30:00:02", "tags": "a/b"}, "tags"),
    ],
)
def test_interface_that_cannot_be_is_refused(api, machine, sw1, data: dict, field: str) -> None:
    path = f"nodes/{sw1['system_id']}/interfaces/"
    assert refusal(api.post(f"{path}?op=create_physical", data=data), field)
    assert len(api.get(path).json) == 1


def test_two_interfaces_of_a_device_do_not_get_one_mac(api, sw1) -> None:
    path = f"nodes/{sw1['system_id']}/interfaces/"
    api.post(f"{path}?op=create_physical", data={"mac_address": "52:54:00:30:00:02"})
    assert "has" in refusal(api.put(f"{path}eth1/", data={"mac_address": MAC}), "mac_address")


def test_leased_address_is_shown_with_its_subnet(api, sw1, lease) -> None:
    api.post("fabrics/", data={"name": "f"})
    subnet = api.post("subnets/", data={"cidr": "10.20.0.0/24", "name": "s"}).json
    lease("10.20.0.77", MAC, 600)
    device = api.get(f"devices/{sw1['system_id']}/").json
    assert device["ip_addresses"] == ["10.20.0.77"]
    (link,) = device["interface_set"][0]["links"]
    assert (link["mode"], link["ip_address"], link["subnet"]) == ("dhcp", "10.20.0.77", subnet)


def test_device_is_among_the_nodes_and_may_be_deleted_there(api, sw1, machine) -> None:
    assert {each["system_id"]: each["node_type"] for each in api.get("nodes/").json} == {
        machine: 0,
        sw1["system_id"]: 1,
    }
    path = f"nodes/{sw1['system_id']}/"
    assert api.get(path).json == api.get(f"devices/{sw1['system_id']}/").json
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_account_with_devices_is_removed_only_with_an_heir(api, sw1, execute) -> None:
    api.post("users/", data={"username": "ann", "password": "correct horse", "email": "", "is_superuser": "1"})
    execute("UPDATE device SET owner_id = (SELECT id FROM account WHERE username = 'ann')")
    refused = api.delete("users/ann/")
    assert (refused.status_code, "sw1" in refused.text) == (400, True)
    assert api.delete("users/ann/?transfer_resources_to=admin").status_code == 204
    assert api.get(f"devices/{sw1['system_id']}/").json["owner"] == "admin"
