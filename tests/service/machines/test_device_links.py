# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs of devices are linked to subnets as those of machines; what racks are told is in rpc/test_reservations.py."""

from __future__ import annotations

import pytest

from .test_api import M1
from .test_devices import MAC, SW1, made, refusal


@pytest.fixture
def network(api) -> dict:
    """Subnets `boot` and `store`, each in a fabric of its own, by name."""
    found = {}
    for name, cidr in (("boot", "10.20.0.0/24"), ("store", "10.99.0.0/24")):
        api.post("fabrics/", data={"name": name})
        found[name] = api.post("subnets/", data={"name": name, "cidr": cidr, "fabric": name}).json
    return found


@pytest.fixture
def nic(api, network) -> str:
    return f"nodes/{made(api, **SW1)['system_id']}/interfaces/eth0/"


@pytest.fixture
def linked(api, nic):
    """Link the device's NIC, and give the answer."""
    return lambda mode, **more: api.post(f"{nic}?op=link_subnet", data={"mode": mode, **more})


def test_device_is_linked_and_unlinked(api, nic, linked, network, lease, execute) -> None:
    path = f"devices/{nic.split('/')[1]}/"
    assert linked("link_up").json["links"][0]["mode"] == "link_up"
    shown = linked("static", subnet="boot", ip_address="10.20.0.1").json
    assert shown["vlan"]["id"] == network["boot"]["vlan"]["id"], "it is in the VLAN of its subnet"
    assert [(each["mode"], each["ip_address"]) for each in shown["links"]] == [("static", "10.20.0.1")]
    assert shown["links"][0]["subnet"] == api.get("subnets/boot/").json
    linked("auto", subnet="boot")
    shown = linked("dhcp", subnet="boot").json
    assert [(each["mode"], each.get("ip_address"), each["subnet"]["name"]) for each in shown["links"]] == [
        ("static", "10.20.0.1", "boot"), ("auto", "10.20.0.2", "boot"), ("dhcp", None, "boot"),
    ]  # fmt: skip
    lease("10.20.0.77", MAC, 600)
    device = api.get(path).json
    assert device["ip_addresses"] == ["10.20.0.1", "10.20.0.2", "10.20.0.77"]
    assert device["interface_set"][0]["links"] == shown["links"]
    assert [each["ip_address"] for each in device["interface_set"][0]["discovered"]] == ["10.20.0.77"]
    listed = api.get("subnets/boot/?op=ip_addresses").json
    assert [(each["ip"], each["alloc_type"], each["node_summary"]["node_type"]) for each in listed] == [
        ("10.20.0.1", 1, 1), ("10.20.0.2", 0, 1),
    ]  # fmt: skip
    left = api.post(f"{nic}?op=unlink_subnet", data={"id": shown["links"][0]["id"]}).json["links"]
    assert left == shown["links"][1:]
    assert "its links are" in refusal(api.post(f"{nic}?op=unlink_subnet", data={"id": 99999}), "id")
    told = execute("SELECT action, node FROM audit WHERE name = '10.20.0.1 of eth0 of sw1' ORDER BY id")
    assert told == [(action, nic.split("/")[1]) for action in ("create", "delete")]
    assert api.put(nic, data={"vlan": network["store"]["vlan"]["id"]}).json["links"][0]["mode"] == "dhcp", "as leased"
    assert api.get(path).json["ip_addresses"] == ["10.20.0.77"], "in another VLAN its links are gone"


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("mode", {"mode": "sideways"}),
        ("subnet", {"mode": "auto"}),
        ("subnet", {"mode": "auto", "subnet": "moon"}),
        ("ip_address", {"mode": "dhcp", "subnet": "boot", "ip_address": "10.20.0.9"}),
        ("ip_address", {"mode": "static", "subnet": "boot", "ip_address": "10.99.0.9"}),
        ("default_gateway", {"mode": "auto", "subnet": "boot", "default_gateway": "true"}),
    ],
)
def test_link_that_cannot_be_is_refused(api, nic, linked, field: str, wish: dict) -> None:
    assert refusal(linked(**wish), field)
    assert api.get(nic).json["links"] == []


def test_address_is_one_hosts_alone_and_the_network_is_not_changed_under_it(api, nic, linked, network) -> None:
    kept = {"subnet": "boot", "ip_address": "10.20.0.50"}
    assert linked("static", **kept).status_code == 200
    m1 = f"nodes/{api.post('machines/', data=M1).json['system_id']}/interfaces/eth0/?op=link_subnet"
    assert "device sw1 (eth0)" in refusal(api.post(m1, data={"mode": "static", **kept}), "ip_address")
    assert api.post(m1, data={"mode": "auto", "subnet": "boot"}).json["links"][0]["ip_address"] == "10.20.0.1"
    assert "machine m1 (eth0)" in refusal(linked("static", subnet="boot", ip_address="10.20.0.1"), "ip_address")
    ends = {"type": "dynamic", "start_ip": "10.20.0.40", "end_ip": "10.20.0.60"}
    assert "10.20.0.50 is the address of device sw1 (eth0)" in refusal(api.post("ipranges/", data=ends), "start_ip")
    held = api.delete("subnets/boot/")
    assert held.status_code == 409
    assert "Machines and devices are linked to subnet boot (10.20.0.0/24): m1 (eth0 10.20.0.1), sw1 (" in held.text
    assert "force=true" in refusal(linked("auto", subnet="store"), "subnet")
    (moved,) = linked("auto", subnet="store", force="true").json["links"]
    assert moved["ip_address"] == "10.99.0.1"
    assert api.delete(f"devices/{nic.split('/')[1]}/").status_code == 204
    assert api.delete("subnets/store/").status_code == 204, "the address went with the device"
