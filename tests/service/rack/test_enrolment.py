# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrolment by a one-time token against a real region over TLS."""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rackyard.rack import enroll, identity, transport
from rackyard.rack.errors import RackError, RegionRefused
from rackyard.rack.regions import Regions
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE


def token_with(token: str, **changes: object) -> str:
    body = token.strip().removeprefix("rye1.")
    content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return "rye1." + base64.urlsafe_b64encode(json.dumps({**content, **changes}).encode()).decode()


def test_enrolment_makes_a_key_that_stays_and_files_that_are_closed(region, rack) -> None:
    changed, message = enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    known = identity.read(rack.config.identity)
    assert changed
    assert known is not None
    assert f"enrolled as {known.system_id} with region {region.url}" in message
    modes = {path.name: path.stat().st_mode & 0o777 for path in rack.config.identity.iterdir()}
    assert modes == {"rack.key": 0o600, "rack.crt": 0o600, "ca.crt": 0o600}


def test_second_enrolment_changes_nothing_and_names_the_way(region, rack) -> None:
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    before = (rack.config.identity / "rack.crt").read_bytes()
    changed, message = enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    assert not changed
    assert message.startswith("already enrolled as ")
    assert "use --force" in message
    assert (rack.config.identity / "rack.crt").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret": "forged"}, "did not issue that enrolment token"),
        ({"ca_sha256": "0" * 64}, "is not the one that the token names"),
        ({"urls": []}, "names no region"),
    ],
)
def test_forged_token_is_refused_in_words_and_leaves_nothing(region, rack, changes, words: str) -> None:
    with pytest.raises(RackError, match=words):
        enroll.enroll(rack.config, token_with(enrolment.mint_token(region.ctx, COMMAND_LINE), **changes))
    assert identity.read(rack.config.identity) is None


def test_token_is_good_once(region, rack) -> None:
    token = enrolment.mint_token(region.ctx, COMMAND_LINE)
    enroll.enroll(rack.config, token)
    other = replace(rack.config, name="rack2", identity=rack.home / "other")
    with pytest.raises(RackError, match=r"refuses to enrol rack2.*was used at .* by rack1"):
        enroll.enroll(other, token)


@pytest.mark.parametrize("text", ["", "hello", "rye1.", "rye1.!!!!", "rye1." + "A" * 9000, "rye1.e30"])
def test_what_is_no_token_is_called_so(rack, text: str) -> None:
    with pytest.raises(RackError, match="not an enrolment token"):
        enroll.enroll(rack.config, text)


def test_silent_region_is_named(region, rack) -> None:
    token = enrolment.mint_token(region.ctx, COMMAND_LINE)
    region.stop()
    with pytest.raises(RackError, match=r"no region of the token answers.*127\.0\.0\.1"):
        enroll.enroll(rack.config, token)


def test_caller_without_certificate_is_refused_with_the_remedy(region, rack) -> None:
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    tls = ssl.create_default_context(cafile=str(rack.config.identity / "ca.crt"))
    with pytest.raises(RegionRefused, match="rackyard-rack enroll"):
        transport.checked(transport.request("GET", f"{region.url}/rpc/1/desired", tls=tls))


def test_renewed_certificate_is_accepted_and_keeps_the_key(region, rack) -> None:
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    regions = Regions(rack.config.identity, rack.config.regions_file, rack.config.regions)
    key = (rack.config.identity / "rack.key").read_bytes()
    answer = regions.call("POST", "renew", {"csr": identity.request_for(key, "rack1")})
    before = (rack.config.identity / "rack.crt").read_bytes()
    identity.renew(rack.config.identity, answer["certificate"])
    assert (rack.config.identity / "rack.crt").read_bytes() != before
    assert regions.call("GET", "desired")["rack"]["hostname"] == "rack1"


def test_renewal_is_due_at_two_thirds_of_life(region, rack) -> None:
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    known = identity.read(rack.config.identity)
    assert known is not None
    life = (known.not_after - known.not_before).total_seconds()
    due = identity.due_in_s(known, datetime.now(UTC))
    assert 0.6 * life < due < 0.67 * life


def test_revoked_rack_is_refused(region, rack) -> None:
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    regions = Regions(rack.config.identity, rack.config.regions_file, rack.config.regions)
    regions.call("GET", "desired")
    enrolment.revoke_by_hostname(region.ctx, COMMAND_LINE, "rack1")
    with pytest.raises(RegionRefused, match="revoked"):
        regions.call("GET", "desired")
