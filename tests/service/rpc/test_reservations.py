# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that are kept for machines: racks hear of them at once, and a commissioning leaves what people have set."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from rackyard.daemons.dhcp import render

from . import test_dhcp_pairs as pairs
from . import test_whole_commissioning as whole
from .conftest import RackClient
from .hardware import MAC, SECOND_MAC, outputs
from .play import AgentPlay, MachinePlay, register_machine

agent, image, m1, machine, pair = whole.agent, whole.image, whole.m1, whole.machine, pairs.pair
KEPT = "10.20.0.50"


def link(api: Any, system_id: str, nic: str = "eth0", **wish: object) -> dict[str, Any]:
    data = {"mode": "static", "subnet": "pxe-a", "ip_address": KEPT, **wish}
    answer = api.post(f"nodes/{system_id}/interfaces/{nic}/?op=link_subnet", data=data)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def dhcp(rack: RackClient) -> dict[str, Any]:
    return dict(rack.get("desired").body["dhcp"])


def seconds_until(rack: RackClient, change: Callable[[], object]) -> tuple[float, dict[str, Any]]:
    """How long a rack that waits for its document is left waiting after a change; and the DHCP section then."""
    known, answers = rack.get("desired").headers["ETag"], []

    def wait() -> None:
        answers.append((rack.get("desired?wait=20", {"If-None-Match": known}), time.monotonic()))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(1)
    began = time.monotonic()
    change()
    waiting.join(25)
    ((answer, at),) = answers
    return at - began, answer.body["dhcp"]


def test_reservation_is_told_and_taken_back_within_a_second_and_changes_no_file_of_dhcpd(
    api: Any, agent: AgentPlay, m1: str
):
    before = dhcp(agent.rack)
    assert before["reservations"] == {}
    took_s, section = seconds_until(agent.rack, lambda: link(api, m1))
    assert section["reservations"] == {MAC: [KEPT]}
    assert took_s < 1
    assert render(section) == render(before)
    path = f"nodes/{m1}/interfaces/eth0/?op=disconnect"
    took_s, section = seconds_until(agent.rack, lambda: api.post(path))
    assert (section["reservations"], took_s < 1) == ({}, True)


def test_each_change_of_a_nic_moves_its_reservation(api: Any, agent: AgentPlay, m1: str):
    link(api, m1)
    path = f"nodes/{m1}/interfaces/eth0/"
    assert api.put(path, data={"mac_address": "52:54:00:00:00:0a"}).status_code == 200
    assert dhcp(agent.rack)["reservations"] == {"52:54:00:00:00:0a": [KEPT]}
    assert api.put(path, data={"enabled": "false"}).status_code == 200
    assert dhcp(agent.rack)["reservations"] == {}
    assert api.put(path, data={"enabled": "true"}).status_code == 200
    assert dhcp(agent.rack)["reservations"] == {"52:54:00:00:00:0a": [KEPT]}
    took_s, section = seconds_until(agent.rack, lambda: api.delete(f"machines/{m1}/"))
    assert (section["reservations"], took_s < 1) == ({}, True)


def test_only_racks_that_answer_in_a_subnet_are_told_of_its_reservations(api: Any, agent: AgentPlay, m1: str):
    assert api.post("subnets/", data={"name": "far", "cidr": "10.77.0.0/24"}).status_code == 200
    assert api.post("subnets/", data={"name": "boot6", "cidr": "2001:db8::/64", "fabric": "pxe-a"}).status_code == 200
    link(api, m1)
    link(api, m1, subnet="boot6", ip_address="2001:db8::50")
    m2 = register_machine(api, "m2", SECOND_MAC, "10.30.0.12")
    link(api, m2, subnet="far", ip_address="10.77.0.50", force="true")
    assert dhcp(agent.rack)["reservations"] == {MAC: [KEPT]}


def test_address_of_a_device_is_told_as_a_machines_is(api: Any, agent: AgentPlay, m1: str):
    device = api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:00:0a:03"}).json["system_id"]
    link(api, m1)
    took_s, section = seconds_until(agent.rack, lambda: link(api, device, ip_address="10.20.0.51"))
    assert section["reservations"] == {MAC: [KEPT], "52:54:00:00:0a:03": ["10.20.0.51"]}
    assert took_s < 1
    took_s, section = seconds_until(agent.rack, lambda: api.delete(f"devices/{device}/"))
    assert (section["reservations"], took_s < 1) == ({MAC: [KEPT]}, True)


def test_both_racks_of_a_pair_keep_the_address_and_wait_for_nobody(api: Any, pair: tuple[RackClient, RackClient]):
    before = [dhcp(rack) for rack in pair]
    system_id = register_machine(api)
    link(api, system_id, mode="auto", ip_address="")
    after = [dhcp(rack) for rack in pair]
    assert [section["reservations"] for section in after] == [{MAC: ["10.20.0.1"]}] * 2
    assert [render(section) for section in after] == [render(section) for section in before]


