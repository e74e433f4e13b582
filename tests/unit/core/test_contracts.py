# SPDX-License-Identifier: GPL-3.0-or-later
"""The contracts between racks and regions: what a rack produces fulfils them, and nonsense does not."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from exact import sent
from hypothesis import given
from hypothesis import strategies as st

from rackyard import __version__, contracts
from rackyard.daemons import Outcome, own_host
from rackyard.rack import boot_config, evidence, host, identity, order
from rackyard.rack.boot import create_app
from rackyard.rack.config import RackConfig
from rackyard.region.services.boots.evidence import DAEMONS, STEPS
from rackyard.region.services.power.outcomes import ERROR_KINDS
from rackyard_core.power.base import CONTROLS, ERRORS
from rackyard_core.power.orders import PowerResult

LEASE = {
    "key": "k", "at": "2026-01-02T03:04:05.678901+00:00", "action": "commit", "ip": "10.20.0.101",
    "mac": "52:54:00:00:00:01", "lease_s": 600,
}  # fmt: skip
EVENT = {"key": "k", "at": "2026-01-02T03:04:05Z", "type": "loader", "ip": "fd00::1", "daemon": "nginx", "detail": ""}
JOB = {
    "id": 7, "kind": "power_on", "epoch": 3, "machine": "abcdef", "hostname": "m1", "limit_s": 120,
    "expires_at": "2026-01-02T03:04:05+00:00", "boot_device": "pxe", "expect_off": False,
    "power": {
        "type": "ipmi", "address": "10.30.0.11", "port": 623, "user": "admin", "password": "hunter2",
        "options": {"power_boot_type": "efi"},
    },
}  # fmt: skip
RESULT = order.failure(3, "timeout", "it did not come up")


@pytest.mark.parametrize("name", contracts.names())
def test_each_contract_is_a_schema_and_says_what_it_is_for(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(contracts.schema(name))
    assert contracts.schema(name)["title"] == name
    assert contracts.schema(name)["description"]


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**document, **changes}


@pytest.mark.parametrize(
    ("name", "document", "words"),
    [
        ("lease", changed(LEASE, at="0001-01-01T00:00:00+00:00"), "at must be a time in ISO 8601 with its offset, in"),
        ("lease", changed(LEASE, at="2026-01-02"), "at must be a time in ISO 8601"),
        ("lease", changed(LEASE, at="2026-02-30T00:00:00Z"), "at must be a time in ISO 8601"),
        ("lease", changed(LEASE, ip="10.20.0.256"), "ip must be an IP address"),
        ("lease", changed(LEASE, ip="fe80::1%eth0"), "ip must be an IP address"),
        ("lease", changed(LEASE, lease_s=10**23), "lease_s must be at most"),
        ("lease", changed(LEASE, lease_s=True), "lease_s must be a whole number"),
        ("lease", changed(LEASE, lease_s=1.0), "lease_s must be a whole number"),
        ("lease", changed(LEASE, mac="52:54:00:00:00:01\n"), "mac must be a MAC address"),
        ("lease", changed(LEASE, key=""), "key must be 1 to 128 printable characters"),
        ("lease", {key: value for key, value in LEASE.items() if key != "mac"}, "it lacks mac"),
        ("event", changed(EVENT, type="party"), "type must be one of loader, boot-config, image"),
        ("event", changed(EVENT, detail="x" * 1001), "detail must have at most 1000 characters"),
        ("event", changed(EVENT, detail="a\0b"), "detail is malformed"),
        ("leases", {"leases": "none"}, "leases must be a list"),
        ("leases", [LEASE], "it must be an object"),
        ("job-result", changed(RESULT, took_seconds=float("nan")), "took_seconds must be a number"),
        ("job-result", changed(RESULT, epoch=2**31), "epoch must be at most"),
        ("job-result", changed(RESULT, error_kind=1), "error_kind must be text or null"),
        ("job-result", changed(RESULT, warnings=["w"] * 11), "warnings must have at most 10 items"),
        ("job-result", changed(RESULT, warnings=["w" * 301]), r"warnings\[0\] must have at most 300 characters"),
        ("jobs-poll", {"wait": 30, "slots": 501, "held": []}, "slots must be at most 500"),
        ("jobs-poll", {"wait": 30, "slots": 1, "held": [0]}, r"held\[0\] must be at least 1"),
        ("applied", {"generation": 10**23, "daemons": {}}, "generation must be at most"),
        ("applied", {"generation": 1, "daemons": {"dhcp": {"ok": 1, "message": ""}}}, "dhcp.ok must be true or false"),
        (
            "applied",
            {"generation": 1, "daemons": {"DHCP": {"ok": True, "message": ""}}},
            "each name in daemons must be",
        ),
        (
            "applied",
            {"generation": 1, "daemons": {f"d{n}": {} for n in range(33)}},
            "daemons must have at most 32 fields",
        ),
        (
            "register",
            {"version": "1", "interfaces": [{"name": "x", "mac": None, "addresses": ["fd00::1/129"]}]},
            r"interfaces\[0\].addresses\[0\] must be an IP address with prefix",
        ),
        ("services", {"services": [{"name": "dhcp", "state": "odd", "info": ""}]}, r"services\[0\].state must be one"),
    ],
)
def test_nonsense_is_refused_with_its_place(name: str, document: Any, words: str) -> None:
    with pytest.raises(contracts.ContractError, match=words):
        contracts.read(name, document)


def test_refusal_of_a_job_never_shows_its_password() -> None:
    job = changed(JOB, power=changed(JOB["power"], password=["hunter2"]))
    with pytest.raises(contracts.ContractError) as caught:
        contracts.read("job", job)
    assert "hunter2" not in str(caught.value)


def test_job_needs_a_limit_of_either_kind() -> None:
    contracts.read("job", JOB)
    contracts.read("job", {key: value for key, value in JOB.items() if key != "limit_s"})
    with pytest.raises(contracts.ContractError):
        contracts.read("job", {key: value for key, value in JOB.items() if key not in ("limit_s", "expires_at")})


@pytest.mark.parametrize(
    ("name", "document"), [("jobs-answer", {"jobs": []}), ("job", JOB), ("lease", LEASE), ("job-result", RESULT)]
)
def test_fields_of_another_release_are_read_over_and_not_sent(name: str, document: dict[str, Any]) -> None:
    contracts.read(name, changed(document, news=1))
    assert sent(name, document) == document
    with pytest.raises(contracts.ContractError, match="news is in no contract"):
        sent(name, changed(document, news=1))


def test_only_the_first_of_many_mistakes_are_looked_at() -> None:
    poll = {"wait": 30, "slots": 1, "held": [0] * 50_000}
    began = time.perf_counter()
    with pytest.raises(contracts.ContractError, match=r"held\[0\] must be at least 1"):
        contracts.read("jobs-poll", poll)
    assert time.perf_counter() - began < 0.1


def test_words_that_a_rack_may_send_are_the_ones_that_a_region_knows() -> None:
    event, question = contracts.schema("event")["properties"], contracts.schema("boot-config")["properties"]
    assert event["type"]["enum"] == list(STEPS)
    assert event["daemon"]["enum"] == list(DAEMONS)
    assert question["firmware"]["enum"] == list(boot_config.FIRMWARES)
    assert {error.kind for error in ERRORS.values()} | {"retry"} == ERROR_KINDS


# What follows holds each report that a rack can produce against its contract.


@pytest.mark.parametrize("kind", sorted({error.kind for error in ERRORS.values()} | {"retry"}))
def test_each_failure_of_a_job_fulfils_its_contract(kind: str) -> None:
    sent("job-result", order.failure(3, kind, "x" * 5000))
    sent("job-result", order.failure(3, kind, "", CONTROLS * 5))


def test_success_of_a_job_fulfils_its_contract() -> None:
    warnings = ("w" * 5000,) * 20
    sent("job-result", order.success(0, PowerResult("off", "on", True, ("on",), warnings, 1.25)))
    sent("job-result", order.reached(0))


MESSAGES = st.one_of(
    st.text(),
    st.from_regex(r"rackyard-lease (commit|release|expiry) [0-9.]{7,15} ([0-9a-f]{1,2}:){5}[0-9a-f]{1,2} [0-9]{1,10}"),
    st.from_regex(r"RRQ from [0-9.]{7,15} filename [a-z0-9/.]{1,300}\.efi( remapped to x)?"),
    st.builds(
        lambda uri, size, seconds: json.dumps(
            {
                "method": "GET", "status": 200, "complete": "OK", "remote": "10.20.0.101", "uri": uri, "bytes": size,
                "seconds": seconds,
            }
        ),
        st.from_regex(r"/(images|grub)/[a-z0-9]{1,60}(/[a-z0-9.]{1,60}){0,6}", fullmatch=True),
        st.one_of(st.integers(), st.floats(), st.text()),
        st.one_of(st.floats(), st.none()),
    ),
)  # fmt: skip


@given(
    message=MESSAGES,
    identifier=st.sampled_from(evidence.IDENTIFIERS),
    microseconds=st.integers(1_700_000_000_000_000, 4_000_000_000_000_000),
)
def test_all_evidence_fulfils_its_contract(message: str, identifier: str, microseconds: int) -> None:
    entry = {
        "__CURSOR": "c", "__REALTIME_TIMESTAMP": str(microseconds), "SYSLOG_IDENTIFIER": identifier, "MESSAGE": message,
    }  # fmt: skip
    found = evidence.from_journal(entry)
    if found is not None:
        sent({"leases": "lease", "events": "event"}[found.kind], {**found.item})
        sent(found.kind, {found.kind: [found.item]})


def test_registration_fulfils_its_contract() -> None:
    links = [
        {
            "ifname": "ens3.100", "address": "52:54:00:00:00:01", "flags": ["UP"],
            "addr_info": [
                {"local": "10.20.0.2", "prefixlen": 24, "scope": "global"},
                {"local": "fd00::2", "prefixlen": 64, "scope": "global"},
            ],
        }
    ]  # fmt: skip
    body = {"version": __version__, "interfaces": own_host.parse_interfaces(links), "host": own_host.facts()}
    assert sent("register", body)["interfaces"][0]["addresses"] == ["10.20.0.2/24", "fd00::2/64"]


@pytest.mark.parametrize("state", ["active", "failed", "activating", "inactive", "nonsense"])
@pytest.mark.parametrize("wanted", [True, False])
def test_service_states_fulfil_their_contract(state: str, wanted: bool) -> None:
    shown = f"Id=isc-dhcp-server.service\nLoadState=loaded\nActiveState={state}\nSubState=x\nResult=exit-code\n"
    states = host.parse_services(shown, {"dhcp": wanted})
    for troubles in ([], ["the disk is full" * 200]):
        sent("services", {"services": [*states, host.agent(troubles)]})


def test_outcomes_of_daemons_fulfil_their_contract() -> None:
    outcomes = {"dhcp": Outcome(True, changed=True, diff="+x"), "dns": Outcome(False, message="x" * 25_000)}
    daemons = {name: outcome.report() for name, outcome in outcomes.items()}
    sent("applied", {"generation": 12, "daemons": daemons})


def test_certificate_request_fulfils_its_contract() -> None:
    csr = identity.request_for(identity.new_key(), "rack1")
    sent("renew", {"csr": csr})
    sent("enroll", {"secret": "s" * 43, "hostname": "rack1", "csr": csr, "version": __version__})


@pytest.mark.parametrize(
    "path", ["/ipxe.cfg-52-54-00-00-00-01", "/grub/grub.cfg-52:54:00:00:00:01", "/pxelinux.cfg/01-52-54-00-00-00-01"]
)
def test_questions_and_events_of_the_boot_service_fulfil_their_contracts(path: str, tmp_path: Path) -> None:
    asked: list[Any] = []

    def ask(call: str, body: dict[str, Any]) -> Any:
        asked.append(sent(call, body))
        return sent("boot-config-answer", {"purpose": "local", "hostname": "m1"})

    config = RackConfig("rack1", (), tmp_path, tmp_path, tmp_path)
    config.boot_evidence.mkdir()
    with create_app(config, ask).test_client().get(path, headers={"X-Real-IP": "10.20.0.101"}) as answer:
        assert answer.status_code == 200
        assert answer.data
    assert asked[0]["mac"] == "52:54:00:00:00:01"
    (kept,) = config.boot_evidence.glob("*.json")
    assert sent("event", json.loads(kept.read_bytes()))["type"] == "boot-config"


def test_times_of_this_century_are_the_ones_that_are_taken() -> None:
    for at in (datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC), datetime.now(UTC) + timedelta(days=365 * 50)):
        contracts.read("lease", changed(LEASE, at=at.isoformat()))
