# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that nobody has registered describes itself and waits, and what nobody on its network can do with that."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import NotFound, TooEarly
from rackyard.region.services.boots import answer, enlisting
from rackyard.region.services.boots.answer import BootQuery
from rackyard.region.services.network import domains, zones
from rackyard.region.services.operations import enlistment

from . import test_whole_commissioning as whole
from .conftest import MovableClock
from .hardware import MAC, SECOND_MAC, outputs
from .play import BMC, RACK_IP, AgentPlay, MachinePlay, boot_id_of, declare_network, register_machine

agent, image, machine = whole.agent, whole.image, whole.machine
POWER = {
    "power_type": "ipmi", "power_parameters_power_address": BMC, "power_parameters_power_user": "admin",
    "power_parameters_power_pass": "secret-of-bmc",
}  # fmt: skip
STRANGER = "52:54:00:00:00:99"


@pytest.fixture
def network(api: Any, agent: AgentPlay, image: str) -> AgentPlay:
    """A rack in a subnet in which machines may enlist."""
    declare_network(api, agent.rack.system_id)
    return mode(api, agent, "new")


def mode(api: Any, agent: AgentPlay, wanted: str) -> AgentPlay:
    answer = api.put("subnets/pxe-a/", data={"enlistment": wanted})
    assert (answer.status_code, answer.get_json()["enlistment"]) == (200, wanted)
    return agent


def described(mac: str, *more: str, **system: str) -> dict[str, bytes]:
    """What a machine with these MACs prints; `system` is its SMBIOS where it differs."""
    printed = outputs()
    network = json.loads(printed["20-network"])
    model = network["nics"][0]
    network |= {
        "boot_mac": mac,
        "nics": [model | {"name": f"ens{n}", "mac": each} for n, each in enumerate((mac, *more))],
    }
    firmware = json.loads(printed["10-firmware"])
    firmware["system"] |= system
    return {"20-network": json.dumps(network).encode(), "10-firmware": json.dumps(firmware).encode()}


def enlist(agent: AgentPlay, client: FlaskClient, mac: str = MAC, ip: str = "10.20.0.101", **printed: bytes) -> Any:
    """The whole way of one machine; its last word's answer."""
    agent.lease(ip, mac)
    answer = agent.boot_config(mac=mac, client_ip=ip)
    assert answer.status == 200, answer.body
    play = MachinePlay(client, ip=ip)
    play.pull(answer.body["boot_id"])
    play.run_scripts({name.replace("_", "-"): body for name, body in printed.items()})
    return play.signal("OK")


def every(api: Any) -> list[dict[str, Any]]:
    return list(api.get("machines/").get_json())


def events(api: Any, kind: str) -> list[str]:
    found = api.get("events/?op=query&level=DEBUG&limit=1000").get_json()["events"]
    return [event["description"] for event in found if event["type"] == kind]


def test_machine_enlists_waits_is_accepted_and_commissioned(
    api: Any, network: AgentPlay, machine: MachinePlay, world: Context
):
    assert network.boot_config().status == 425, "its lease is not known yet"
    config = network.boots()
    assert (config["purpose"], config["hostname"]) == ("enlisting", None)
    assert config["params"][:4] == [
        "boot=live", f"fetch=http://10.20.0.2:5248{config['squashfs']}", "BOOTIF=01-52-54-00-00-00-01", "panic=20",
    ]  # fmt: skip
    assert boot_id_of(config["params"]) == config["boot_id"]
    assert network.boot_config().body == config, "a loader that asks again is in the same boot"

    user_data = machine.pull(config["boot_id"])
    assert "apt_sources" not in user_data
    assert set(machine.scripts()) == set(outputs())
    assert machine.post(f"status/{config['boot_id']}", json={"event_type": "start", "name": "x"}).status_code == 204
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    assert machine.signal("OK").status_code == 200, "the answer may have been lost"

    (known,) = every(api)
    path = f"machines/{known['system_id']}/"
    assert (known["status_name"], known["hostname"]) == ("New", f"machine-{known['system_id']}")
    assert (known["architecture"], known["power_type"], known["owner"]) == ("amd64/generic", "", None)
    assert (known["cpu_count"], known["memory"]) == (2, 2048)
    assert known["boot_interface"]["mac_address"] == MAC
    assert {nic["mac_address"] for nic in known["interface_set"]} == {MAC, SECOND_MAC}
    assert known["hardware_info"]["system_serial"] == "SN-M1"
    assert api.get(f"machines/?op=is_registered&mac_address={SECOND_MAC}").get_json() is True
    assert network.boot_config().body["purpose"] == "local"
    for again in (machine.get("latest/maas-scripts"), machine.signal("WORKING")):
        assert again.status_code == 401, "its credentials are gone"

    # Nobody answers for it before it is accepted, and by its address it can be given no name.
    (nic,) = [nic for nic in known["interface_set"] if nic["mac_address"] == MAC]
    link = {"mode": "static", "subnet": "pxe-a", "ip_address": "10.20.0.50"}
    assert api.post(f"nodes/{known['system_id']}/interfaces/{nic['id']}/?op=link_subnet", data=link).status_code == 200
    assert (told(network), named(world)) == (False, False)
    accepted = api.post("machines/?op=accept", data={"machines": known["system_id"]})
    assert [each["status_name"] for each in accepted.get_json()] == ["New"]
    assert "power_type is not set" in events(api, "COMMISSIONING_NOT_STARTED")[-1]
    assert (told(network), named(world)) == (True, True)

    assert api.put(path, data=POWER).status_code == 200
    (again,) = api.post("machines/?op=accept", data={"machines": known["system_id"]}).get_json()
    assert again["status_name"] == "Commissioning"
    assert network.job()["kind"] == "power_on"


