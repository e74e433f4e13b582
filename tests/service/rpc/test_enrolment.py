# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrolling, renewing and revoking racks, and bodies that cannot be used."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rackyard.region.context import Context
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import Authority, RackClient, Server, csr_pem, new_key, secret_of


def test_ca_is_given_to_anybody_so_that_a_token_can_be_compared(server: Server, authority: Authority):
    answer = server.call("GET", "ca")
    assert (answer.status, answer.body) == (200, authority.pem)


def test_token_for_one_host_does_not_enrol_another(server: Server, world: Context, tmp_path: Path):
    secret = secret_of(enrolment.mint_token(world, COMMAND_LINE, name="rack1"))
    answer = RackClient(server, "rack2", tmp_path).enroll(secret)
    assert answer.status == 403
    assert "made for rack1" in answer.error
    assert RackClient(server, "rack1", tmp_path).enroll(secret).status == 200


def test_name_of_an_enrolled_rack_is_not_taken_over_by_an_unnamed_token(
    rack: RackClient, world: Context, tmp_path: Path
):
    intruder = RackClient(rack.server, "rack1", tmp_path / "..")
    answer = intruder.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE)))
    assert answer.status == 409
    assert "enrolled already" in answer.error
    assert rack.get("jobs").status == 200


def test_reinstalled_host_enrols_again_with_a_token_of_its_name(rack: RackClient, world: Context, tmp_path: Path):
    (tmp_path / "new").mkdir()
    again = RackClient(rack.server, "rack1", tmp_path / "new")
    assert again.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE, name="rack1"))).status == 200
    assert again.system_id == rack.system_id
    assert again.get("jobs").status == 200
    assert rack.get("jobs").status == 403


@pytest.mark.parametrize(
    ("csr", "words"),
    [
        ("", "csr must be 1 or more characters long"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "PKCS #10"),
    ],
)
def test_malformed_request_does_not_spend_the_token(
    server: Server, world: Context, tmp_path: Path, csr: str, words: str
):
    secret = secret_of(enrolment.mint_token(world, COMMAND_LINE))
    answer = server.call("POST", "enroll", {"secret": secret, "hostname": "rack1", "csr": csr, "version": "1"})
    assert answer.status == 400
    assert words in answer.error
    assert RackClient(server, "rack1", tmp_path).enroll(secret).status == 200


def test_revocation_ends_a_long_poll_without_an_answer_of_substance(rack: RackClient, world: Context):
    rack.register(("mgmt0", "10.10.0.21/24"))
    etag = rack.get("desired").headers["ETag"]
    answers = []

    def wait() -> None:
        answers.append(rack.get("desired?wait=20", {"If-None-Match": etag}))

    waiting = threading.Thread(target=wait)
    began = time.monotonic()
    waiting.start()
    time.sleep(1)
    enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack1")
    waiting.join(10)
    assert time.monotonic() - began < 10
    assert answers[0].status == 304


def test_renewal_keeps_the_old_certificate_until_it_ends(rack: RackClient):
    old = rack.identity[0].read_text()
    fresh = new_key()
    answer = rack.post("renew", {"csr": csr_pem(fresh)})
    assert answer.status == 200
    assert datetime.fromisoformat(answer.body["not_after"]) > datetime.now(UTC) + timedelta(days=29)
    assert rack.get("jobs").status == 200, "the rack may die before it stores the new certificate"
    rack.keep(answer.body["certificate"], fresh)
    assert rack.identity[0].read_text() != old
    assert rack.get("jobs").status == 200


def test_text_that_cannot_be_stored_does_not_stop_a_report(rack: RackClient):
    words = '{"generation": 1, "daemons": {"dhcp": {"ok": false, "message": "a\\u0000b\\ud800c"}}}'
    answer = rack.server.call("POST", "applied", raw=words.encode(), identity=rack.identity)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper"),
        (b'{"events": "\xff\xfe"}', "not JSON in UTF-8"),
        (b"[]", "must be a JSON object"),
    ],
)
def test_hostile_bodies_are_refused_in_words(rack: RackClient, raw: bytes, words: str):
    answer = rack.server.call("POST", "events", raw=raw, identity=rack.identity)
    assert answer.status == 400
    assert words in answer.error
