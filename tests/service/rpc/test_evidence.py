# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks and strangers say of a boot counts only when it can be true, and is judged item by item."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rackyard import contracts
from rackyard.region.context import Context
from rackyard.region.services.boots import claims
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from . import test_whole_commissioning as whole
from .conftest import RackClient, key, now_iso, secret_of
from .hardware import MAC
from .play import MACHINE_IP, AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
commission, timeline = whole.commission, whole.timeline
STRANGER_IP, STRANGER_MAC = "10.20.0.150", "52:54:00:99:99:99"


@pytest.fixture
def other_rack(rack: RackClient, world: Context, tmp_path: Path) -> AgentPlay:
    """A second rack, enrolled as it should be, in networks of its own."""
    client = RackClient(rack.server, "rack2", tmp_path)
    assert client.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE))).status == 200
    client.register(("mgmt0", "10.10.0.22/24"), ("pxe0", "10.21.0.2/24"))
    return AgentPlay(client)


@pytest.fixture
def booting(api: Any, agent: AgentPlay, m1: str) -> str:
    """A machine that is powered on and has said nothing yet."""
    assert commission(api, m1).status_code == 200
    agent.report(agent.job())
    return m1


def outcomes(api: Any, system_id: str) -> list[str]:
    return [step["outcome"] for step in timeline(api, system_id)["steps"]]


def events_of(api: Any, kind: str) -> list[dict[str, Any]]:
    return [each for each in api.get("events/?op=query&level=WARNING").get_json()["events"] if each["type"] == kind]


def lease_item(**changes: Any) -> dict[str, Any]:
    return {
        "key": key(), "at": now_iso(), "action": "commit", "ip": MACHINE_IP, "mac": MAC, "lease_s": 600, **changes
    }  # fmt: skip


BAD_LEASES = [
    ({"at": "0001-01-01T00:00:00+14:00"}, "at must be a time in ISO 8601 with its offset, in the years 2000 to 2099"),
    ({"at": "9999-12-31T23:59:59+00:00"}, "at must be a time in ISO 8601"),
    ({"at": "2026-02-30T00:00:00+00:00"}, "at must be a time in ISO 8601"),
    ({"at": {"year": 1}}, "at must be text"),
    ({"lease_s": 12345678901234567890123}, "lease_s must be at most 4294967295"),
    ({"lease_s": True}, "lease_s must be a whole number"),
    ({"lease_s": 1.5}, "lease_s must be a whole number"),
    ({"ip": 17}, "ip must be text"),
    ({"ip": ["10.20.0.7"]}, "ip must be text"),
    ({"ip": "10.20.0.300"}, "ip must be an IP address"),
    ({"mac": {"a": 1}}, "mac must be text"),
    ({"action": ["commit"]}, "action must be one of commit, release, expiry"),
    ({"key": 5}, "key must be text"),
]


@pytest.mark.parametrize(("changed", "words"), BAD_LEASES)
def test_bad_lease_is_refused_by_name_and_keeps_no_other_back(
    api: Any, agent: AgentPlay, booting: str, changed: dict[str, Any], words: str
):
    bad = lease_item(**changed)
    answer = agent.rack.post("leases", {"leases": [bad, lease_item()]})
    assert answer.status == 200, answer.body
    assert contracts.read("batch-answer", answer.body)["taken"] == 1
    (refused,) = answer.body["refused"]
    assert refused["key"] == ("" if bad["key"] == 5 else bad["key"])
    assert words in refused["error"]
    assert outcomes(api, booting)[4] == "done", "the good one counts"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"type": ["loader"]}, "type must be one of loader, boot-config, image"),
        ({"daemon": {}}, "daemon must be one of in.tftpd, dhcpd, nginx, boot"),
        ({"detail": 12345678901234567890123}, "detail must be text"),
        ({"detail": "x" * 1001}, "detail must have at most 1000 characters"),
        ({"at": "0001-01-01T00:00:00"}, "at must be a time"),
        ({"mac": 7}, "mac must be text"),
        ({"mac": "52-54-00-99-99-99"}, "mac must be a MAC address"),
    ],
)
def test_bad_sighting_is_refused_by_name_and_keeps_no_other_back(
    api: Any, agent: AgentPlay, booting: str, changed: dict[str, Any], words: str
):
    agent.lease()
    good = {
        "key": key(), "at": now_iso(), "type": "loader", "ip": MACHINE_IP, "daemon": "nginx", "detail": "/ipxe.cfg"
    }  # fmt: skip
    answer = agent.rack.post("events", {"events": [{**good, "key": key(), **changed}, "no object", good]})
    assert (answer.status, answer.body["taken"]) == (200, 1)
    assert words in answer.body["refused"][0]["error"]
    assert answer.body["refused"][1] == {"key": "", "error": "events[1]: it must be an object"}
    assert outcomes(api, booting)[5] == "done"