def told(agent: AgentPlay) -> bool:
    """Whether the rack's DHCP is told of the machine."""
    return MAC in json.dumps(agent.rack.get("desired").body)


def named(world: Context) -> bool:
    """Whether a name leads to it."""
    with world.db.transaction() as tx:
        return "10.20.0.50" in zones.published(tx, domains.internal(world)).pointers


def test_subnet_that_is_off_knows_only_registered_machines(api: Any, network: AgentPlay, execute: Any):
    mode(api, network, "off").lease()
    refused = network.boot_config()
    assert (refused.status, "register it with mac_addresses" in refused.error) == (404, True)
    assert execute("SELECT count(*) FROM enlistment") == [(0,)]
    wrong = api.put("subnets/pxe-a/", data={"enlistment": "yes"})
    assert (wrong.status_code, "off, new, commission" in wrong.get_json()["enlistment"][0]) == (400, True)


def test_commission_waits_for_a_power_type(api: Any, network: AgentPlay, client: FlaskClient):
    mode(api, network, "commission")
    assert enlist(network, client).status_code == 200
    (known,) = every(api)
    assert known["status_name"] == "New"
    given = api.put(f"machines/{known['system_id']}/", data=POWER)
    assert (given.status_code, given.get_json()["status_name"]) == (200, "Commissioning")


def test_accept_takes_all_that_wait_and_no_registered_machine(api: Any, network: AgentPlay, client: FlaskClient):
    m9 = register_machine(api, "m9", STRANGER)
    refused = api.post("machines/?op=accept", data={"machines": m9})
    assert (refused.status_code, "did not come by enlistment" in refused.get_data(as_text=True)) == (409, True)
    enlist(network, client)
    assert [len(api.post("machines/?op=accept_all").get_json()) for _turn in range(2)] == [1, 0]
    assert api.post("machines/?op=accept").status_code == 400


def test_forged_mac_of_a_deployed_machine_changes_nothing(
    api: Any, network: AgentPlay, client: FlaskClient, execute: Any
):
    m1 = register_machine(api)
    execute("UPDATE machine SET status = 6")
    network.lease(mac=MAC)
    before = whole.read(api, m1)
    assert network.boot_config().body == {"purpose": "local", "hostname": "m1"}
    # It boots from a MAC that nobody has, and says that the other one is its own.
    assert enlist(network, client, STRANGER, "10.20.0.150", **named_as(described(STRANGER, MAC))).status_code == 200
    assert every(api) == [before]
    (words,) = events(api, "ENLISTMENT_KNOWN_MACHINE")
    assert "a new NIC of m1" in words


def named_as(printed: dict[str, bytes]) -> dict[str, bytes]:
    return {name.replace("-", "_"): body for name, body in printed.items()}


def test_clone_of_a_uuid_is_a_contradiction_and_no_machine(api: Any, network: AgentPlay, client: FlaskClient):
    assert enlist(network, client).status_code == 200
    (first,) = every(api)
    clone = named_as(described(STRANGER, serial="SN-OTHER"))
    assert enlist(network, client, STRANGER, "10.20.0.150", **clone).status_code == 200
    assert [each["system_id"] for each in every(api)] == [first["system_id"]]
    (words,) = events(api, "ENLISTMENT_CONTRADICTION")
    assert "another serial number (SN-M1) than it says (SN-OTHER)" in words
    assert [each["context"] for each in api.get("notifications/").get_json()] == [{"words": words}]
    # The whole machine again, with another NIC: nobody makes a second one of it.
    same = named_as(described("52:54:00:00:00:77"))
    assert enlist(network, client, "52:54:00:00:00:77", "10.20.0.151", **same).status_code == 200
    assert (len(every(api)), len(events(api, "ENLISTMENT_KNOWN_MACHINE"))) == (1, 1)
    # What all boards of a vendor say is nobody's.
    vendors = {"uuid": "03000200-0400-0500-0006-000700080009", "serial": "Default string"}
    for number, mac in enumerate(("52:54:00:00:00:31", "52:54:00:00:00:32")):
        blank = named_as(described(mac, **vendors))
        assert enlist(network, client, mac, f"10.20.0.{160 + number}", **blank).status_code == 200
    assert len(every(api)) == 3


