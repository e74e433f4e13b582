# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains, names and records as the API has them; what name servers make of them is in rpc/test_names.py."""

from __future__ import annotations

import pytest

LAB = "lab.example.org"


@pytest.fixture
def lab(api) -> dict:
    return api.post("domains/", data={"name": "Lab.Example.org."}).json


def name(api, **data) -> dict:
    answer = api.post("dnsresources/", data=data)
    assert answer.status_code == 200, answer.text
    return answer.json


def record(api, fqdn: str, rrtype: str, rrdata: str, **data) -> dict:
    answer = api.post("dnsresourcerecords/", data={"fqdn": fqdn, "rrtype": rrtype, "rrdata": rrdata, **data})
    assert answer.status_code == 200, answer.text
    return answer.json


def refusal(answer, field: str) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.json.keys() == {field}
    return answer.json[field][0]


def test_life_of_a_domain(api, lab) -> None:
    assert lab == {
        "id": lab["id"], "name": LAB, "authoritative": True, "ttl": None, "resource_record_count": 0,
        "is_default": False, "resource_uri": f"/MAAS/api/2.0/domains/{lab['id']}/",
    }  # fmt: skip
    internal, listed = api.get("domains/").json
    assert (internal["id"], internal["name"], internal["is_default"]) == (0, "rackyard.internal", True)
    assert listed == lab == api.get(f"domains/{LAB}/").json
    changed = api.put(f"domains/{LAB}/", data={"ttl": "120", "authoritative": "false"}).json
    assert changed == {**lab, "ttl": 120, "authoritative": False}
    assert api.put(f"domains/{LAB}/", data={"ttl": "", "authoritative": "true"}).json == lab
    name(api, fqdn=f"www.{LAB}", ip_addresses="192.0.2.1 192.0.2.2")
    record(api, f"www.{LAB}", "TXT", "x")
    assert api.get(f"domains/{LAB}/").json["resource_record_count"] == 3
    refused = api.delete(f"domains/{LAB}/")
    assert refused.status_code == 409
    assert f"still has www.{LAB}" in refused.text
    api.delete(f"dnsresources/{api.get('dnsresources/').json[0]['id']}/")
    assert api.delete(f"domains/{LAB}/").status_code == 204
    assert api.get(f"domains/{LAB}/").status_code == 404


@pytest.mark.parametrize(
    "bad", ["", "a_b.org", "-a.org", "a..org", "x" * 64, "rackyard.internal", "1.in-addr.arpa", "localhost", 'a";{}']
)
def test_bad_domains_are_refused(api, bad: str) -> None:
    assert refusal(api.post("domains/", data={"name": bad}), "name")
    assert len(api.get("domains/").json) == 1


def test_domain_of_a_name_that_is_there_is_refused(api, lab) -> None:
    assert "exists already" in refusal(api.post("domains/", data={"name": LAB}), "name")
    assert refusal(api.post("domains/", data={"name": "b.org", "ttl": "0"}), "ttl")


def test_domain_keeps_its_name_when_its_names_would_be_too_long(api, lab) -> None:
    name(api, name=".".join(["x" * 60] * 3), domain=LAB)
    longer = ".".join(["y" * 50] * 2)
    assert refusal(api.put(f"domains/{LAB}/", data={"name": longer}), "name")
    assert api.get(f"domains/{LAB}/").status_code == 200


def test_name_by_fqdn_or_by_parts_is_the_same(api, lab) -> None:
    api.post("domains/", data={"name": f"deep.{LAB}"})
    www = name(api, name="WWW", domain=str(lab["id"]), ip_addresses=["2001:db8::1", "192.0.2.7", "192.0.2.7"])
    assert (www["fqdn"], www["address_ttl"], www["resource_records"]) == (f"www.{LAB}", None, [])
    assert [each["ip"] for each in www["ip_addresses"]] == ["192.0.2.7", "2001:db8::1"]
    assert "exists already" in refusal(api.post("dnsresources/", data={"fqdn": f"www.{LAB}."}), "name")
    deep = name(api, fqdn=f"a.b.deep.{LAB}")
    assert api.get(f"dnsresources/?domain=deep.{LAB}").json == [deep]
    assert api.get(f"dnsresources/?fqdn=www.{LAB}").json == [www]
    assert api.get("dnsresources/?name=a.b").json == [deep]
    assert api.get("dnsresources/?rrtype=aaaa").json == [www]


