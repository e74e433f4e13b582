# SPDX-License-Identifier: GPL-3.0-or-later
"""A subnet behind a router that relays DHCP: racks that the relay leads to serve it, in everything; no others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from rackyard.daemons.dhcp import render
from rackyard.daemons.registry import DAEMONS
from rackyard.region.context import Context
from rackyard.region.services.racks import desired, draining, names
from rackyard.region.services.site import overview
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import deadlines, racks

from . import test_whole_commissioning as whole
from .hardware import MAC
from .play import RACK_IP, AgentPlay, MachinePlay, another

agent, image, m1 = whole.agent, whole.image, whole.m1
commission, read = whole.commission, whole.read

FAR, FAR_IP, OTHER_IP = "10.90.0.0/24", "10.90.0.101", "10.20.0.3"
FAR_LABEL = "10-90-0-0--24"


@pytest.fixture
def far(api: Any, m1: str) -> str:
    """VLAN 7 with a subnet behind a router, relayed to the VLAN that rack1 is in; its path."""
    (near,) = api.get("fabrics/pxe-a/vlans/").get_json()
    path = "fabrics/pxe-a/vlans/7/"
    for where, data in (
        ("fabrics/pxe-a/vlans/", {"vid": 7, "relay_vlan": near["id"]}),
        ("subnets/", {"name": "far", "cidr": FAR, "fabric": "pxe-a", "vid": 7, "gateway_ip": "10.90.0.1"}),
        ("ipranges/", {"type": "dynamic", "start_ip": "10.90.0.100", "end_ip": "10.90.0.150"}),
    ):
        answer = api.post(where, data=data)
        assert answer.status_code == 200, answer.get_data(as_text=True)
    return path


@pytest.fixture
def other(agent: AgentPlay, far: str, world: Context, tmp_path: Path) -> AgentPlay:
    """A second rack in the VLAN that is relayed to."""
    return another(agent.rack.server, world, tmp_path, "rack2", ("mgmt0", "10.10.0.22/24"), ("pxe0", f"{OTHER_IP}/24"))


def far_network(play: AgentPlay) -> dict[str, Any]:
    section = play.rack.get("desired").body["dhcp"]
    render(section)
    (found,) = (each for each in section["networks"] if each["subnets"][0]["cidr"] == FAR)
    return dict(found)


def boots_behind_the_router(play: AgentPlay) -> dict[str, Any]:
    """Steps 5 to 9; the boot configuration."""
    play.lease(ip=FAR_IP)
    play.saw("loader", "nginx", "/ipxe.cfg by HTTP", ip=FAR_IP)
    answer = play.boot_config(client_ip=FAR_IP)
    assert answer.status == 200, answer.body
    play.saw("boot-config", "boot", f"iPXE configuration for {MAC}", mac=MAC, ip=FAR_IP)
    play.saw("image", "nginx", "filesystem.squashfs, 214.6 MiB in 3.1 s", ip=FAR_IP)
    return dict(answer.body)


def test_dhcp_of_a_relayed_subnet_names_the_racks_at_the_addresses_that_the_relay_leads_to(
    agent: AgentPlay, other: AgentPlay
) -> None:
    network = far_network(agent)
    assert len(agent.rack.get("desired").body["dhcp"]["networks"]) == 2, (
        "a network of its own: no rack's cable leads there"
    )
    (subnet,) = network["subnets"]
    assert subnet == {
        "cidr": FAR,
        "next_server": RACK_IP,
        "routers": ["10.90.0.1"],
        "dns_servers": [RACK_IP, OTHER_IP],
        "ntp_servers": [RACK_IP, OTHER_IP],
        "domain_name": "rackyard.internal",
        "pools": [{"start": "10.90.0.100", "end": "10.90.0.150"}],
    }
    assert other.rack.get("desired").body["dhcp"]["networks"] == [], "it is neither primary nor secondary there"


def test_two_racks_share_the_relayed_pool_as_they_do_their_own(api: Any, agent: AgentPlay, other: AgentPlay) -> None:
    for play, number in ((agent, 2), (other, 3)):
        interfaces = (("mgmt0", f"10.10.0.2{number - 1}/24"), ("pxe0", f"10.20.0.{number}/24"))
        play.rack.register(*interfaces, abilities=("dhcp_pair",))
    assert api.put("fabrics/pxe-a/vlans/0/", data={"secondary_rack": "rack2"}).status_code == 200
    section = agent.rack.get("desired").body["dhcp"]
    (pair,) = section["pairs"]
    assert [subnet["pair"] for each in section["networks"] for subnet in each["subnets"]] == [pair["name"]] * 2
    assert render(section).count(f'failover peer "{pair["name"]}";'.encode()) == 4, "strangers and known, near and far"
    assert far_network(other)["subnets"][0]["next_server"] == OTHER_IP


def test_daemons_of_the_racks_admit_the_relayed_subnet_and_daemons_of_others_do_not(
    api: Any, agent: AgentPlay, far: str, world: Context, tmp_path: Path
) -> None:
    elsewhere = another(
        agent.rack.server, world, tmp_path, "rack3", ("mgmt0", "10.10.0.23/24"), ("pxe0", "10.21.0.2/24")
    )
    allowed = (("dns", "trusted"), ("proxy", "clients"), ("ntp", "clients"), ("syslog", "clients"))
    body, region = agent.rack.get("desired").body, desired.for_region(world).body
    for daemon, key in allowed:
        assert body[daemon][key] == ["10.20.0.0/24", FAR], daemon
        assert FAR not in elsewhere.rack.get("desired").body[daemon][key]
    for daemon in ("dns", "proxy"):
        assert FAR in region[daemon][dict(allowed)[daemon]]
    assert FAR not in body["proxy"]["forbidden"]
    for daemon in DAEMONS:
        daemon.render(body[daemon.name])
    api.put("subnets/far/", data={"allow_dns": "false", "allow_proxy": "false"})
    body = agent.rack.get("desired").body
    assert body["dns"]["trusted"] == body["proxy"]["clients"] == ["10.20.0.0/24"]


def test_name_of_the_relayed_subnet_leads_to_live_racks_in_use_and_reverse_names_to_where_they_are(
    agent: AgentPlay, other: AgentPlay, world: Context
) -> None:
    def addresses() -> set[str]:
        return {record.split()[2] for record in names.wanted(world)[0].labels.get(FAR_LABEL, ())}

    assert addresses() == {RACK_IP, OTHER_IP}
    assert [zone.name for zone in names.wanted(world)[1:]] == ["0.20.10.in-addr.arpa"]
    (shown,) = (each for each in overview.controllers(world)["subnets"] if each["cidr"] == FAR)
    assert [each["address"] for each in shown["members"]] == [RACK_IP, OTHER_IP]
    drained = draining.begin(world, COMMAND_LINE, "rack2")
    assert drained.handed_over == ["10.20.0.0/24", FAR]
    assert addresses() == {RACK_IP}


def test_machine_behind_a_router_is_commissioned(
    api: Any, agent: AgentPlay, client: FlaskClient, far: str, m1: str
) -> None:
    assert commission(api, m1).status_code == 200
    agent.report(agent.job())
    config = boots_behind_the_router(agent)
    assert f"log_host={RACK_IP}" in config["params"]
    (url,) = (each for each in config["params"] if each.startswith("cloud-config-url="))
    assert url.startswith(f"cloud-config-url=http://{FAR_LABEL}.rackyard.internal:5248/")
    machine = MachinePlay(client, ip=FAR_IP)
    machine.pull(config["boot_id"])
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    agent.report(agent.job(), "off")
    found = read(api, m1)
    assert found["status_name"] == "Ready"
    assert found["boot_interface"]["vlan"]["vid"] == 7
    assert found["ip_addresses"] == [FAR_IP]


def test_rack_keeps_a_boot_behind_a_router_as_the_region_would_answer_it(
    api: Any, agent: AgentPlay, other: AgentPlay, m1: str
) -> None:
    assert commission(api, m1).status_code == 200
    agent.report(agent.job())
    boot_id = boots_behind_the_router(agent)["boot_id"]
    for play, address in ((agent, RACK_IP), (other, OTHER_IP)):
        (line,) = play.rack.post("boot-metadata", {"boot_id": boot_id}).body["config"]["lines"]
        answered = play.boot_config(client_ip=FAR_IP, local_ip=address).body
        assert (line["mac"], line["local_ip"], line["params"]) == (MAC, address, answered["params"])


def test_only_racks_that_are_relayed_to_speak_of_machines_there(
    api: Any, agent: AgentPlay, far: str, m1: str, world: Context, tmp_path: Path
) -> None:
    elsewhere = another(
        agent.rack.server, world, tmp_path, "rack3", ("mgmt0", "10.10.0.23/24"), ("pxe0", "10.21.0.2/24")
    )
    assert commission(api, m1).status_code == 200
    agent.report(agent.job())
    boots_behind_the_router(agent)
    refused = elsewhere.boot_config(client_ip=FAR_IP)
    assert (refused.status, "is in no subnet that rack rack3 serves" in refused.error) == (403, True)
    assert api.put(far, data={"relay_vlan": ""}).status_code == 200
    assert agent.boot_config(client_ip=FAR_IP).status == 403
    assert [each["subnets"][0]["cidr"] for each in agent.rack.get("desired").body["dhcp"]["networks"]] == [
        "10.20.0.0/24"
    ]


def test_machine_behind_a_router_is_waited_for_while_its_racks_are_silent(
    api: Any, agent: AgentPlay, client: FlaskClient, far: str, m1: str, world: Context
) -> None:
    assert commission(api, m1).status_code == 200
    agent.report(agent.job())
    machine = MachinePlay(client, ip=FAR_IP)
    machine.pull(boots_behind_the_router(agent)["boot_id"])
    assert machine.signal("WORKING").status_code == 200
    world.clock.advance(40)  # type: ignore[attr-defined]  # a test's clock
    assert racks.bury_dead_racks(world) == 1
    world.clock.advance(560)  # type: ignore[attr-defined]  # a test's clock
    assert deadlines.fail_past_deadline(world) == 0, "its rack keeps what it says"
    agent.rack.get("boots")  # heard of again
    assert deadlines.fail_past_deadline(world) == 0, "what the rack has kept is on its way"
    world.clock.advance(600)  # type: ignore[attr-defined]  # a test's clock
    agent.rack.get("boots")
    assert deadlines.fail_past_deadline(world) == 1
