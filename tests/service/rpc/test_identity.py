# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may speak to a region: enrolment, certificates, revocation, through the region's nginx."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509

from rackyard.region.context import Context
from rackyard.region.errors import NotFound
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import Authority, RackClient, Server, secret_of


@pytest.fixture
def server(gunicorn_server: Server) -> Server:
    """These are about the real thing."""
    return gunicorn_server


def test_enrolment_gives_a_certificate_that_opens_the_door(server: Server, rack: RackClient, authority: Authority):
    certificate = x509.load_pem_x509_certificate(rack.identity[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificate.subject.rfc4514_string() == f"CN={rack.system_id}"
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"rackyard:rack:{rack.system_id}"]
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier, "Debian 13's Python verifies strictly and refuses a certificate without it"
    lifetime = datetime.fromisoformat(rack.enrolled["not_after"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < lifetime < timedelta(days=30, hours=1)
    answer = rack.register(("mgmt0", "10.10.0.21/24"))
    assert answer.body["system_id"] == rack.system_id
    assert answer.body["regions"][0] == "https://10.10.0.11:5250"
    assert answer.body["settings"]["domain"] == "rackyard.internal"


@pytest.mark.parametrize("path", ["jobs", "desired"])
def test_caller_without_certificate_is_told_how_to_get_one(server: Server, path: str):
    answer = server.call("GET", path)
    assert answer.status == 403
    assert "certificate" in answer.error
    assert "rackyard-rack enroll" in answer.error


def test_certificate_of_another_ca_is_refused_in_words(server: Server, tmp_path: Path):
    certificate, key = Authority("somebody else").client("rack1")
    (tmp_path / "foreign.crt").write_bytes(certificate)
    (tmp_path / "foreign.key").write_bytes(key)
    answer = server.call("GET", "jobs", identity=(tmp_path / "foreign.crt", tmp_path / "foreign.key"))
    assert answer.status == 403
    assert "this certificate is not accepted (FAILED:" in answer.error
    assert "rackyard-rack enroll --force" in answer.error


def test_certificate_in_a_header_opens_no_door(server: Server, rack: RackClient):
    pem = quote(rack.identity[0].read_text())
    for name in ("X-Rackyard-Certificate", "X_Rackyard_Certificate", "x-rackyard-certificate"):
        for path in ("jobs", "services"):
            answer = server.call("GET", path, headers={name: pem})
            assert answer.status in (403, 405), (name, path)
    assert server.call("GET", "jobs", headers={"X-Rackyard-Certificate": pem}).status == 403


def test_certificate_of_our_ca_that_is_no_rack_is_refused(server: Server, authority: Authority, tmp_path: Path):
    certificate, key = authority.client("rack1")
    (tmp_path / "stray.crt").write_bytes(certificate)
    (tmp_path / "stray.key").write_bytes(key)
    answer = server.call("GET", "jobs", identity=(tmp_path / "stray.crt", tmp_path / "stray.key"))
    assert answer.status == 403
    assert "belongs to no rack" in answer.error


def test_token_works_once(server: Server, world: Context, tmp_path: Path):
    secret = secret_of(enrolment.mint_token(world, COMMAND_LINE))
    assert RackClient(server, "rack1", tmp_path).enroll(secret).status == 200
    answer = RackClient(server, "rack2", tmp_path).enroll(secret)
    assert answer.status == 403
    assert "was used at" in answer.error
    assert "by rack1" in answer.error
    assert "rackyard-region enroll-token" in answer.error


def test_expired_token_is_refused_with_its_time(server: Server, ctx: Context, authority: Authority, tmp_path: Path):
    ctx.clock.advance(-1000)
    secret = secret_of(enrolment.mint_token(ctx, COMMAND_LINE, ttl_s=900))
    answer = RackClient(server, "rack1", tmp_path).enroll(secret)
    assert answer.status == 403
    assert "enrolment token expired at" in answer.error
    assert "rackyard-region enroll-token" in answer.error


def test_forged_token_is_refused_and_leaves_no_rack(server: Server, world: Context, tmp_path: Path):
    answer = RackClient(server, "rack1", tmp_path).enroll("forged-secret")
    assert answer.status == 403
    assert "did not issue" in answer.error
    with pytest.raises(NotFound, match="no enrolled rack is called rack1"):
        enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack1")


def test_revoked_rack_is_refused_at_once_in_words(rack: RackClient, world: Context):
    assert rack.get("jobs").status == 200
    enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack1")
    answer = rack.get("jobs")
    assert answer.status == 403
    assert "rack1 was revoked at" in answer.error


def test_oversized_body_is_refused(rack: RackClient):
    answer = rack.server.call("POST", "events", raw=b'"' + b"x" * (9 * 1024 * 1024) + b'"', identity=rack.identity)
    assert answer.status == 413


def test_body_without_a_size_is_measured_and_one_without_end_refused(rack: RackClient):
    small = rack.server.call("POST", "events", raw=iter((b'{"events"', b": []}")), identity=rack.identity)
    assert (small.status, small.body) == (200, {"refused": [], "taken": 0})
    endless = (b"x" * 65536 for _chunk in range(400))
    try:
        answer = rack.server.call("POST", "events", raw=endless, identity=rack.identity)
    except OSError:
        return  # nginx has answered and hung up before all was sent
    assert answer.status == 413
