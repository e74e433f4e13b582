# SPDX-License-Identifier: GPL-3.0-or-later
"""A VLAN with a subnet of each family: who serves IPv6 there, and a machine that boots at an address of IPv6."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons.dhcp import render as render_dhcp
from rackyard.daemons.dhcp6 import render as render_dhcp6
from rackyard.daemons.ra import render as render_ra
from rackyard.region.context import Context
from rackyard.region.services.racks import names

from . import test_whole_commissioning as whole
from .hardware import MAC
from .play import INTERFACES, AgentPlay, MachinePlay, another

agent, image, m1 = whole.agent, whole.image, whole.m1
commission = whole.commission

CIDR, RACK6, OTHER6 = "fd00:20::/64", "fd00:20::2", "fd00:20::3"
START, END = "fd00:20::1:0", "fd00:20::1:fff"
MACHINE6 = "fd00:20::1:a"
LABEL = "fd00-20----64"


@pytest.fixture
def dual(api: Any, agent: AgentPlay, m1: str) -> AgentPlay:
    """The rack, in a VLAN with a subnet of IPv6 besides the one of IPv4."""
    agent.rack.register(*INTERFACES, ("pxe0", f"{RACK6}/64"))
    for where, data in (
        (
            "subnets/",
            {"name": "six", "cidr": CIDR, "fabric": "pxe-a", "vid": 0, "dns_servers": "192.0.2.53 2001:db8::53"},
        ),
        ("ipranges/", {"type": "dynamic", "start_ip": START, "end_ip": END}),
    ):
        answer = api.post(where, data=data)
        assert answer.status_code == 200, answer.get_data(as_text=True)
    return agent


@pytest.fixture
def other(api: Any, dual: AgentPlay, world: Context, tmp_path: Path) -> AgentPlay:
    """A second rack in the VLAN, its secondary one."""
    play = another(
        dual.rack.server, world, tmp_path, "rack2", ("mgmt0", "10.10.0.22/24"), ("pxe0", "10.20.0.3/24"),
        ("pxe0", f"{OTHER6}/64"),
    )  # fmt: skip
    assert api.put("fabrics/pxe-a/vlans/0/", data={"secondary_rack": "rack2"}).status_code == 200
    return play


def section(play: AgentPlay, name: str = "dhcp6") -> dict[str, Any]:
    return dict(play.rack.get("desired").body[name])


def pools(play: AgentPlay) -> list[tuple[str, str]]:
    """What the rack gives out, in the order of their text."""
    return sorted(
        (pool["start"], pool["end"])
        for network in section(play)["networks"]
        for subnet in network["subnets"]
        for pool in subnet["pools"]
    )


def test_rack_serves_each_family_by_a_section_of_its_own(dual: AgentPlay) -> None:
    (network,) = section(dual)["networks"]
    assert network["subnets"] == [
        {
            "cidr": CIDR,
            "server": RACK6,
            "dns_servers": [RACK6, "2001:db8::53"],
            "ntp_servers": [RACK6],
            "domain_name": "rackyard.internal",
            "pools": [{"start": START, "end": END}],
        }
    ]
    assert f"range6 {START} {END};".encode() in render_dhcp6(section(dual))
    (older,) = section(dual, "dhcp")["networks"]
    assert [subnet["cidr"] for subnet in older["subnets"]] == ["10.20.0.0/24"]
    render_dhcp(section(dual, "dhcp"))


def test_servers_of_names_are_told_to_the_family_that_can_ask_them(api: Any, dual: AgentPlay) -> None:
    servers = {"dns_servers": "192.0.2.53 2001:db8::53"}
    assert api.put("subnets/pxe-a/", data=servers).status_code == 200
    (older,), (newer,) = section(dual, "dhcp")["networks"], section(dual)["networks"]
    assert older["subnets"][0]["dns_servers"] == ["10.20.0.2", "192.0.2.53"], "dhcpd would refuse the whole file"
    assert newer["subnets"][0]["dns_servers"] == [RACK6, "2001:db8::53"]
    render_dhcp(section(dual, "dhcp"))


def test_daemons_admit_the_machines_of_ipv6(dual: AgentPlay) -> None:
    for daemon, key in (("dns", "trusted"), ("proxy", "clients"), ("ntp", "clients"), ("syslog", "clients")):
        assert section(dual, daemon)[key] == ["10.20.0.0/24", CIDR], daemon
    assert f"{RACK6}/128" in section(dual, "proxy")["forbidden"]


def test_two_racks_have_half_of_each_range_and_keep_it_when_one_dies(
    api: Any, dual: AgentPlay, other: AgentPlay, execute: Any
) -> None:
    single = {"type": "dynamic", "start_ip": "fd00:20::9", "end_ip": "fd00:20::9"}
    odd = {"type": "dynamic", "start_ip": "fd00:20::11", "end_ip": "fd00:20::13"}
    for data in (single, odd):
        assert api.post("ipranges/", data=data).status_code == 200
    first = [("fd00:20::11", "fd00:20::12"), (START, "fd00:20::1:7ff"), ("fd00:20::9",) * 2]
    second = [("fd00:20::13",) * 2, ("fd00:20::1:800", END)]
    assert (pools(dual), pools(other)) == (first, second)
    execute("UPDATE rack SET alive = false WHERE hostname = 'rack1'")
    assert pools(other) == second
    assert section(other)["networks"][0]["subnets"][0]["dns_servers"][:2] == [OTHER6, RACK6]


@pytest.mark.parametrize("change", [{"dhcp_on": "false"}, {"primary_rack": "rack2", "secondary_rack": ""}])
def test_rack_that_is_not_to_serve_the_vlan_serves_no_ipv6_there(
    api: Any, dual: AgentPlay, other: AgentPlay, change: dict[str, str]
) -> None:
    assert api.put("fabrics/pxe-a/vlans/0/", data=change).status_code == 200
    assert section(dual)["networks"] == []


def test_rack_without_an_address_of_ipv6_cannot_be_named_where_there_is_a_range_of_it(
    api: Any, dual: AgentPlay, world: Context, tmp_path: Path
) -> None:
    another(dual.rack.server, world, tmp_path, "rack3", ("mgmt0", "10.10.0.23/24"), ("pxe0", "10.20.0.4/24"))
    answer = api.put("fabrics/pxe-a/vlans/0/", data={"secondary_rack": "rack3"})
    assert answer.status_code == 400
    assert f"Rack rack3 has no address in {CIDR}" in answer.get_data(as_text=True)


def test_rack_advertises_the_network_only_where_a_person_said_that_no_router_does(
    api: Any, dual: AgentPlay, other: AgentPlay
) -> None:
    assert section(dual, "ra") == {"interfaces": []}
    assert api.put("subnets/six/", data={"router_advertisements": "true"}).get_json()["router_advertisements"] is True
    for play in (dual, other):
        assert section(play, "ra")["interfaces"] == [{"name": "pxe0", "mtu": 1500, "dhcp": True, "prefixes": [CIDR]}]
        render_ra(section(play, "ra"))
    ranges = api.get("ipranges/").get_json()
    (six,) = [each["id"] for each in ranges if each["start_ip"] == START]
    api.delete(f"ipranges/{six}/")
    (one,) = section(dual, "ra")["interfaces"]
    assert (one["dhcp"], one["prefixes"]) == (False, [CIDR]), "nobody answers DHCP for IPv6 there"
    answer = api.put("subnets/pxe-a/", data={"router_advertisements": "true"})
    assert "Router advertisements are of IPv6" in answer.get_data(as_text=True)


def test_machine_boots_at_its_address_of_ipv6_by_the_name_of_that_subnet(
    api: Any, dual: AgentPlay, m1: str, world: Context, client: Any
) -> None:
    zone = names.wanted(world)[0]
    assert zone.labels[LABEL] == {f"15 AAAA {RACK6}"}
    commission(api, m1)
    dual.report(dual.job())
    # Of the other family it may have an address as well: that says nothing about this one.
    dual.lease()
    dual.lease(ip=MACHINE6)
    answer = dual.boot_config(firmware="grub", client_ip=MACHINE6, local_ip=RACK6)
    assert answer.status == 200, answer.body
    params = answer.body["params"]
    assert any(word.startswith(f"fetch=http://[{RACK6}]:5248/images/") for word in params)
    assert f"BOOTIF=01-{MAC.replace(':', '-')}" in params
    assert any(word.startswith(f"cloud-config-url=http://{LABEL}.rackyard.internal:5248/") for word in params)
    assert f"rackyard.address6={MACHINE6}/64" in params, "the initramfs has no DHCP for IPv6"
    older = dual.boot_config().body["params"]
    assert not any("address6" in word or "[" in word for word in older if not word.startswith("cc:"))
    machine = MachinePlay(client, ip=MACHINE6, peer=RACK6)
    assert machine.preseed(answer.body["boot_id"]).status_code == 200


def test_address_of_ipv6_that_is_leased_to_another_gets_no_metadata(
    api: Any, dual: AgentPlay, m1: str, client: Any
) -> None:
    commission(api, m1)
    dual.report(dual.job())
    dual.lease(ip=MACHINE6)
    boot_id = dual.boot_config(firmware="grub", client_ip=MACHINE6, local_ip=RACK6).body["boot_id"]
    dual.lease(ip="fd00:20::1:b", mac="52:54:00:99:99:99")
    assert MachinePlay(client, ip="fd00:20::1:b", peer=RACK6).preseed(boot_id).status_code == 403
