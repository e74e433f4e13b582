# SPDX-License-Identifier: GPL-3.0-or-later
"""In which domain a machine has its name: what it is by default, how it is said, shown, found, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

INTERNAL, LAB = "rackyard.internal", "lab.example.org"
MACS = ("52:54:00:20:01:01", "52:54:00:20:01:02")


@pytest.fixture
def lab(api: Any) -> dict[str, Any]:
    """A domain of the site's own."""
    made: dict[str, Any] = api.post("domains/", data={"name": LAB, "ttl": "60"}).get_json()
    return made


def register(api: Any, number: int = 0, **values: str) -> Any:
    given = {"hostname": f"m{number + 1}", "mac_addresses": MACS[number], "commission": "false", **values}
    return api.post("machines/", data=given)


def names(api: Any, query: str = "") -> list[str]:
    return [machine["fqdn"] for machine in api.get(f"machines/?fields=fqdn{query}").get_json()]


def test_machine_is_in_the_default_domain_unless_another_is_said(api: Any, lab: dict[str, Any]) -> None:
    first = register(api).get_json()
    assert (first["fqdn"], first["domain"]["id"], first["domain"]["is_default"]) == (f"m1.{INTERNAL}", 0, True)
    made = api.post(f"domains/{LAB}/?op=set_default").get_json()
    assert (made["is_default"], api.get("domains/0/").get_json()["is_default"]) == (True, False)
    second = register(api, 1).get_json()
    assert (second["fqdn"], second["domain"]) == (f"m2.{LAB}", made)
    shown = api.get(f"machines/{first['system_id']}/").get_json()
    assert (shown["fqdn"], shown["domain"]["is_default"]) == (f"m1.{INTERNAL}", False), "it stays where it is"
    device = api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:30:00:01"}).get_json()
    assert device["fqdn"] == f"sw1.{LAB}"
    assert api.get("machines/?fields=fqdn,domain").get_json()[1] == {"fqdn": f"m2.{LAB}", "domain": made}
    assert api.post("domains/0/?op=set_default").get_json()["is_default"]
    assert [each["is_default"] for each in api.get("domains/").get_json()] == [True, False]


def test_domain_is_said_by_the_full_name_or_by_itself(api: Any, lab: dict[str, Any]) -> None:
    system_id = register(api, hostname=f"m1.{LAB}").get_json()["system_id"]
    for data, fqdn in (
        ({"hostname": "web-01"}, f"web-01.{LAB}"),
        ({"domain": "0"}, f"web-01.{INTERNAL}"),
        ({"domain": str(lab["id"]), "hostname": f"m1.{LAB}"}, f"m1.{LAB}"),
        ({"hostname": f"m1.{INTERNAL}"}, f"m1.{INTERNAL}"),
    ):
        assert api.put(f"machines/{system_id}/", data=data).get_json()["fqdn"] == fqdn
    for data, field in (
        ({"domain": "nowhere.example"}, "domain"),
        ({"hostname": "m1.nowhere.example"}, "hostname"),
        ({"hostname": f"m1.{LAB}", "domain": "0"}, "hostname"),
    ):
        refused = api.put(f"machines/{system_id}/", data=data)
        assert (refused.status_code, list(refused.get_json())) == (400, [field])
    assert names(api) == [f"m1.{INTERNAL}"]


@pytest.mark.usefixtures("lab")
def test_machines_are_found_by_domain(api: Any) -> None:
    register(api, domain=LAB)
    register(api, 1)
    assert names(api, f"&domain={LAB}") == names(api, "&not_domain=0") == [f"m1.{LAB}"]
    assert names(api, f"&domain={LAB}&domain={INTERNAL}") == [f"m1.{LAB}", f"m2.{INTERNAL}"]
    assert names(api, f"&not_domain={LAB}") == [f"m2.{INTERNAL}"]
    refused = api.get("machines/?domain=lab")
    assert (refused.status_code, list(refused.get_json())) == (400, ["domain"])


@pytest.mark.usefixtures("lab")
def test_names_of_machines_and_of_operators_do_not_meet(api: Any) -> None:
    record = {"fqdn": f"m1.{LAB}", "ip_addresses": "192.0.2.7"}
    system_id = register(api, domain=LAB).get_json()["system_id"]
    refused = api.post("dnsresources/", data=record)
    assert (refused.status_code, "is a machine" in refused.get_json()["name"][0]) == (400, True)
    assert api.put(f"machines/{system_id}/", data={"domain": INTERNAL}).status_code == 200
    assert api.post("dnsresources/", data=record).status_code == 200
    refused = api.put(f"machines/{system_id}/", data={"domain": LAB})
    assert (refused.status_code, "exists already" in refused.get_json()["hostname"][0]) == (400, True)


@pytest.mark.usefixtures("lab")
def test_domain_that_is_needed_stays(api: Any) -> None:
    system_id = register(api, domain=LAB).get_json()["system_id"]
    refused = api.delete(f"domains/{LAB}/")
    assert (refused.status_code, "Machine m1 is in domain" in refused.get_data(as_text=True)) == (409, True)
    assert api.delete(f"machines/{system_id}/").status_code == 204
    assert api.post(f"domains/{LAB}/?op=set_default").status_code == 200
    refused = api.delete(f"domains/{LAB}/")
    assert (refused.status_code, "the default one" in refused.get_data(as_text=True)) == (409, True)
    assert api.post("domains/0/?op=set_default").status_code == 200
    assert api.delete(f"domains/{LAB}/").status_code == 204
