# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module that declares one object: made, left alone, changed, foretold and removed, in a real region."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import (
    dhcp_snippet,
    dns_domain,
    fabric,
    ip_address,
    ip_range,
    notification,
    package_repository,
    rack_controller,
    region_controller,
    resource_pool,
    script,
    space,
    static_route,
    subnet,
    vlan,
    zone,
)
from rackyard.region.context import Context
from tests.service.conftest import enrolled_rack

Result = dict[str, Any]
Run = Callable[..., Result]

# What tells each from others, what it is made with, and what is changed then.
KINDS = {
    dhcp_snippet: (
        {"name": "clock"},
        {"value": "option time-offset 0;", "subnet": "boot"},
        {"value": "option time-offset 1;", "subnet": "store", "enabled": False, "description": "noon"},
    ),
    dns_domain: ({"name": "example.org"}, {"ttl": 60}, {"ttl": 0, "authoritative": False}),
    fabric: ({"name": "dc2"}, {"description": "a"}, {"description": "b", "class_type": "10g"}),
    ip_address: ({"ip": "198.51.100.50"}, {"hostname": "vip"}, {"hostname": "db", "mac": "00:00:5e:00:53:01"}),
    ip_range: (
        {"start_ip": "198.51.100.10"},
        {"end_ip": "198.51.100.19", "type": "reserved"},
        {"end_ip": "198.51.100.29", "type": "dynamic", "comment": "b"},
    ),
    notification: (
        {"ident": "upgrade"},
        {"content": "{when}", "context": {"when": "now"}, "user": "admin"},
        {
            "content": "in {n} h",
            "context": {"n": 3},
            "category": "warning",
            "user": "",
            "users": True,
            "dismissable": False,
        },
    ),
    package_repository: (
        {"name": "vendor"},
        {"url": "https://packages.example.org/debian", "components": ["main", "tools"]},
        {
            "url": "http://other.example.org",
            "components": [],
            "distributions": ["trixie"],
            "arches": ["arm64"],
            "enabled": False,
            "disable_sources": False,
        },
    ),
    resource_pool: ({"name": "east"}, {"description": "a"}, {"description": ""}),
    script: (
        {"name": "disk-check"},
        {"script": "#!/bin/sh\ntrue\n", "tags": ["a", "b"], "timeout_s": 90000, "script_type": "commissioning"},
        {
            "script": "#!/bin/sh\nfalse\n",
            "tags": [],
            "parallel": "any",
            "hardware_type": "storage",
            "destructive": True,
            "title": "Check",
        },
    ),
    space: ({"name": "dmz"}, {"description": "a"}, {"description": "b"}),
    static_route: (
        {"source": "boot", "destination": "store"},
        {"gateway_ip": "198.51.100.2"},
        {"gateway_ip": "198.51.100.3", "metric": 7},
    ),
    vlan: ({"fabric": "dc1", "vid": 30}, {"mtu": 9000}, {"mtu": 1500, "name": "storage", "space": "undefined"}),
    zone: ({"name": "east"}, {"description": "a"}, {"description": "b"}),
}
# Options without which some modules do nothing.
NEEDED = {"end_ip", "gateway_ip"}
NAMES = [kind.__name__.rpartition(".")[2] for kind in KINDS]


@pytest.fixture
def site(run: Run) -> None:
    """Subnets, in which ranges and VLANs can be, and between which routes."""
    run(subnet, name="boot", cidr="198.51.100.0/24", fabric="dc1")
    run(subnet, name="store", cidr="203.0.113.0/24", fabric="dc1")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("module", "key", "made", "changed"), [(kind, *KINDS[kind]) for kind in KINDS], ids=NAMES)
def test_foretold_and_done_once(
    run: Run, request: pytest.FixtureRequest, module: ModuleType, key: Result, made: Result, changed: Result
) -> None:
    if module is dhcp_snippet:
        request.getfixturevalue("judge")
    name = module.__name__.rpartition(".")[2]
    # What an update needs is all that the object needs, as in a playbook that has changed.
    for state, options, verb in (("present", made, "create"), ("present", {**made, **changed}, "update")):
        foretold = run(module, check=True, state=state, **key, **options)
        done = run(module, state=state, **key, **options)
        for result in (foretold, done):
            assert [action.split(" ", 1)[0] for action in result["actions"]] == [verb], result
            assert {**key, **options, **_as_kept(options)}.items() <= result[name].items(), result
        assert foretold["diff"] == done["diff"]
        again = run(module, state=state, **key, **options)
        assert (again["changed"], again["actions"], again[name]) == (False, [], done[name])
    if not NEEDED & made.keys():
        assert not run(module, **key)["changed"], "what is not given is left alone"
    foretold, done = run(module, check=True, state="absent", **key), run(module, state="absent", **key)
    for result in (foretold, done):
        assert (result["changed"], result[name], result["diff"]["after"]) == (True, {}, {})
    assert not run(module, state="absent", **key)["changed"]


