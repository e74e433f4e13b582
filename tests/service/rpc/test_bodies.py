# SPDX-License-Identifier: GPL-3.0-or-later
"""Each call of a rack is read by its contract: what is wrong is named, and another release is understood."""

from __future__ import annotations

import re
from typing import Any

import pytest
from authority import csr_pem, new_key
from flask import Flask

from rackyard import contracts
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.rpc import create_rpc_app
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from . import test_whole_commissioning as whole
from .conftest import Answer, RackClient, key, now_iso, secret_of
from .hardware import MAC
from .play import INTERFACES, MACHINE_IP, RACK_IP, AgentPlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine

RESULT = {
    "epoch": 1, "ok": True, "power_state": "on", "warnings": [], "error": None, "error_kind": None, "took_seconds": 1.5,
}  # fmt: skip
INTERFACE = {"name": "pxe0", "mac": MAC, "addresses": [f"{RACK_IP}/24"]}
BODIES: dict[str, dict[str, Any]] = {
    "applied": {"generation": 1, "daemons": {"dns": {"ok": True, "changed": True, "message": ""}}},
    "boot-config": {"mac": MAC, "arch": "amd64", "firmware": "ipxe", "client_ip": MACHINE_IP, "local_ip": RACK_IP},
    "boot-metadata": {"boot_id": "0" * 32},
    "dhcp-checks/1/result": {"words": ""},
    "enroll": {"secret": "s" * 43, "hostname": "rack1", "csr": "c", "version": "1"},
    "events": {"events": []},
    "jobs": {"wait": 0, "slots": 9, "held": []},
    "jobs/1/result": RESULT,
    "leases": {"leases": []},
    "register": {"version": "1", "interfaces": [INTERFACE]},
    "renew": {"csr": "c"},
    "services": {"services": [{"name": "dns", "state": "running", "info": ""}]},
}
REQUIRED = [(path, field) for path, body in BODIES.items() for field in body]