def test_refusal_of_a_rack_with_very_many_subnets_is_one_that_it_can_take(agent: AgentPlay, m1: str, execute: Any):
    """The words name the subnets of the rack; an answer that breaks the contract would be asked for again, forever."""
    execute(
        "INSERT INTO subnet (name, vlan_id, cidr) SELECT 'more' || n, vlan_id, ('10.99.' || n || '.0/24')::cidr "
        "FROM subnet, generate_series(1, 200) AS n"
    )
    execute(
        "INSERT INTO rack_interface (rack_id, name, address) "
        "SELECT id, 'eth9', ('10.99.' || n || '.1/24')::inet FROM rack, generate_series(1, 200) AS n"
    )
    stranger = lease_item(ip="10.50.0.1")
    (refused,) = agent.rack.post("leases", {"leases": [stranger]}).body["refused"]
    assert (refused["key"], len(refused["error"])) == (stranger["key"], 2000)


def test_numbers_that_json_does_not_have_are_400(agent: AgentPlay):
    body = b'{"leases": [{"key": "k", "lease_s": NaN}]}'
    answer = agent.rack.server.call("POST", "leases", raw=body, identity=agent.rack.identity)
    assert answer.status == 400
    assert "NaN is no number" in answer.error


def test_rack_speaks_of_its_own_subnets_only(
    api: Any, agent: AgentPlay, other_rack: AgentPlay, booting: str, machine: MachinePlay
):
    stranger = lease_item(ip=STRANGER_IP)
    answer = other_rack.rack.post("leases", {"leases": [stranger]})
    assert answer.body["taken"] == 0
    assert "rack rack2" in answer.body["refused"][0]["error"]
    assert answer.body["refused"][0]["key"] == stranger["key"]
    assert "no subnet" in other_rack.saw("image", "nginx", "filesystem.squashfs").body["refused"][0]["error"]
    asked = other_rack.boot_config()
    assert asked.status == 403
    assert "10.20.0.101 is in no subnet that rack rack2 serves" in asked.error
    assert outcomes(api, booting)[4:] == ["waiting"] * 8
    (noted,) = events_of(api, "RACK_REPORT_REFUSED")
    assert "rack2" in noted["description"]
    boot_id = str(agent.boots()["boot_id"])
    machine.ip = STRANGER_IP
    assert machine.preseed(boot_id).status_code == 403, "the stranger's lease was not stored"


def test_rack_gets_no_metadata_for_machines_of_other_networks(
    agent: AgentPlay, other_rack: AgentPlay, booting: str, machine: MachinePlay
):
    """It could name any machine's address as the one that asks."""
    boot_id = str(agent.boots()["boot_id"])
    elsewhere = MachinePlay(machine.client, peer="10.21.0.2")
    refused = elsewhere.preseed(boot_id)
    assert refused.status_code == 403
    assert "is in no subnet that rack rack2 serves" in refused.get_data(as_text=True)
    assert machine.preseed(boot_id).status_code == 200


