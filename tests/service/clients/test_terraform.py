# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Terraform's provider for MAAS (2.4), replayed: it sends all its parameters always, and fails a plan, or
plans the same change for ever, unless it reads back what it has sent. Neither Debian nor PyPI has the provider."""

from __future__ import annotations

from typing import Any

import pytest

MAC = "52:54:00:20:01:01"
MACHINE = {
    "commission": "false",
    "hostname": "m1",
    "description": "of a plan",
    "power_type": "ipmi",
    "power_parameters_power_address": "172.16.0.11",
    "power_parameters_power_user": "maas",
    "power_parameters_power_pass": "s3cret-pass",
    "architecture": "amd64/generic",
    "mac_addresses": [MAC],
    "domain": "",
    "min_hwe_kernel": "",
    "pool": "web",
    "zone": "east",
}
RECORD = {"name": "www", "domain": "lab.example.org", "ip_addresses": "10.20.0.5", "address_ttl": "300"}
# A resource: where it is made, with what; its own URL; what a changed plan sends.
LIVES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "maas_fabric": ("fabrics/", {"name": "dc1"}, "fabrics/{id}/", {"name": "dc2"}),
    "maas_vlan": (
        "fabrics/{fabric}/vlans/",
        {"vid": "20", "mtu": "9000", "dhcp_on": "false", "name": "web", "space": "dmz"},
        "fabrics/{fabric}/vlans/20/",
        {"vid": "20", "mtu": "1500", "dhcp_on": "false", "name": "web2", "space": "dmz"},
    ),
    "maas_subnet": (
        "subnets/",
        {
            "cidr": "10.88.0.0/24",
            "name": "of-a-plan",
            "vlan": "{vlan}",
            "gateway_ip": "10.88.0.1",
            "dns_servers": ["10.88.0.2", "10.88.0.3"],
            "rdns_mode": "2",
            "allow_dns": "true",
            "allow_proxy": "true",
        },
        "subnets/{id}/",
        {"name": "of-a-plan", "gateway_ip": "10.88.0.254", "dns_servers": ["10.88.0.2"], "rdns_mode": "2"},
    ),
    "maas_subnet_ip_range": (
        "ipranges/",
        {"type": "reserved", "subnet": "{subnet}", "start_ip": "10.20.0.10", "end_ip": "10.20.0.20", "comment": "a"},
        "ipranges/{id}/",
        {"type": "reserved", "subnet": "{subnet}", "start_ip": "10.20.0.10", "end_ip": "10.20.0.30", "comment": "b"},
    ),
    "maas_space": ("spaces/", {"name": "back"}, "spaces/{id}/", {"name": "front"}),
    "maas_tag": (
        "tags/",
        {"name": "fast", "comment": "of a plan", "definition": "", "kernel_opts": "quiet"},
        "tags/{name}/",
        {"name": "fast", "comment": "of another plan", "definition": "", "kernel_opts": ""},
    ),
    "maas_resource_pool": (
        "resourcepools/",
        {"name": "db", "description": "for databases"},
        "resourcepool/{id}/",
        {"name": "db2", "description": "for more of them"},
    ),
    "maas_zone": (
        "zones/",
        {"name": "west", "description": "a"},
        "zones/{name}/",
        {"name": "west", "description": "b"},
    ),
    "maas_dns_domain": (
        "domains/",
        {"name": "plan.example.org", "ttl": "600", "authoritative": "true"},
        "domains/{id}/",
        {"name": "plan.example.net", "ttl": "60", "authoritative": "true"},
    ),
    "maas_dns_record, A": ("dnsresources/", RECORD, "dnsresources/{id}/", {**RECORD, "ip_addresses": "10.20.0.6"}),
    "maas_dns_record, TXT": (
        "dnsresourcerecords/",
        {"name": "txt", "domain": "lab.example.org", "rrtype": "TXT", "rrdata": "a b", "ttl": "300"},
        "dnsresourcerecords/{id}/",
        {"rrdata": "c d", "ttl": "60"},
    ),
    "maas_machine": (
        "machines/",
        MACHINE,
        "machines/{system_id}/",
        {**MACHINE, "hostname": "m2", "pool": "default", "zone": "default"},
    ),
}
# What an answer shows under another name, or as an object.
SHOWN = {
    "vlan": lambda has: has["vlan"]["id"],
    "pool": lambda has: has["pool"]["name"],
    "zone": lambda has: has["zone"]["name"],
    "subnet": lambda has: has["subnet"]["id"],
    "mac_addresses": lambda has: [nic["mac_address"] for nic in has["interface_set"]],
    "ip_addresses": lambda has: has["ip_addresses"][0]["ip"],
    "name": lambda has: has["fqdn"].split(".")[0] if "fqdn" in has else has["name"],
}
# What no answer shows, or shows elsewhere.
UNSEEN = {"commission", "domain", "min_hwe_kernel", "rrtype", "rrdata"}


@pytest.fixture
def site(api) -> dict[str, Any]:
    """What the plans refer to."""
    fabric = api.post("fabrics/", data={"name": "lab"}).json
    subnet = api.post("subnets/", data={"cidr": "10.20.0.0/24", "fabric": fabric["id"], "vid": 0}).json
    api.post("spaces/", data={"name": "dmz"})
    api.post("zones/", data={"name": "east"})
    api.post("resourcepools/", data={"name": "web"})
    api.post("domains/", data={"name": "lab.example.org"})
    return {"fabric": fabric["id"], "vlan": fabric["vlans"][0]["id"], "subnet": subnet["id"]}


def filled(plan: dict[str, Any], site: dict[str, Any]) -> dict[str, Any]:
    """A plan with the ids of the site's own objects."""
    return {key: value.format(**site) if isinstance(value, str) else value for key, value in plan.items()}


def read_back(plan: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer has of that which was sent, in the form in which it was."""
    names = [name for name in plan if name not in UNSEEN and not name.startswith("power_parameters_")]
    found = {name: SHOWN[name](answer) if name in SHOWN else answer[name] for name in names}
    return {name: value if isinstance(value, list) else form(value) for name, value in found.items()}


def form(value: Any) -> str:
    """A value as a form has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def seen(plan: dict[str, Any]) -> dict[str, Any]:
    """What an answer has to have of a plan."""
    return {name: value for name, value in plan.items() if name not in UNSEEN and not name.startswith("power_param")}


@pytest.mark.parametrize("resource", LIVES)
def test_resource_is_made_read_changed_and_destroyed(api, site, resource: str) -> None:
    collection, first, place, second = LIVES[resource]
    made = api.post(f"{collection.format(**site)}?op=", data=filled(first, site))
    assert made.status_code in (200, 201), made.text
    at = place.format(**{**made.json, **site} if "{fabric}" in place else made.json)
    assert read_back(first, api.get(at).json) == seen(filled(first, site))
    changed = api.put(at, data=filled(second, site))
    assert changed.status_code == 200, changed.text
    at = place.format(**{**changed.json, **site} if "{fabric}" in place else changed.json)
    assert read_back(second, api.get(at).json) == seen(filled(second, site))
    again = api.put(at, data=filled(second, site))
    assert (again.status_code, again.json) == (200, changed.json), "the same plan once more changes nothing"
    assert api.delete(at).status_code == 204
    assert api.get(at).status_code == 404
