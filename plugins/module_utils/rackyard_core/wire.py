# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP as the client of the region needs it: a request, an answer, the network between them, forms and queries."""

from __future__ import annotations

import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

MAX_ANSWER_BYTES = 64 * 1024 * 1024
# gunicorn refuses a request line of more than 4094 bytes; the rest is for the path and the other parameters.
_LONGEST_FILTER = 3000


@dataclass(frozen=True)
class Request:
    """One HTTP request, complete; a transport only has to send it. Authorization stays out of the representation."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = None


@dataclass(frozen=True)
class Response:
    """One HTTP answer, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


# Sends a request within the given seconds. Raises OSError, http.client.HTTPException or ssl.SSLError.
Transport = Callable[[Request, float], Response]


def header_of(response: Response, name: str) -> str:
    """A header's value, whatever the case that its name came in."""
    return next((value for key, value in response.headers.items() if key.lower() == name.lower()), "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would carry the Authorization header to wherever the answer points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def urllib_transport(validate_certs: bool = True, ca_path: str | None = None, proxy: str | None = None) -> Transport:
    """The real network. ``ca_path``, a PEM file that may be empty, adds to the system's CAs. ``proxy`` is the address
    of the proxy for everything, empty for none; when it is None the environment's proxies apply."""
    context = ssl.create_default_context()
    # What hands out secrets as files makes one also of a CA that nobody gave.
    if ca_path and Path(ca_path).stat().st_size > 0:
        context.load_verify_locations(cafile=ca_path)
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    proxies = None if proxy is None else dict.fromkeys(("http", "https"), proxy) if proxy else {}
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler(proxies), _NoRedirect()
    )

    def send(request: Request, timeout_s: float) -> Response:
        prepared = urllib.request.Request(
            request.url, data=request.body, headers=dict(request.headers), method=request.method
        )
        try:
            answer = opener.open(prepared, timeout=timeout_s)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            return Response(answer.status, answer.read(MAX_ANSWER_BYTES + 1), dict(answer.headers))

    return send


def encode_form(values: Mapping[str, Any]) -> bytes:
    """Form body as MAAS clients send it: lists repeat the name, booleans are lower case, None clears (empty)."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        # An empty list is one empty value: a name that is not mentioned would leave things as they are.
        pairs += [(name, _form_text(one)) for one in several or [""]]
    return urlencode(pairs).encode()


def encode_parts(values: Mapping[str, str], file: str, content: bytes) -> tuple[str, bytes]:
    """Form body in parts (RFC 7578), the last of which is a file named as its field; its Content-Type, and the body."""
    boundary = secrets.token_hex(24)
    parts = [(f'name="{name}"', value.encode()) for name, value in values.items()]
    parts.append((f'name="{file}"; filename="{file}"', content))
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {named}\r\n\r\n".encode() + value + b"\r\n"
        for named, value in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def _form_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def with_query(path: str, parameters: Mapping[str, Any]) -> str:
    """A path with its query, written as encode_form does."""
    query = encode_form(parameters).decode()
    return f"{path}?{query}" if query else path


def grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Names with all of their values."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def fitting(name: str, values: Sequence[str]) -> Iterator[list[str]]:
    """The values in parts that fit into a URL as values of ``name``."""
    part: list[str] = []
    length = 0
    for value in values:
        size = len(urlencode({name: value})) + 1
        if part and length + size > _LONGEST_FILTER:
            yield part
            part, length = [], 0
        part.append(value)
        length += size
    if part:
        yield part
