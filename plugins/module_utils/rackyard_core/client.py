# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the region's API 2.0: OAuth 1.0 PLAINTEXT (RFC 5849 section 3.4.4), form bodies, JSON answers."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import ssl
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from .wire import (
    MAX_ANSWER_BYTES,
    Request,
    Response,
    Transport,
    encode_form,
    encode_parts,
    fitting,
    grouped,
    header_of,
    urllib_transport,
    with_query,
)

API_PATH = "/api/2.0/"
DEFAULT_TIMEOUT_S = 60.0
# Objects asked for at once. A page of machines with everything is about 6 MB.
PAGE = 500
_BUSY_TRIES = 4
_BUSY_WAIT_S = 1.0
_LONGEST_REASON = 2000
# The next page of a list, as RFC 8288 names it.
_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')


class RegionError(Exception):
    """The region could not do what was asked. ``status`` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    def details(self) -> dict[str, Any]:
        """What a caller's program may want to look at, besides the message."""
        return {"status": self.status}


class RegionUnreachable(RegionError):
    """No answer: wrong address, network, TLS or the region is down or starting. Asking again later may help."""


class RegionRefused(RegionError):
    """The region understood and said no (400, 404, 409 …); its own words are in the message."""


class RegionUnauthorized(RegionError):
    """The API key is missing, malformed, unknown or may not do this (401, 403)."""