def test_stranger_with_a_lease_of_its_own_gets_what_an_unknown_machine_gets(
    api: Any, agent: AgentPlay, booting: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claims, "LEASE_WAIT_S", 0.5)
    agent.lease(ip=STRANGER_IP, mac=STRANGER_MAC)
    for _turn in range(3):
        answer = agent.boot_config(client_ip=STRANGER_IP)
        assert answer.status == 404
        assert answer.error == f"no machine has the MAC address {MAC}; register it with mac_addresses={MAC}"
    assert agent.saw("boot-config", "boot", "grub: commissioning", ip=STRANGER_IP, mac=MAC).body["taken"] == 1
    assert outcomes(api, booting)[4:] == ["waiting"] * 8, "a stranger proves nothing"
    (noted,) = events_of(api, "BOOT_STRANGER")
    assert STRANGER_IP in noted["description"]
    assert STRANGER_MAC in noted["description"]
    assert noted["hostname"] == "m1"


def test_stranger_without_a_lease_is_refused_once_the_machine_has_one(
    api: Any, agent: AgentPlay, booting: str, monkeypatch: pytest.MonkeyPatch, execute: Any
):
    monkeypatch.setattr(claims, "LEASE_WAIT_S", 0.5)
    agent.boots()
    assert agent.boot_config(client_ip=STRANGER_IP).status == 404
    assert execute("SELECT host(client_ip) FROM boot") == [(MACHINE_IP,)]


def test_address_without_a_lease_proves_nothing_and_asks_again(
    api: Any, agent: AgentPlay, booting: str, monkeypatch: pytest.MonkeyPatch, execute: Any
):
    """A stranger who gave itself an address, or a machine whose lease is on its way: the same until one is known."""
    monkeypatch.setattr(claims, "LEASE_WAIT_S", 0.5)
    for _turn in range(2):
        answer = agent.boot_config(client_ip=STRANGER_IP)
        assert answer.status == 425, "not 503: this region is well, and nginx must not turn away from it"
        assert f"{STRANGER_IP} spoke for m1, but no rack has reported a lease of that address" in answer.error
    assert agent.saw("boot-config", "boot", "grub: commissioning", ip=STRANGER_IP, mac=MAC).body["taken"] == 1
    assert outcomes(api, booting)[4:] == ["waiting"] * 8
    assert execute("SELECT client_ip FROM boot") == [(None,)]
    assert len(events_of(api, "BOOT_STRANGER")) == 1
    assert agent.boots()["purpose"] == "commissioning"


@pytest.mark.parametrize("end", ["expiry", "release"])
def test_what_was_seen_during_a_lease_counts_though_its_end_was_told_before(
    api: Any, agent: AgentPlay, booting: str, world: Context, end: str
):
    """Racks that share a subnet kept what they saw while no region answered, and tell it one after the other."""
    agent.lease()
    # The clock of tests is one that can be set.
    world.clock.advance(600)  # type: ignore[attr-defined]
    agent.lease(action=end, lease_s=0, at=now_iso(300))
    image = ("image", "nginx", "filesystem.squashfs, 198.8 MiB in 7.0 s")
    assert agent.saw(*image, at=now_iso(301), mac=MAC).body["taken"] == 1
    assert outcomes(api, booting)[8] != "done", "nobody has the address any more"
    assert agent.saw(*image, at=now_iso(60), mac=MAC).body["taken"] == 1
    assert outcomes(api, booting)[8] == "done"


def test_address_that_changed_hands_is_waited_for(api: Any, agent: AgentPlay, booting: str):
    """The lease of the machine is under way while the region still holds that of the one before it."""
    agent.lease(mac=STRANGER_MAC, at=now_iso(-300))
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append((agent.boot_config(), time.monotonic())))
    asking.start()
    time.sleep(0.7)
    assert not answers, "it waits"
    reported = time.monotonic()
    agent.lease()
    asking.join()
    answer, at = answers[0]
    assert answer.status == 200
    assert at - reported < 2
    assert outcomes(api, booting)[6] == "done"