def test_name_is_changed_by_what_is_given(api, lab) -> None:
    api.post("domains/", data={"name": "b.org"})
    www = name(api, fqdn=f"www.{LAB}", ip_addresses="192.0.2.7", address_ttl="60")
    path = f"dnsresources/{www['id']}/"
    assert api.put(path, data={"name": "web"}).json == {**www, "fqdn": f"web.{LAB}"}
    assert api.put(path, data={"domain": "b.org"}).json == {**www, "fqdn": "web.b.org"}
    emptied = api.put(path, data={"ip_addresses": "", "address_ttl": ""}).json
    assert (emptied["ip_addresses"], emptied["address_ttl"]) == ([], None)
    name(api, fqdn="other.b.org")
    assert "exists already" in refusal(api.put(path, data={"name": "other"}), "name")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "fqdn"),
        ({"name": "a"}, "fqdn"),
        ({"fqdn": "a.nowhere.org"}, "fqdn"),
        ({"name": "a", "domain": "nowhere.org"}, "domain"),
        ({"fqdn": f"a b.{LAB}"}, "fqdn"),
        ({"fqdn": f"a.*.{LAB}"}, "fqdn"),
        ({"fqdn": f"a.{LAB}", "ip_addresses": "192.0.2.999"}, "ip_addresses"),
        ({"fqdn": f"a_b.{LAB}", "ip_addresses": "192.0.2.9"}, "name"),
        ({"fqdn": f"a.{LAB}", "address_ttl": "-1"}, "address_ttl"),
        ({"fqdn": f"a.{LAB}", "ip_addresses": " ".join(f"192.0.2.{n}" for n in range(65))}, "ip_addresses"),
    ],
)
def test_bad_names_are_refused(api, lab, data: dict, field: str) -> None:
    answer = api.post("dnsresources/", data=data)
    assert refusal(answer, field)
    assert api.get("dnsresources/").json == []


@pytest.mark.parametrize(
    ("rrtype", "rrdata"),
    [
        ("CNAME", "www"),
        ("CNAME", "elsewhere.example.net."),
        ("MX", "10 mail"),
        ("NS", "ns.example.net."),
        ("SRV", "0 5 5060 sip.example.net."),
        ("SSHFP", "4 2 " + "ab" * 32),
        ("TXT", "v=spf1 -all; " * 40),
        ("TXT", '"a" "b"'),
    ],
)
def test_record_of_each_type_is_kept_as_it_was_written(api, lab, rrtype: str, rrdata: str) -> None:
    made = record(api, f"x.{LAB}", rrtype.lower(), rrdata, ttl="90")
    assert (made["fqdn"], made["rrtype"], made["rrdata"], made["ttl"]) == (f"x.{LAB}", rrtype, rrdata.strip(), 90)
    assert api.get(f"dnsresourcerecords/{made['id']}/").json == made
    assert api.get(f"dnsresourcerecords/?rrtype={rrtype}").json == [made]
    assert api.get("dnsresources/").json[0]["resource_records"] == [made]


@pytest.mark.parametrize(
    ("rrtype", "rrdata", "field"),
    [
        ("A", "192.0.2.1", "rrtype"),
        ("PTR", "a.b.", "rrtype"),
        ("", "x", "rrtype"),
        ("MX", "mail", "rrdata"),
        ("MX", "10 mail\nevil 60 A 192.0.2.1", "rrdata"),
        ("MX", "10 under_score", "rrdata"),
        ("SRV", "0 5 99999 a", "rrdata"),
        ("SSHFP", "4 2 zz", "rrdata"),
        ("CNAME", "", "rrdata"),
        ("CNAME", "a b", "rrdata"),
        ("CNAME", "x" * 64, "rrdata"),
        ("TXT", '"open', "rrdata"),
        ("TXT", "x" * 5000, "rrdata"),
    ],
)
def test_bad_records_are_refused_and_leave_no_name(api, lab, rrtype: str, rrdata: str, field: str) -> None:
    answer = api.post("dnsresourcerecords/", data={"fqdn": f"x.{LAB}", "rrtype": rrtype, "rrdata": rrdata})
    assert refusal(answer, field)
    assert api.get("dnsresources/").json == []


def test_what_may_not_stand_together_is_refused(api, lab) -> None:
    alias = record(api, f"a.{LAB}", "CNAME", "www")
    (at_alias,) = api.get("dnsresources/").json
    taken = api.put(f"dnsresources/{at_alias['id']}/", data={"ip_addresses": "192.0.2.1"})
    assert "cannot have a CNAME and anything else" in refusal(taken, "rrtype")
    more = api.post("dnsresourcerecords/", data={"fqdn": f"a.{LAB}", "rrtype": "TXT", "rrdata": "x"})
    assert "cannot have a CNAME" in refusal(more, "rrtype")
    for rrtype in ("CNAME", "NS"):
        apex = api.post("dnsresourcerecords/", data={"fqdn": LAB, "rrtype": rrtype, "rrdata": "www"})
        assert "is a domain itself" in refusal(apex, "rrtype")
    record(api, f"t.{LAB}", "TXT", "x")
    again = api.post("dnsresourcerecords/", data={"fqdn": f"t.{LAB}", "rrtype": "TXT", "rrdata": '"x"'})
    assert "already" in refusal(again, "rrdata")
    assert api.put(f"dnsresourcerecords/{alias['id']}/", data={"rrdata": "web"}).json["rrdata"] == "web"


def test_name_goes_with_its_last_record_unless_it_has_addresses(api, lab) -> None:
    only = record(api, f"a.{LAB}", "TXT", "x")
    name(api, fqdn=f"b.{LAB}", ip_addresses="192.0.2.1")
    beside = record(api, f"b.{LAB}", "TXT", "x")
    for made in (only, beside):
        assert api.delete(f"dnsresourcerecords/{made['id']}/").status_code == 204
    assert [known["fqdn"] for known in api.get("dnsresources/").json] == [f"b.{LAB}"]