def _as_kept(options: Result) -> Result:
    """No space is told as an empty name."""
    return {"space": ""} if "space" in options else {}


def test_default_domain_is_wished_of_another_one(run: Run) -> None:
    foretold = run(dns_domain, check=True, name="example.org", default=True)
    made = run(dns_domain, name="example.org", default=True)
    assert (made["diff"], made["dns_domain"]["is_default"]) == (foretold["diff"], True)
    assert not run(dns_domain, name="example.org", default=True)["changed"]
    assert not run(dns_domain, name="example.org")["changed"]
    refused = run(dns_domain, check=True, name="example.org", default=False)
    assert "wish it of another one" in refused["msg"]
    back = run(dns_domain, name="rackyard.internal", default=True)
    assert back["actions"] == ["update domain rackyard.internal"]
    assert run(dns_domain, name="example.org")["dns_domain"]["is_default"] is False
    assert run(dns_domain, name="example.org", state="absent")["changed"]


def test_vlan_of_a_fabric_that_comes_is_foretold_and_refused_when_it_does_not(run: Run) -> None:
    assert run(vlan, check=True, fabric="dc9", vid=5)["actions"] == ["create VLAN 5 of fabric dc9"]
    assert run(vlan, fabric="dc9", vid=5)["status"] == 404
    assert not run(vlan, fabric="dc9", vid=5, state="absent")["changed"]


@pytest.mark.usefixtures("site")
def test_address_that_the_region_chooses_is_known_by_its_name(run: Run) -> None:
    for wish in ({"subnet": "198.51.100.0/24", "hostname": "vip"}, {"subnet": "boot", "hostname": "VIP.example.org"}):
        run(dns_domain, name="example.org", default=True)
        foretold, made = run(ip_address, check=True, **wish), run(ip_address, **wish)
        again = run(ip_address, **wish)
        assert (again["changed"], again["ip_address"]) == (False, made["ip_address"])
    assert foretold["actions"] == []
    assert {"ip": "198.51.100.1", "hostname": "vip", "domain": "example.org"}.items() <= made["ip_address"].items()
    other = run(ip_address, subnet="boot", hostname="vip.rackyard.internal")
    assert other["actions"] == ["create reserved address for vip in boot"]
    assert other["ip_address"]["ip"] == "198.51.100.2"
    unclear = run(ip_address, subnet="boot", hostname="vip", state="absent")
    assert "198.51.100.1 (vip.example.org), 198.51.100.2 (vip.rackyard.internal) could be meant" in unclear["msg"]
    moved = run(ip_address, ip="198.51.100.2", hostname="")
    assert (moved["ip_address"]["hostname"], moved["ip_address"]["domain"]) == ("", "")
    assert run(ip_address, subnet="boot", hostname="vip", state="absent")["actions"] == [
        "delete reserved address 198.51.100.1"
    ]
    assert "in boot, not in moon" in run(ip_address, ip="198.51.100.2", subnet="moon")["msg"]
    assert "name the address" in run(ip_address, subnet="boot")["msg"]
    assert run(ip_address, subnet="moon", hostname="vip")["status"] == 400


@pytest.mark.usefixtures("site")
def test_fabric_with_a_subnet_stays_and_says_why(run: Run) -> None:
    refused = run(fabric, name="dc1", state="absent")
    assert (refused["failed"], refused["status"]) == (True, 409)
    assert "boot (198.51.100.0/24)" in refused["msg"]


def test_malformed_address_is_named(run: Run) -> None:
    refused = run(ip_range, start_ip="198.51.100.300", state="absent")
    assert refused["msg"].startswith("start_ip: '198.51.100.300' is no address")


def test_rack_or_region_is_put_in_a_zone_but_not_made(run: Run, ctx: Context, execute: Callable[..., Any]) -> None:
    enrolled_rack(ctx, "rack1", "203.0.113.1/24")
    execute("INSERT INTO region (system_id, name, seen_at) VALUES ('abcdef', 'region1', now())")
    run(zone, name="hall1")
    for module, hostname, kind in ((rack_controller, "rack1", 2), (region_controller, "region1", 3)):
        name = module.__name__.rpartition(".")[2]
        wish = {"hostname": hostname, "zone": "hall1"}
        foretold, done = run(module, check=True, **wish), run(module, **wish)
        assert done["diff"] == foretold["diff"] == {"before": {**wish, "zone": "default"}, "after": wish}
        assert (done[name]["zone"], done[name]["node_type"]) == ("hall1", kind)
        assert not run(module, **wish)["changed"]
        refused = run(module, hostname="moon", zone="hall1")
        assert refused["msg"].startswith(f"There is no {name.replace('_', ' ')} moon; ")
    gone = {"hostname": "rack1", "state": "absent"}
    assert run(rack_controller, check=True, **gone)["actions"] == ["delete rack controller rack1"]
    assert run(rack_controller, **gone)["rack_controller"] == {}
    assert not run(rack_controller, **gone)["changed"]
