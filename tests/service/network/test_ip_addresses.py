# SPDX-License-Identifier: GPL-3.0-or-later
"""`ipaddresses/`: addresses that people reserve are theirs alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

MAC, NIC = "52:54:00:20:09:01", "52:54:00:20:01:01"


def ok(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json


def refused(response: Any, field: str) -> str:
    assert response.status_code == 400, response.text
    assert list(response.json) == [field], response.json
    return str(response.json[field][0])


def conflict(response: Any) -> str:
    assert response.status_code == 409, response.text
    return str(response.text)


@pytest.fixture
def network(api: Any) -> dict[str, Any]:
    """Subnet `boot` with both kinds of range, and `six`."""
    ok(api.post("fabrics/", data={"name": "lab"}))
    for name, cidr in (("boot", "10.20.0.0/24"), ("six", "2001:db8::/64")):
        ok(api.post("subnets/", data={"name": name, "cidr": cidr, "fabric": "lab"}))
    for kind, start, end in (("reserved", 1, 9), ("dynamic", 100, 199)):
        ends = {"start_ip": f"10.20.0.{start}", "end_ip": f"10.20.0.{end}"}
        ok(api.post("ipranges/", data={"type": kind, **ends}))
    return dict(ok(api.get("subnets/boot/")))


@pytest.fixture
def ann(api_of: Any, key_of: Any, network: dict[str, Any]) -> Any:
    """An ordinary account."""
    return api_of(key_of("ann"))


@pytest.fixture
def link(api: Any, network: dict[str, Any]) -> Any:
    """Link the only NIC of machine m1."""
    wish = {"commission": "false", "hostname": "m1", "mac_addresses": NIC}
    path = f"nodes/{ok(api.post('machines/', data=wish))['system_id']}/interfaces/eth0/?op=link_subnet"
    return lambda mode, **more: api.post(path, data={"mode": mode, "subnet": "boot", **more})


def reserve(of: Any, **wish: object) -> Any:
    return of.post("ipaddresses/?op=reserve", data=wish)


def release(of: Any, ip: str, **more: str) -> Any:
    return of.post("ipaddresses/?op=release", data={"ip": ip, **more})


def test_address_is_reserved_shown_as_maas_shows_it_and_released(api: Any, ann: Any, network: dict, execute: Any):
    made = ok(reserve(ann, subnet="boot"))
    assert made.pop("created")
    assert made == {
        "alloc_type": 4, "alloc_type_name": "User reserved", "ip": "10.20.0.10", "subnet": network, "interface_set": [],
        "owner": {
            "username": "ann", "email": "", "is_local": True, "is_superuser": False,
            "resource_uri": "/MAAS/api/2.0/users/ann/",
        },
        "hostname": "", "domain": "", "mac_address": None, "resource_uri": "/MAAS/api/2.0/ipaddresses/",
    }  # fmt: skip
    for place in (network["id"], "10.20.0.0/24", ""):
        ok(reserve(ann, subnet=place, ip_address=f"10.20.0.{20 + len(str(place))}"))
    assert ok(reserve(ann, subnet="six"))["ip"] == "2001:db8::1"
    shown = [each["ip"] for each in ok(ann.get("ipaddresses/"))]
    assert shown == ["10.20.0.10", "10.20.0.20", "10.20.0.21", "10.20.0.32", "2001:db8::1"]
    assert [each["ip"] for each in ok(ann.get("ipaddresses/?ip=10.20.0.20"))] == ["10.20.0.20"]
    answer = release(ann, "10.20.0.10")
    assert (answer.status_code, answer.text) == (204, "")
    assert release(ann, "10.20.0.10").status_code == 404
    assert ok(reserve(api, subnet="boot"))["ip"] == "10.20.0.10", "the lowest, which is free again"
    told = execute("SELECT actor, action FROM audit WHERE name = '10.20.0.10' ORDER BY id")
    assert told == [("ann", "create"), ("ann", "delete"), ("admin", "create")]


def test_reserved_address_is_given_to_nobody_and_counted(api: Any, ann: Any, link: Any):
    ok(reserve(ann, ip="10.20.0.10"))
    assert ok(link("auto"))["links"][0]["ip_address"] == "10.20.0.11"
    assert "10.20.0.10 is reserved by ann" in conflict(link("static", ip_address="10.20.0.10"))
    device = ok(api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:20:01:02"}))["system_id"]
    wish = {"mode": "static", "subnet": "boot", "ip_address": "10.20.0.10"}
    assert "reserved by ann" in conflict(api.post(f"nodes/{device}/interfaces/eth0/?op=link_subnet", data=wish))
    assert "reserved by ann" in conflict(reserve(api, ip="10.20.0.10"))
    assert "machine m1 (eth0)" in refused(reserve(ann, ip="10.20.0.11"), "ip")
    assert "unlink" not in conflict(release(api, "10.20.0.11", force="true")), "it is no reservation"
    listed = ok(api.get("subnets/boot/?op=ip_addresses"))
    assert [(each["ip"], each["alloc_type"], each.get("user")) for each in listed] == [
        ("10.20.0.10", 4, "ann"), ("10.20.0.11", 0, None),
    ]  # fmt: skip
    assert not any("user" in each for each in ok(api.get("subnets/boot/?op=ip_addresses&with_username=false")))
    assert ok(api.get("subnets/boot/?op=unreserved_ip_ranges"))[0]["start"] == "10.20.0.12"
    used = {"start": "10.20.0.10", "end": "10.20.0.11", "num_addresses": 2, "purpose": ["assigned-ip"]}
    assert used in ok(api.get("subnets/boot/?op=reserved_ip_ranges"))
    assert ok(api.get("subnets/boot/?op=statistics"))["num_unavailable"] == 9 + 2 + 100


def test_network_is_not_changed_under_a_reserved_address(api: Any, ann: Any):
    ok(reserve(ann, ip="10.20.0.50"))
    ends = {"type": "dynamic", "start_ip": "10.20.0.40", "end_ip": "10.20.0.60"}
    wrong = refused(api.post("ipranges/", data=ends), "start_ip")
    assert "10.20.0.50 is reserved by ann in subnet boot" in wrong
    assert "op=release" in wrong
    assert "reserved by ann" in refused(api.put("subnets/boot/", data={"gateway_ip": "10.20.0.50"}), "gateway_ip")
    assert "are reserved: 10.20.0.50 (ann); have them" in conflict(api.delete("subnets/boot/"))
    assert release(ann, "10.20.0.50").status_code == 204
    assert api.delete("subnets/boot/").status_code == 204


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("subnet", {}),
        ("subnet", {"subnet": "moon"}),
        ("ip", {"ip": "10.20.0.300"}),
        ("ip", {"ip": "10.99.0.1"}),
        ("ip", {"ip": "2001:db8::9", "subnet": "boot"}),
        ("ip", {"ip": "10.20.0.255"}),
        ("ip", {"ip": "10.20.0.150"}),
        ("ip_address", {"ip": "10.20.0.50", "ip_address": "10.20.0.51"}),
        ("hostname", {"subnet": "boot", "hostname": "no_name"}),
        ("domain", {"subnet": "boot", "domain": "rackyard.internal"}),
        ("domain", {"subnet": "boot", "hostname": "vip", "domain": "moon.org"}),
        ("mac", {"subnet": "boot", "mac": "52:54"}),
        ("mac", {"subnet": "six", "mac": MAC}),
        ("mac", {"subnet": "boot", "mac": NIC}),
    ],
)
def test_what_cannot_be_reserved_is_refused_in_words(ann: Any, link: Any, field: str, wish: dict[str, str]):
    assert refused(reserve(ann, **wish), field)
    assert ok(ann.get("ipaddresses/")) == []


def test_everybody_has_their_own_and_administrators_all(api: Any, ann: Any, api_of: Any, key_of: Any):
    bob = api_of(key_of("bob"))
    ok(reserve(ann, subnet="boot"))
    ok(reserve(bob, subnet="boot"))
    assert [each["ip"] for each in ok(bob.get("ipaddresses/"))] == ["10.20.0.11"]
    assert ok(api.get("ipaddresses/")) == []
    whose = [each["owner"]["username"] for each in ok(api.get("ipaddresses/?all=true"))]
    assert whose == ["ann", "bob"]
    assert [each["ip"] for each in ok(api.get("ipaddresses/?owner=ann"))] == ["10.20.0.10"]
    assert "no account 'carl'" in refused(api.get("ipaddresses/?owner=carl"), "owner")
    for path in ("?all=true", "?owner=ann", "?owner=carl"):
        assert bob.get(f"ipaddresses/{path}").status_code == 403
    assert release(bob, "10.20.0.10", force="true").status_code == 403
    assert bob.post("ipaddresses/?op=change", data={"ip": "10.20.0.10", "hostname": "b"}).status_code == 403
    assert "reserved by ann; say force=true" in conflict(release(api, "10.20.0.10"))
    assert release(api, "10.20.0.10", force="true").status_code == 204
    assert "bob has reserved 10.20.0.11 (bob)" in conflict(api.delete("users/bob/"))
    assert api.delete("users/bob/?transfer_resources_to=ann").status_code == 204
    assert [each["ip"] for each in ok(ann.get("ipaddresses/"))] == ["10.20.0.11"]


def test_names_of_reserved_addresses_are_their_owners_alone(api: Any, ann: Any, link: Any):
    ok(api.post("domains/", data={"name": "example.org"}))
    made = ok(reserve(ann, subnet="boot", hostname="VIP.example.org"))
    assert (made["hostname"], made["domain"]) == ("vip", "example.org")
    six = ok(reserve(ann, subnet="six", hostname="vip", domain="example.org"))
    assert (six["hostname"], six["domain"]) == ("vip", "example.org"), "one name, two families"
    wish = {"hostname": "vip", "domain": "example.org"}
    assert "that ann has reserved" in refused(reserve(api, subnet="boot", **wish), "hostname")
    wish = {"hostname": "vip.example.org", "mac_addresses": "52:54:00:20:01:07", "commission": "false"}
    assert "that ann has reserved" in refused(api.post("machines/", data=wish), "hostname")
    assert "that ann has reserved" in refused(api.post("devices/", data=wish), "hostname")
    resource = {"fqdn": "vip.example.org", "ip_addresses": "10.20.0.77"}
    assert "is a reserved address" in refused(api.post("dnsresources/", data=resource), "name")
    assert "Reserved address vip is in domain example.org" in conflict(api.delete("domains/example.org/"))
    assert "Machine m1" in refused(reserve(ann, subnet="boot", hostname="m1"), "hostname")

    def change(**wish: str) -> Any:
        return ann.post("ipaddresses/?op=change", data={"ip": made["ip"], **wish})

    moved = ok(change(hostname="db.rackyard.internal"))
    assert (moved["hostname"], moved["domain"], moved["created"]) == ("db", "rackyard.internal", made["created"])
    assert ok(change(mac=MAC))["mac_address"] == MAC
    assert "already" in refused(reserve(api, subnet="boot", mac=MAC), "mac")
    assert "Machine m1" in refused(change(hostname="m1"), "hostname")
    bare = ok(change(hostname="", mac=""))
    assert (bare["hostname"], bare["domain"], bare["mac_address"]) == ("", "", None)
    assert release(ann, six["ip"]).status_code == 204
    assert api.delete("domains/example.org/").status_code == 204


def test_people_who_ask_at_once_get_addresses_of_their_own(api: Any, ann: Any, link: Any):
    """Twelve at a time, half of them with a name, and a machine among them; each with connections of its own."""
    wishes = [{"subnet": "boot", **({"hostname": f"n{number}"} if number % 2 else {})} for number in range(12)]
    with ThreadPoolExecutor(12) as people:
        linked = people.submit(link, "auto")
        made = [each.result() for each in [people.submit(lambda w=wish: reserve(ann, **w)) for wish in wishes]]
    found = [ok(answer)["ip"] for answer in made] + [ok(linked.result())["links"][0]["ip_address"]]
    assert sorted(found) == [f"10.20.0.{number}" for number in range(10, 23)]
    same = {"ip": "10.20.0.50"}
    with ThreadPoolExecutor(8) as people:
        answers = [each.result() for each in [people.submit(lambda: reserve(ann, **same)) for _person in range(8)]]
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
