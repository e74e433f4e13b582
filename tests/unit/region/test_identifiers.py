# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifiers, secrets and configuration of the region: no database needed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from rackyard.region import config, oauth
from rackyard.region.crypto import SecretBox, secret_hash, secret_matches
from rackyard.region.errors import BadRequest, RackyardError, Unauthorized
from rackyard.region.randomness import Randomness
from rackyard.region.services.site import validation


def test_system_ids_follow_the_grammar_and_differ() -> None:
    made = {Randomness().system_id() for _ in range(200)}
    assert len(made) > 190
    assert all(re.fullmatch(r"[abcdefghkmnpqrstwxyz][abcdefghkmnpqrstwxyz346789]{5}", one) for one in made)


def test_boot_id_keeps_its_leading_zeros() -> None:
    class Zeros(random.Random):
        def getrandbits(self, k: int, /) -> int:
            return 1

    assert Randomness(Zeros()).boot_id() == "0" * 31 + "1"


def test_secret_opens_with_its_key_only() -> None:
    box = SecretBox(Fernet.generate_key())
    sealed = box.encrypt("p\u00e4ss")
    assert box.decrypt(sealed) == "p\u00e4ss"
    with pytest.raises(RackyardError, match="another key"):
        SecretBox(Fernet.generate_key()).decrypt(sealed)


def test_bad_or_missing_key_is_named(tmp_path) -> None:
    with pytest.raises(RackyardError, match="32 bytes"):
        SecretBox(b"short")
    with pytest.raises(RackyardError, match=f"{tmp_path}/none"):
        SecretBox.from_file(tmp_path / "none")


def test_secret_hash_matches_its_secret_only() -> None:
    assert secret_matches("a", secret_hash("a"))
    assert not secret_matches("b", secret_hash("a"))


def test_rpc_urls_bracket_ipv6() -> None:
    tls = {"ca_cert": "a", "ca_key": "b", "cert": "c", "key": "d"}
    document = {
        "region": {"name": "r", "url": "http://r/MAAS/", "addresses": ["10.0.0.1", "2001:db8::1"], "rpc_ports": [5250]},
        "database": {"dsn": "x"},
        "keys": {"secrets": "s", "tsig": "t"},
        "tls": tls,
        "paths": {"images": "/i"},
        "dns": {"server": "127.0.0.1", "domain": "rackyard.internal"},
    }
    made = config.from_document(document)
    assert made.rpc_urls == ["https://10.0.0.1:5250", "https://[2001:db8::1]:5250"]
    assert made.url == "http://r/MAAS"


Check = Callable[[str], object]


def attempt(check: Check, text: str) -> tuple[str | None, str]:
    """What a check made of a text: its normal form, or None and the words of the refusal."""
    try:
        return str(check(text)), ""
    except BadRequest as error:
        return None, error.message


@given(st.text(max_size=200))
def test_oauth_header_without_its_parts_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized, match="Authorization Error"):
        oauth.parse(f"OAuth {header}")


@pytest.mark.parametrize("name", ["mac", "address", "network", "name", "architecture"])
@given(text=st.text(max_size=80))
def test_what_people_type_is_normal_or_refused(name: str, text: str) -> None:
    check = partial(getattr(validation, name), "field")
    normal, refusal = attempt(check, text)
    assert (normal is None) == bool(refusal)
    assert "\n" not in refusal
    if normal is not None:
        assert attempt(check, normal) == (normal, "")


@given(st.text(max_size=80))
def test_hostname_is_a_label_or_refused(text: str) -> None:
    check = partial(validation.hostname, "hostname", domain="rackyard.internal")
    label, refusal = attempt(check, text)
    if label is None:
        assert "RFC 1123" in refusal
    else:
        assert re.fullmatch(r"[a-z0-9-]{1,63}", label)
        assert attempt(check, label) == (label, "")