def test_machine_is_commissioned_at_the_address_that_is_kept_for_it(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    link(api, m1)
    assert whole.commission(api, m1).status_code == 200
    agent.report(agent.job())
    agent.lease(ip=KEPT)
    agent.saw("loader", "nginx", "/ipxe.cfg by HTTP", ip=KEPT)
    answer = agent.boot_config(client_ip=KEPT)
    assert answer.status == 200, answer.body
    machine.ip = KEPT
    machine.pull(answer.body["boot_id"])
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    known = whole.read(api, m1)
    assert (known["status_name"], known["ip_addresses"]) == ("Ready", [KEPT])
    assert [each["ip_address"] for each in known["boot_interface"]["discovered"]] == [KEPT]


def recommission(api: Any, agent: AgentPlay, machine: MachinePlay, system_id: str, nics: list[dict[str, Any]]) -> None:
    """A commissioning that finds these NICs."""
    whole.until_scripts(api, agent, machine, system_id)
    machine.run_scripts({"20-network": json.dumps({"boot_mac": MAC, "nics": nics}).encode()})
    assert machine.signal("OK").status_code == 200
    assert whole.read(api, system_id)["status_name"] == "Ready"
    agent.report(agent.job(), "off")


def test_commissioning_leaves_what_people_have_set_and_says_what_went_with_a_nic(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    found = json.loads(outputs()["20-network"])["nics"]
    recommission(api, agent, machine, m1, found)
    path = f"nodes/{m1}/interfaces"
    store = api.post("fabrics/", data={"name": "store"}).json["vlans"][0]["id"]
    assert api.put(f"{path}/ens3/", data={"name": "front0", "tags": "fast", "mtu": 9000}).status_code == 200
    link(api, m1, "front0", default_gateway="false")
    assert api.put(f"{path}/ens4/", data={"vlan": store, "tags": "slow"}).status_code == 200
    assert api.post(f"{path}/ens4/?op=link_subnet", data={"mode": "dhcp"}).status_code == 200
    assert api.post(f"{path}/?op=create_physical", data={"mac_address": "52:54:00:00:00:0c"}).status_code == 200

    recommission(api, agent, machine, m1, [{**found[0], "name": "enp1s0", "driver": "e1000"}, found[1]])
    front, ens4, eth = sorted(whole.read(api, m1)["interface_set"], key=lambda nic: nic["mac_address"])
    assert (front["name"], front["tags"], front["effective_mtu"]) == ("front0", ["fast"], 9000)
    assert front["driver"] == "e1000", "which is found"
    assert [each["ip_address"] for each in front["links"]] == [KEPT]
    assert (ens4["vlan"]["id"], [each["mode"] for each in ens4["links"]]) == (store, ["dhcp"])
    assert eth["mac_address"] == "52:54:00:00:00:0c", "said by a person, though nobody finds it"

    recommission(api, agent, machine, m1, [{**found[0], "name": "ens4"}, {**found[1], "name": "front0"}])
    names = {nic["mac_address"]: nic["name"] for nic in whole.read(api, m1)["interface_set"]}
    assert (names[MAC], names[SECOND_MAC]) == ("front0", "enx525400000002"), "a name that a person gave is taken"

    recommission(api, agent, machine, m1, found[:1])
    events = api.get("events/?op=query&level=WARNING&limit=100").json["events"]
    (gone,) = [each["description"] for each in events if each["type"] == "INTERFACE_GONE"]
    assert gone == (
        f"NIC enx525400000002 ({SECOND_MAC}) is no longer there; with it went what was set for it: dhcp, its tags, its "
        "name or VLAN"
    )
    changed = [each["description"] for each in events if each["type"] == "HARDWARE_CHANGED"]
    assert changed == [f"since it was commissioned before: NIC {SECOND_MAC} is gone"], "once, and not for other names"
    assert dhcp(agent.rack)["reservations"] == {MAC: [KEPT]}


def test_address_of_a_bond_is_kept_for_each_of_its_nics(api: Any, agent: AgentPlay, m1: str):
    path = f"nodes/{m1}/interfaces/"
    assert api.post(f"{path}?op=create_physical", data={"mac_address": SECOND_MAC}).status_code == 200
    bond = {"parents": "eth0,eth1", "mac_address": "02:00:00:00:00:0b"}
    assert api.post(f"{path}?op=create_bond", data=bond).status_code == 200
    link(api, m1, "bond0")
    kept = {mac: [KEPT] for mac in (MAC, SECOND_MAC, "02:00:00:00:00:0b")}
    section = dhcp(agent.rack)
    assert section["reservations"] == kept
    assert sorted(section["hosts"]) == [MAC, SECOND_MAC], "NICs that may boot"


def test_what_was_made_of_a_nic_that_is_gone_goes_with_it_and_is_named(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    found = json.loads(outputs()["20-network"])["nics"]
    recommission(api, agent, machine, m1, found)
    path = f"nodes/{m1}/interfaces/"
    for op, wish in (("bond", {"parents": "ens4"}), ("bridge", {"parent": "bond0"})):
        assert api.post(f"{path}?op=create_{op}", data=wish).status_code == 200
    link(api, m1, "br0")
    recommission(api, agent, machine, m1, found)
    assert {nic["name"] for nic in api.get(path).json} == {"ens3", "ens4", "bond0", "br0"}
    recommission(api, agent, machine, m1, found[:1])
    assert {nic["name"] for nic in api.get(path).json} == {"ens3"}
    events = api.get("events/?op=query&level=WARNING&limit=100").json["events"]
    told = " ".join(each["description"] for each in events if each["type"] == "INTERFACE_GONE")
    assert f"br0 ({SECOND_MAC})" in told
    assert f"static {KEPT}" in told
    assert "bond0" in told
    assert dhcp(agent.rack)["reservations"] == {}