def test_flood_leaves_a_known_machine_quick_and_the_queue_bounded(
    api: Any, network: AgentPlay, machine: MachinePlay, world: Context, execute: Any
):
    m1 = register_machine(api)
    assert whole.commission(api, m1).status_code == 200
    network.report(network.job())
    own = network.boots()
    fakes = [(f"02:00:00:00:{n // 256:02x}:{n % 256:02x}", f"10.20.0.{102 + n % 99}") for n in range(1000)]
    # dhcpd has 99 addresses for them.
    for mac, ip in fakes[:99]:
        execute("INSERT INTO lease (ip, mac, state, at) VALUES (%s, %s, 'commit', now())", (ip, mac))
    ((rack_id,),) = execute("SELECT id FROM rack")
    rack = Rack(rack_id, network.rack.system_id, "rack1")

    def ask(fake: tuple[str, str]) -> str:
        query = BootQuery(fake[0], "amd64", "ipxe", fake[1], RACK_IP)
        for _turn in range(100):
            try:
                return str(answer.configuration(world, rack, query)["purpose"])
            except NotFound:
                return "refused"
            except TooEarly:
                continue  # as a loader does, with pauses
        return "tired"

    took = []
    with ThreadPoolExecutor(8) as pool:
        flood = [pool.submit(ask, fake) for fake in fakes]
        while not all(each.done() for each in flood):
            began = time.monotonic()
            assert network.boot_config().body == own
            took.append(time.monotonic() - began)
    given = [each.result() for each in flood]
    assert set(given) <= {"enlisting", "refused", "tired"}
    assert max(took) < 2
    assert given.count("enlisting") == enlisting.MAX_OPEN
    assert execute("SELECT count(*) FROM enlistment") == [(enlisting.MAX_OPEN,)]
    assert len(events(api, "ENLISTMENT_REFUSED")) == 1
    assert machine.preseed(own["boot_id"]).status_code == 200


def test_credentials_open_one_report_at_one_address_for_half_an_hour(
    api: Any, network: AgentPlay, machine: MachinePlay, client: FlaskClient, clock: MovableClock, execute: Any
):
    config = network.boots()
    network.lease("10.20.0.150", STRANGER)
    assert MachinePlay(client, ip="10.20.0.150").preseed(config["boot_id"]).status_code == 403
    machine.pull(config["boot_id"])
    thief = MachinePlay(client, ip="10.20.0.150", header=machine.header)
    assert thief.get("latest/maas-scripts").status_code == 403
    assert thief.signal("FAILED").status_code == 403
    assert client.get("/MAAS/api/2.0/machines/", headers={"Authorization": machine.header}).status_code == 401
    other = network.boot_config(mac=STRANGER, client_ip="10.20.0.150").body
    assert machine.preseed(other["boot_id"]).status_code == 403
    own, foreign = machine.scripts(), MachinePlay(client, ip="10.20.0.150")
    foreign.pull(other["boot_id"])
    strange = {"script_result_id": foreign.scripts()["20-cpu"], "name": "20-cpu", "exit_status": 0}
    assert machine.signal("WORKING", **strange).status_code == 400
    assert execute("SELECT DISTINCT status FROM enlistment_result") == [(0,)]
    # Some more than it may print: that was the attempt, and there is no other one soon.
    half = b"x" * (enlistment.REPORT_LIMIT_BYTES // 2 + 1)
    sent = []
    for name in ("20-cpu", "20-memory"):
        fields = {"script_result_id": own[name], "name": name, "exit_status": 0}
        sent.append(machine.signal("WORKING", {f"{name}.out": half}, **fields).status_code)
    assert sent == [200, 413]
    assert machine.signal("OK").status_code == 200
    assert (network.boot_config().status, every(api)) == (404, [])
    clock.advance(601)
    network.lease(at=clock.now().isoformat())
    again = network.boot_config().body
    machine.read_preseed(again["boot_id"])
    clock.advance(1801)
    assert machine.get("latest/maas-scripts").status_code == 401
    assert machine.signal("OK").status_code == 401