def test_each_call_with_a_body_is_tried_here(ctx: Context, config: Config):
    app: Flask = create_rpc_app(config, ctx)
    posts = {rule.rule.removeprefix("/rpc/1/") for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {re.sub(r"<int:\w+>", "1", path) for path in posts} == BODIES.keys()


@pytest.mark.parametrize(("path", "field"), REQUIRED)
def test_field_that_is_missing_or_of_another_type_is_named(rack: RackClient, path: str, field: str):
    body = {name: value for name, value in BODIES[path].items() if name != field}
    assert_refused(rack.post(path, body), f"it lacks {field}")
    assert_refused(rack.post(path, {**body, field: {"an": ["object"]}}), field)
    assert_refused(rack.post(path, [body]), "the body must be a JSON object")


@pytest.mark.parametrize(
    ("path", "changed", "words"),
    [
        ("applied", {"generation": 2**53}, "generation must be at most 9007199254740991"),
        ("applied", {"generation": -1}, "generation must be at least 0"),
        ("applied", {"daemons": {"dns": {"ok": False, "message": "x" * 4001}}}, "dns.message must have at most 4000"),
        ("applied", {"daemons": {"dns": {"ok": "yes", "message": ""}}}, "daemons.dns.ok must be true or false"),
        ("applied", {"daemons": {"dns": {"ok": True}}}, "daemons.dns lacks message"),
        ("boot-config", {"arch": "a" * 17}, "arch must be an architecture name"),
        ("boot-config", {"firmware": "uboot"}, "firmware must be one of ipxe, grub, pxelinux"),
        ("boot-config", {"mac": "52:54:00:00:00:AB"}, "mac must be a MAC address"),
        ("boot-config", {"client_ip": "10.20.0.999"}, "client_ip must be an IP address"),
        ("boot-config", {"local_ip": "fe80::1%eth0"}, "local_ip must be an IP address"),
        ("dhcp-checks/1/result", {"words": "w" * 2001}, "words must have at most 2000 characters"),
        ("enroll", {"secret": "s" * 201}, "secret must have at most 200 characters"),
        ("enroll", {"hostname": "h" * 64}, "hostname must be a host name"),
        ("enroll", {"csr": "c" * 20_001}, "csr must have at most 20000 characters"),
        ("enroll", {"version": "1 or 2"}, "version must be a version"),
        ("events", {"events": [{}] * 5001}, "events must have at most 5000 items"),
        ("jobs", {"wait": 61}, "wait must be at most 60"),
        ("jobs", {"wait": True}, "wait must be a number"),
        ("jobs", {"slots": 501}, "slots must be at most 500"),
        ("jobs", {"held": [1, "2"]}, "held[1] must be a whole number"),
        ("jobs", {"held": [10**30]}, "held[0] must be at most"),
        ("jobs", {"held": list(range(1, 50_002))}, "held must have at most 50000 items"),
        ("jobs/1/result", {"warnings": ["w"] * 11}, "warnings must have at most 10 items"),
        ("jobs/1/result", {"warnings": ["w" * 301]}, "warnings[0] must have at most 300 characters"),
        ("jobs/1/result", {"error": "e" * 1001}, "error must have at most 1000 characters"),
        ("jobs/1/result", {"power_state": "soft-off"}, "power_state must be one of on, off, unknown"),
        ("jobs/1/result", {"took_seconds": 10**400}, "took_seconds must be at most 86400"),
        ("jobs/1/result", {"epoch": True}, "epoch must be a whole number"),
        ("leases", {"leases": [{}] * 5001}, "leases must have at most 5000 items"),
        ("register", {"version": "v" * 65}, "version must be a version"),
        ("register", {"interfaces": [INTERFACE] * 257}, "interfaces must have at most 256 items"),
        ("register", {"interfaces": [{**INTERFACE, "name": "a b"}]}, "interfaces[0].name must be an interface's name"),
        ("register", {"interfaces": [{**INTERFACE, "addresses": ["fd00::1%eth0/64"]}]}, "addresses[0] must be an IP"),
        ("register", {"interfaces": [{**INTERFACE, "addresses": ["10.0.0.1/33"]}]}, "addresses[0] must be an IP"),
        ("renew", {"csr": "c" * 20_001}, "csr must have at most 20000 characters"),
        ("services", {"services": [{"name": "dns", "state": "fine", "info": ""}]}, "services[0].state must be one of"),
        (
            "services",
            {"services": [{"name": "dns", "state": "dead", "info": "i" * 1001}]},
            "services[0].info must have",
        ),
        ("services", {"services": [{}] * 65}, "services must have at most 64 items"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_value_that_is_too_long_or_out_of_range_is_named(
    rack: RackClient, path: str, changed: dict[str, Any], words: str
):
    assert_refused(rack.post(path, {**BODIES[path], **changed}), words)


def test_rack_cannot_have_more_addresses_than_are_kept(rack: RackClient):
    many = [f"10.{half}.{number}.1/24" for half in (1, 2) for number in range(129)]
    halves = [{**INTERFACE, "addresses": many[:129]}, {**INTERFACE, "name": "pxe1", "addresses": many[129:]}]
    assert_refused(rack.post("register", {"version": "1", "interfaces": halves}), "more than 256 addresses")


def test_rack_is_told_of_as_many_regions_as_it_takes(rack: RackClient, execute: Any):
    execute(
        "INSERT INTO region_process (name, pid, address, port, heartbeat_at) "
        "SELECT 'region' || n, n, '10.10.0.11', 5250 + n, now() FROM generate_series(1, 210) AS n"
    )
    answer = rack.post("register", BODIES["register"])
    assert len(answer.body["regions"]) == 200


def test_refusal_never_shows_a_secret(rack: RackClient):
    answer = rack.post("enroll", {**BODIES["enroll"], "secret": "hunter2" * 100})
    assert answer.status == 400
    assert "hunter2" not in answer.error


def assert_refused(answer: Answer, words: str) -> None:
    assert answer.status == 400, answer.body
    assert words in answer.error
    assert "Traceback" not in answer.error


# An agent of another release.


def test_fields_of_a_newer_agent_are_left_unread(rack: RackClient, world: Context):
    secret = secret_of(enrolment.mint_token(world, COMMAND_LINE, name="rack1"))
    csr = csr_pem(new_key())
    for path, known in (
        ("register", {}), ("applied", {}), ("services", {}), ("events", {}), ("leases", {}), ("jobs", {}),
        ("renew", {"csr": csr}), ("enroll", {"secret": secret, "csr": csr}),
    ):  # fmt: skip
        answer = rack.post(path, {**BODIES[path], **known, "news": {"of": "1.0"}})
        assert answer.status == 200, (path, answer.body)


def test_evidence_of_a_newer_agent_counts(agent: AgentPlay, m1: str):
    """In the spool of a rack that was taken back to this release there may be what the newer one wrote."""
    assert agent.lease(news=1).body == {"taken": 1, "refused": []}
    assert agent.saw("loader", "nginx", "/ipxe.cfg by HTTP", news=1).body == {"taken": 1, "refused": []}


def test_reason_that_only_a_newer_agent_knows_is_a_failure_all_the_same(api: Any, agent: AgentPlay, m1: str):
    assert whole.commission(api, m1).status_code == 200
    answer = agent.refuse(agent.job(), "overheated", "BMC 10.30.0.11 says that it is too hot")
    assert answer.body == {"accepted": True}
    assert whole.read(api, m1)["status_name"] == "Failed commissioning"
    assert "too hot" in whole.read(api, m1)["status_message"]


def test_agent_of_the_release_before_boots_a_machine(api: Any, agent: AgentPlay, m1: str):
    """It gave its name with its registration, which nobody read, and took the time of a lease for signed."""
    interfaces = [{"name": name, "mac": MAC, "addresses": [address]} for name, address in INTERFACES]
    old = {"hostname": "rack1", "version": "0.0.9", "interfaces": interfaces}
    assert agent.rack.post("register", old).status == 200
    assert whole.commission(api, m1).status_code == 200
    assert agent.report(agent.job()).body == {"accepted": True}
    lease = {"key": key(), "at": now_iso(), "action": "commit", "ip": MACHINE_IP, "mac": MAC, "lease_s": 2**31 - 1}
    assert agent.rack.post("leases", {"leases": [lease]}).body == {"taken": 1, "refused": []}
    assert agent.boot_config(uuid=None).status == 200


def test_contracts_have_a_body_for_each_call():
    """A contract that nobody reads would be a promise that nobody keeps."""
    read = {"dhcp-checks/1/result": "dhcp-check-result", "jobs": "jobs-poll", "jobs/1/result": "job-result"}
    bodies = {read.get(path, path) for path in BODIES}
    items = {"dhcp-check", "event", "job", "lease"}
    answers = {name for name in contracts.names() if name.endswith("-answer")}
    assert bodies | items | answers == set(contracts.names())
