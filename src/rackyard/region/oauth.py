# SPDX-License-Identifier: GPL-3.0-or-later
"""The OAuth 1.0 PLAINTEXT header (RFC 5849 sections 3.4.4 and 3.5.1) that MAAS clients and cloud-init send."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from oauthlib.oauth1.rfc5849.utils import parse_authorization_header

from rackyard.region.errors import Unauthorized

MAX_HEADER_BYTES = 4096


@dataclass(frozen=True)
class Credentials:
    """What the caller claims to hold."""

    consumer_key: str
    token_key: str
    token_secret: str = field(repr=False)


def parse(header: str | None) -> Credentials:
    """Credentials from an Authorization header. Raises Unauthorized saying what is missing; never quotes it."""
    if not header:
        raise Unauthorized("Authorization Error: the request is not signed; sign it with an API key (OAuth PLAINTEXT).")
    parameters = _parameters(header)
    if parameters.get("oauth_signature_method", "").upper() != "PLAINTEXT":
        raise Unauthorized("Authorization Error: the signature method must be PLAINTEXT.")
    for name in ("oauth_consumer_key", "oauth_token", "oauth_signature"):
        if not parameters.get(name):
            raise Unauthorized(f"Authorization Error: the OAuth header lacks {name}.")
    consumer_secret, ampersand, token_secret = parameters["oauth_signature"].partition("&")
    if consumer_secret or not ampersand:
        raise Unauthorized("Authorization Error: the signature must be '&' and the token's secret.")
    return Credentials(parameters["oauth_consumer_key"], parameters["oauth_token"], unquote(token_secret))


def _parameters(header: str) -> dict[str, str]:
    try:
        if len(header) > MAX_HEADER_BYTES:
            raise ValueError
        parameters = {name: unquote(value) for name, value in parse_authorization_header(header)}
    except ValueError:
        raise Unauthorized("Authorization Error: the header is not OAuth; sign with an API key.") from None
    if not all(value.isascii() and value.isprintable() for value in parameters.values()):
        raise Unauthorized("Authorization Error: the OAuth header has characters that no key has.")
    return parameters
