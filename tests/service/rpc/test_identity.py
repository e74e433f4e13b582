# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may speak to a region: enrolment, certificates, revocation, over real TLS."""

from __future__ import annotations

import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from rackyard.region.context import Context
from rackyard.region.errors import NotFound
from rackyard.region.services import racks

from .conftest import Authority, RackClient, Server, csr_pem, new_key, secret_of


def test_enrolment_gives_a_certificate_that_opens_the_door(server: Server, rack: RackClient, authority: Authority):
    certificate = x509.load_pem_x509_certificate(rack.identity[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificate.subject.rfc4514_string() == f"CN={rack.system_id}"
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"rackyard:rack:{rack.system_id}"]
    lifetime = datetime.fromisoformat(rack.enrolled["not_after"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < lifetime < timedelta(days=30, hours=1)
    answer = rack.register(("mgmt0", "10.10.0.21/24"))
    assert answer.body["system_id"] == rack.system_id
    assert answer.body["regions"][0] == "https://10.10.0.11:5250"
    assert answer.body["settings"]["domain"] == "rackyard.internal"


def test_ca_is_given_to_anybody_so_that_a_token_can_be_compared(server: Server, authority: Authority):
    answer = server.call("GET", "ca")
    assert (answer.status, answer.body) == (200, authority.pem)


@pytest.mark.parametrize("path", ["jobs", "desired"])
def test_caller_without_certificate_is_told_how_to_get_one(server: Server, path: str):
    answer = server.call("GET", path)
    assert answer.status == 403
    assert "certificate" in answer.error
    assert "rackyard-rack enroll" in answer.error


def test_certificate_of_another_ca_does_not_get_through_tls(server: Server, tmp_path: Path):
    certificate, key = Authority("somebody else").client("rack1")
    (tmp_path / "foreign.crt").write_bytes(certificate)
    (tmp_path / "foreign.key").write_bytes(key)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.call("GET", "jobs", identity=(tmp_path / "foreign.crt", tmp_path / "foreign.key"))


def test_certificate_of_our_ca_that_is_no_rack_is_refused(server: Server, authority: Authority, tmp_path: Path):
    certificate, key = authority.client("rack1")
    (tmp_path / "stray.crt").write_bytes(certificate)
    (tmp_path / "stray.key").write_bytes(key)
    answer = server.call("GET", "jobs", identity=(tmp_path / "stray.crt", tmp_path / "stray.key"))
    assert answer.status == 403
    assert "belongs to no rack" in answer.error


def test_token_works_once(server: Server, world: Context, tmp_path: Path):
    secret = secret_of(racks.mint_token(world))
    assert RackClient(server, "rack1", tmp_path).enroll(secret).status == 200
    answer = RackClient(server, "rack2", tmp_path).enroll(secret)
    assert answer.status == 403
    assert "was used at" in answer.error
    assert "by rack1" in answer.error
    assert "rackyard-region enroll-token" in answer.error


def test_expired_token_is_refused_with_its_time(server: Server, ctx: Context, authority: Authority, tmp_path: Path):
    ctx.clock.advance(-1000)
    secret = secret_of(racks.mint_token(ctx, ttl_s=900))
    answer = RackClient(server, "rack1", tmp_path).enroll(secret)
    assert answer.status == 403
    assert "enrolment token expired at" in answer.error
    assert "rackyard-region enroll-token" in answer.error


def test_forged_token_is_refused_and_leaves_no_rack(server: Server, world: Context, tmp_path: Path):
    answer = RackClient(server, "rack1", tmp_path).enroll("forged-secret")
    assert answer.status == 403
    assert "did not issue" in answer.error
    with pytest.raises(NotFound, match="no enrolled rack is called rack1"):
        racks.revoke(world, "rack1")


def test_token_for_one_host_does_not_enrol_another(server: Server, world: Context, tmp_path: Path):
    secret = secret_of(racks.mint_token(world, name="rack1"))
    answer = RackClient(server, "rack2", tmp_path).enroll(secret)
    assert answer.status == 403
    assert "made for rack1" in answer.error
    assert RackClient(server, "rack1", tmp_path).enroll(secret).status == 200


def test_name_of_an_enrolled_rack_is_not_taken_over_by_an_unnamed_token(
    rack: RackClient, world: Context, tmp_path: Path
):
    intruder = RackClient(rack.server, "rack1", tmp_path / "..")
    answer = intruder.enroll(secret_of(racks.mint_token(world)))
    assert answer.status == 409
    assert "enrolled already" in answer.error
    assert rack.get("jobs").status == 200


def test_reinstalled_host_enrols_again_with_a_token_of_its_name(rack: RackClient, world: Context, tmp_path: Path):
    (tmp_path / "new").mkdir()
    again = RackClient(rack.server, "rack1", tmp_path / "new")
    assert again.enroll(secret_of(racks.mint_token(world, name="rack1"))).status == 200
    assert again.system_id == rack.system_id
    assert again.get("jobs").status == 200
    assert rack.get("jobs").status == 403


@pytest.mark.parametrize("csr", ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"])
def test_malformed_request_does_not_spend_the_token(server: Server, world: Context, tmp_path: Path, csr: str):
    secret = secret_of(racks.mint_token(world))
    answer = server.call("POST", "enroll", {"secret": secret, "hostname": "rack1", "csr": csr, "version": "1"})
    assert answer.status == 400
    assert "PKCS #10" in answer.error
    assert RackClient(server, "rack1", tmp_path).enroll(secret).status == 200


def test_revoked_rack_is_refused_at_once_in_words(rack: RackClient, world: Context):
    assert rack.get("jobs").status == 200
    racks.revoke(world, "rack1")
    answer = rack.get("jobs")
    assert answer.status == 403
    assert "rack1 was revoked at" in answer.error


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
    racks.revoke(world, "rack1")
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


def test_oversized_body_is_refused(rack: RackClient):
    answer = rack.server.call("POST", "events", raw=b'"' + b"x" * (9 * 1024 * 1024) + b'"', identity=rack.identity)
    assert answer.status == 413


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