@dataclass(frozen=True)
class ApiKey:
    """An API key in its text form ``consumer:token:secret``. The consumer's own secret is always empty."""

    consumer: str
    token: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Raises RegionUnauthorized when the text is not three parts."""
        parts = text.strip().split(":")
        if len(parts) != 3 or not all(parts):
            raise RegionUnauthorized(
                "The API key is not of the form consumer:token:secret; the first region keeps the administrator's key "
                "in /etc/rackyard/admin.apikey, and `rackyard-region create-admin` makes one"
            )
        return cls(*parts)

    def header(self) -> str:
        """Value of the Authorization header for one request."""
        values = {
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_consumer_key": self.consumer,
            "oauth_token": self.token,
            "oauth_signature": f"&{quote(self.secret, safe='')}",
            "oauth_timestamp": str(int(time.time())),
            "oauth_nonce": secrets.token_hex(16),
        }
        return "OAuth " + ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in values.items())


class RegionClient:
    """Calls the API of one region. Every method raises RegionError's children, worded for an operator."""

    def __init__(
        self,
        url: str,
        api_key: str,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise RegionError(f"region_url '{url}' is not a URL; write it as http://region1.example.org:5240/MAAS")
        self.url = url.rstrip("/").removesuffix(API_PATH.rstrip("/"))
        self._key = ApiKey.parse(api_key)
        self._timeout_s = timeout_s
        self._transport = transport if transport is not None else urllib_transport()
        self._sleep = sleep

    def get(self, path: str, op: str | None = None, **parameters: Any) -> Any:
        """Read ``path`` (relative to the API, with trailing slash), or do its idempotent operation ``op``."""
        wanted = {name: value for name, value in {"op": op, **parameters}.items() if value is not None}
        return self._call("GET", with_query(path, wanted))[0]

    def pages(self, path: str, page: int = PAGE, **parameters: Any) -> Iterator[list[Any]]:
        """Read the list at ``path`` in parts of at most ``page`` objects, in the region's order.

        A region that does not know pages answers with everything at once, and that is the only part.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        asked = with_query(path, {**given, "limit": page})
        while True:
            found, response = self._call("GET", asked)
            yield found
            following = _NEXT.search(header_of(response, "Link"))
            if not following:
                return
            # Only what it asks is taken from the link: the region does not know what its address is from here.
            asked = with_query(path, grouped(parse_qsl(urlsplit(following[1]).query)))

    def every(self, path: str, **parameters: Any) -> list[Any]:
        """All objects of the list at ``path``, read in pages."""
        return [one for part in self.pages(path, **parameters) for one in part]

    def matching(self, path: str, name: str, values: Sequence[str], **parameters: Any) -> list[Any]:
        """The objects whose field ``name`` is one of ``values``, however many those are."""
        return [one for part in fitting(name, values) for one in self.every(path, **{**parameters, name: part})]

    def mapping(self, path: str, name: str, values: Sequence[str], op: str, **parameters: Any) -> dict[str, Any]:
        """The answer of ``op`` on the collection ``path``, an object for each of ``values``, however many those are."""
        found: dict[str, Any] = {}
        for part in fitting(name, values):
            found |= self.get(path, op, **{**parameters, name: part})
        return found

    def post(self, path: str, /, op: str | None = None, **values: Any) -> Any:
        """Create in the collection ``path``, or do the operation ``op`` on it."""
        return self._call("POST", f"{path}?{urlencode({'op': op})}" if op else path, values)[0]

    def post_file(self, path: str, name: str, content: bytes, **values: str) -> Any:
        """Create in the collection ``path`` of a file, which is the field ``name``, and other fields."""
        kind, body = encode_parts(values, name, content)
        return self._call("POST", path, body, {"Content-Type": kind})[0]

    def put(self, path: str, **values: Any) -> Any:
        """Change the given fields of the object at ``path``."""
        return self._call("PUT", path, values)[0]

    def put_bytes(self, path: str, content: bytes, start_byte: int, size_bytes: int) -> Any:
        """Send a part of a file of ``size_bytes`` that begins at ``start_byte``; the region takes only the next one."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {start_byte}-{start_byte + len(content) - 1}/{size_bytes}",
        }
        return self._call("PUT", path, content, headers)[0]

    def delete(self, path: str) -> None:
        """Remove the object at ``path``."""
        self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: str,
        values: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Any, Response]:
        """Send, and again while the region is busy, unless that might do a change twice."""
        for tries_left in reversed(range(_BUSY_TRIES)):
            response = self._send(method, path, values, headers or {})
            if not tries_left or not _may_repeat(method, response):
                break
            self._sleep(_retry_after_s(response))
        return self._answer(f"{method} {path}", response), response

    def _send(
        self, method: str, path: str, values: Mapping[str, Any] | bytes | None, more: Mapping[str, str]
    ) -> Response:
        headers = {"Authorization": self._key.header(), "Accept": "application/json", **more}
        body = None
        if isinstance(values, bytes):
            body = values
        elif values is not None:
            body = encode_form(values)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            return self._transport(Request(method, self.url + API_PATH + path, headers, body), self._timeout_s)
        except (OSError, http.client.HTTPException) as reason:
            raise RegionUnreachable(self._unreachable(reason)) from reason

    def _unreachable(self, reason: Exception) -> str:
        cause = reason.reason if isinstance(reason, urllib.error.URLError) else reason
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", cause)
            return (
                f"The certificate of the region at {self.url} is not trusted ({why}); "
                "give its CA with ca_path, or correct the host name in region_url"
            )
        if isinstance(cause, TimeoutError):
            return (
                f"The region at {self.url} did not answer within {self._timeout_s:g} s; "
                "see `systemctl status rackyard-region` there, or raise request_timeout_s"
            )
        return (
            f"The region at {self.url} cannot be reached ({cause}); "
            "check region_url, and `systemctl status nginx rackyard-region` on the region"
        )

    def _answer(self, asked: str, response: Response) -> Any:
        if response.status == 204 or (response.status == 201 and not response.body):
            return None
        if response.status not in (200, 201):
            raise self._refusal(asked, response)
        if len(response.body) > MAX_ANSWER_BYTES:
            raise RegionError(f"{asked}: the answer is longer than {MAX_ANSWER_BYTES} bytes; ask for less", 200)
        try:
            return json.loads(response.body)
        except ValueError as reason:
            raise RegionError(
                f"{self.url} answered {asked} with something that is not JSON; does region_url end in /MAAS?",
                response.status,
            ) from reason

    def _refusal(self, asked: str, response: Response) -> RegionError:
        said = _words(response.body)
        status = response.status
        if status == 401:
            return RegionUnauthorized(
                f"The region at {self.url} does not know this API key ({said}); use the key in "
                "/etc/rackyard/admin.apikey of the first region, or make one with `rackyard-region create-admin`",
                status,
            )
        if status == 403:
            return RegionUnauthorized(f"This API key may not do {asked}: {said}; use an administrator's key", status)
        if 300 <= status < 400:
            target = header_of(response, "Location") or "elsewhere"
            return RegionError(f"{self.url} redirects to {target}; give that address as region_url", status)
        if status >= 500:
            # nginx answers 502 or 504 while the service behind it restarts, the service 503 while PostgreSQL does.
            kind = RegionUnreachable if status in (502, 503, 504) else RegionError
            return kind(
                f"The region at {self.url} failed at {asked} ({status}: {said}); "
                "`journalctl -u rackyard-region` on the region has the reason",
                status,
            )
        return RegionRefused(said or f"The region refused {asked} with status {status}", status)


def _may_repeat(method: str, response: Response) -> bool:
    """Whether the same request may be sent again: what was asked cannot have been done.

    503 is "not now", 429 "too many". The region adds Retry-After when it has begun nothing; without it a change may be
    made already, so that only a question may be repeated. 504 is final: the region has waited as long as makes sense.
    """
    return response.status in (429, 503) and (method == "GET" or header_of(response, "Retry-After") != "")


def _words(body: bytes) -> str:
    """The region's words: plain text, or JSON with each wrong field and what is wrong with it (as MAAS does)."""
    text = body[:_LONGEST_REASON].decode("utf-8", "replace").strip()
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if not isinstance(fields, dict):
        return text
    return "; ".join(
        f"{name}: {' '.join(map(str, said)) if isinstance(said, list) else said}" for name, said in fields.items()
    )


def _retry_after_s(response: Response) -> float:
    """Seconds that a busy region asks for, at most 30."""
    text = header_of(response, "Retry-After")
    return min(float(text), 30.0) if text.isdigit() else _BUSY_WAIT_S
