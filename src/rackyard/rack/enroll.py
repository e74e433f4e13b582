# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrolment: a one-time token becomes a certificate, and the key never leaves this host."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackyard import __version__, contracts
from rackyard.daemons import files
from rackyard.rack import identity, regions, transport
from rackyard.rack.config import RackConfig
from rackyard.rack.errors import RackError, RegionAway, RegionRefused

_PREFIX = "rye1."


@dataclass(frozen=True)
class Token:
    """What an enrolment token carries: regions, fingerprint of their CA, one-time secret."""

    urls: tuple[str, ...]
    ca_sha256: str
    secret: str


def parse_token(text: str) -> Token:
    """Decode a token. RackError when it is not one."""
    word = text.strip()
    remedy = "make a new one with `rackyard-region enroll-token`"
    try:
        if not word.startswith(_PREFIX) or len(word) > 8192:
            raise ValueError("prefix")
        encoded = word[len(_PREFIX) :]
        document: Any = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        urls, digest, secret = document["urls"], document["ca_sha256"], document["secret"]
        if not isinstance(digest, str) or not isinstance(secret, str):
            raise TypeError("shape")
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise RackError(f"this is not an enrolment token (it begins with {_PREFIX}); {remedy}") from None
    return Token(regions.base_urls(urls), digest.lower().replace(":", ""), secret)


def enroll(config: RackConfig, token_text: str, *, force: bool = False) -> tuple[bool, str]:
    """Enrol this rack; ``(changed, message)``. An enrolled rack stays as it is unless ``force``."""
    known = identity.read(config.identity)
    if known is not None and not force:
        where = ", ".join(regions.read_list(config.regions_file, config.regions)) or "its region"
        return False, f"already enrolled as {known.system_id} with region {where}; use --force to enrol anew"
    token = parse_token(token_text)
    if not config.state.is_dir():
        raise RackError(f"there is no directory {config.state}; run the rack playbook first")
    reasons = []
    for url in token.urls:
        try:
            return True, _enroll_at(config, token, url)
        except RegionAway as reason:
            reasons.append(str(reason))
    raise RackError(f"no region of the token answers ({'; '.join(reasons)}); is port 5250 open from this rack?")


def _enroll_at(config: RackConfig, token: Token, url: str) -> str:
    ca = _verified_ca(url, token.ca_sha256)
    key = identity.new_key()
    body = {
        "secret": token.secret,
        "hostname": config.name,
        "csr": identity.request_for(key, config.name),
        "version": __version__,
    }
    with tempfile.NamedTemporaryFile(suffix=".crt") as trusted:
        trusted.write(ca)
        trusted.flush()
        tls = ssl.create_default_context(cafile=trusted.name)
    try:
        response = transport.checked(transport.request("POST", f"{url}/rpc/1/enroll", body=body, tls=tls))
        answer = contracts.read("enroll-answer", response.json())
    except contracts.ContractError as reason:
        raise RackError(f"the region at {url} sends something else than an enrolment: {reason}") from reason
    except RegionRefused as refusal:
        raise RackError(f"the region at {url} refuses to enrol {config.name}: {refusal}") from refusal
    identity.store(config.identity, key, answer["certificate"], ca.decode("ascii"))
    files.replace(config.regions_file, json.dumps(list(token.urls)).encode(), 0o640)
    _give_to_service(config)
    return f"enrolled as {answer['system_id']} with region {url}; certificate valid until {answer['not_after']}"


def _verified_ca(url: str, expected_sha256: str) -> bytes:
    """The CA that the token's fingerprint names; fetched over unverified TLS, as the fingerprint is the proof."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        pem = transport.checked(transport.request("GET", f"{url}/rpc/1/ca", tls=unverified)).body
    except RegionRefused as refusal:
        raise RackError(f"{url} does not give its CA ({refusal}); is this a region's RPC address?") from refusal
    if not hmac.compare_digest(identity.ca_fingerprint(pem), expected_sha256):
        raise RackError(
            f"the CA of {url} is not the one that the token names: the token is of another site, or somebody is in "
            "between; make a new one with `rackyard-region enroll-token` on a region you trust"
        )
    return pem


def _give_to_service(config: RackConfig) -> None:
    """When root enrols, the files belong to whom the state directory belongs to: the service's user."""
    if os.geteuid() != 0:
        return
    owner = config.state.stat()
    for path in (config.identity, config.regions_file, *sorted(config.identity.iterdir())):
        os.chown(path, owner.st_uid, owner.st_gid)


def read_token(source: str, stdin: Any) -> str:
    """The token's text from a file, or from stdin for `-`. It never comes as an argument."""
    if source == "-":
        return str(stdin.read(8193))
    try:
        return Path(source).read_text(encoding="ascii")
    except (OSError, ValueError) as reason:
        raise RackError(f"cannot read the enrolment token from {source}: {reason}") from reason
