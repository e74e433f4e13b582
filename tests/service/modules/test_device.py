# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import device, device_interface, dns_domain, subnet, zone

Result = dict[str, Any]
Run = Callable[..., Result]

SW1 = {
    "hostname": "sw1",
    "domain": "lab.example.org",
    "mac_addresses": ["52:54:00:30:00:02", "52-54-00-30-00-01"],
    "description": "top of rack",
}
MADE = {
    "hostname": "sw1",
    "domain": "lab.example.org",
    "mac_addresses": ["52:54:00:30:00:01", "52:54:00:30:00:02"],
    "parent": "",
    "description": "top of rack",
    "zone": "default",
    "owner_data": {},
    "workload_annotations": {},
}


@pytest.fixture(autouse=True)
def lab(run: Run) -> None:
    """The domain that the device is in, and a zone."""
    run(dns_domain, name="lab.example.org")
    run(zone, name="east")


@pytest.fixture
def m1(register: Run) -> str:
    """The system_id of machine m1."""
    return str(register()["machine"]["system_id"])


def test_create_then_again_converges(run: Run) -> None:
    foretold = run(device, check=True, **SW1)
    first, second = run(device, **SW1), run(device, **SW1)
    assert first["actions"] == foretold["actions"] == ["create device sw1"]
    assert first["device"] == foretold["device"] == MADE
    assert first["diff"] == foretold["diff"] == {"before": {}, "after": MADE}
    assert not second["changed"]
    assert second["device"] == MADE


def test_new_device_has_what_is_usual(run: Run) -> None:
    options = {"hostname": "pdu", "mac_addresses": ["52:54:00:30:00:09"]}
    foretold, made = run(device, check=True, **options), run(device, **options)
    assert made["device"] == foretold["device"]
    assert made["device"]["domain"] == "rackyard.internal"
    assert not run(device, hostname="pdu")["changed"]


@pytest.mark.parametrize(
    "change",
    [
        {"description": ""},
        {"zone": "east"},
        {"domain": "rackyard.internal"},
        {"mac_addresses": ["52:54:00:30:00:02"]},
        {"mac_addresses": ["52:54:00:30:00:01", "52:54:00:30:00:03"]},
    ],
)
def test_each_change_is_made_once(run: Run, change: Result) -> None:
    run(device, **SW1)
    options = {**SW1, **change}
    foretold = run(device, check=True, **options)
    assert foretold["actions"] == ["update device sw1"]
    changed = run(device, **options)
    assert changed["device"] == foretold["device"] == {**MADE, **change}
    assert not run(device, **options)["changed"]


def test_parent_is_named_by_its_hostname_or_system_id(run: Run, m1: str) -> None:
    assert run(device, **SW1, parent="m1")["device"]["parent"] == m1
    assert not run(device, **SW1, parent=m1)["changed"]
    assert not run(device, **SW1)["changed"]
    assert run(device, **SW1, parent="")["device"]["parent"] == ""


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parent": "m9"}, "There is no machine 'm9'"),
        ({"domain": "nowhere.org"}, "There is no domain 'nowhere.org'"),
        ({"mac_addresses": ["x"]}, "MAC address 'x' is malformed"),
        ({"hostname": "sw1.lab.example.org"}, "has a domain"),
        ({"mac_addresses": []}, "at least one MAC address"),
        ({"mac_addresses": None}, "a new one needs its MAC addresses"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(run: Run, check: bool, change: Result, words: str) -> None:
    refused = run(device, check=check, **{**SW1, **change})
    assert refused["failed"]
    assert words in refused["msg"]
    assert run(device, check=True, **SW1)["actions"] == ["create device sw1"]


def test_regions_refusal_has_its_words_and_status(run: Run, m1: str) -> None:
    refused = run(device, **{**SW1, "hostname": "m1"})
    assert refused["failed"]
    assert refused["status"] == 400
    assert "Machine m1" in refused["msg"]


def test_absent_converges(run: Run) -> None:
    run(device, **SW1)
    foretold = run(device, check=True, hostname="sw1", state="absent")
    gone = run(device, hostname="sw1", state="absent")
    assert gone["actions"] == foretold["actions"] == ["delete device sw1"]
    assert gone["diff"] == {"before": MADE, "after": {}}
    assert gone["device"] == {}
    assert not run(device, hostname="sw1", state="absent")["changed"]


def test_texts_are_all_that_there_shall_be(run: Run) -> None:
    made = {**SW1, "owner_data": {"asset": 4711, "empty": ""}, "workload_annotations": {"role": "leaf"}}
    for wish, owner, workload, actions in (
        (made, {"asset": "4711"}, {"role": "leaf"}, ["create device sw1", "write owner_data of device sw1"]),
        ({**SW1, "owner_data": {"rack": "4"}}, {"rack": "4"}, {"role": "leaf"}, ["write owner_data of device sw1"]),
        ({**SW1, "workload_annotations": {}}, {"rack": "4"}, {}, ["write workload_annotations of device sw1"]),
    ):
        foretold, done = run(device, check=True, **wish), run(device, **wish)
        assert (done["device"]["owner_data"], done["device"]["workload_annotations"]) == (owner, workload)
        assert (foretold["device"], foretold["diff"]) == (done["device"], done["diff"])
        assert foretold["actions"] == done["actions"]
        assert done["actions"][: len(actions)] == actions
        assert not run(device, **wish)["changed"]


def test_interface_is_made_linked_and_removed(run: Run, execute: Run) -> None:
    run(subnet, name="boot", cidr="10.20.0.0/24", fabric="lab")
    run(subnet, name="store", cidr="10.99.0.0/24", fabric="far")
    run(device, **SW1)
    mac = "52:54:00:30:00:03"
    static = {"mode": "static", "subnet": "boot", "ip_address": "10.20.0.60"}
    for wish, verb in (
        ({"mac_address": mac, "name": "mgmt0", "vlan": "lab/0", "tags": ["oob"], "links": [static]}, "create"),
        ({"name": "mgmt0", "vlan": "far/0", "tags": [], "links": [{"mode": "dhcp", "subnet": "store"}]}, "update"),
    ):
        foretold, done = (run(device_interface, check=check, device="sw1", **wish) for check in (True, False))
        assert done["actions"] == foretold["actions"]
        assert done["actions"][0] == f"{verb} interface mgmt0 of sw1"
        for link in wish["links"]:
            link.setdefault("ip_address", "")
        assert done["interface"] == foretold["interface"] == {"mac_address": mac, **wish}
        assert not run(device_interface, device="sw1", **wish)["changed"]
    assert run(device_interface, device="sw1", name="mgmt0", links=[])["interface"]["links"] == []
    execute("INSERT INTO lease (mac, ip, state, at) VALUES (%s, '10.99.0.9', 'commit', now())", mac)
    assert not run(device_interface, device="sw1", name="mgmt0", links=[])["changed"], "a lease is no link"
    gone = {"device": "sw1", "mac_address": mac, "state": "absent"}
    assert run(device_interface, check=True, **gone)["actions"] == run(device_interface, **gone)["actions"]
    assert not run(device_interface, **gone)["changed"]
    assert "There is no device 'moon'" in run(device_interface, device="moon", name="mgmt0")["msg"]
    assert "give its mac_address to create it" in run(device_interface, device="sw1", name="mgmt0")["msg"]
