# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS to the regions by the standard library: timeouts, size limits, JSON, the rack's certificate.

One connection per call: calls are few, and a long poll must be able to end with its region.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rackyard.rack.errors import RackError, RegionAway, RegionBusy, RegionFailed, RegionRefused

CONNECT_TIMEOUT_S = 5.0
# A region that is gone, or has given this connection up while the network was away, is found out within 9 s.
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 3, socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 3}
MAX_BODY_BYTES = 8 * 1024 * 1024
# Statuses that say "later", not "never": of a region that is there, and of one that is not, or as good as.
_BUSY, _AWAY = frozenset({408, 425, 429}), frozenset({502, 503, 504})


@dataclass(frozen=True)
class Response:
    """Status, lower-case headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; RegionAway when it is none, as a region in trouble may send HTML."""
        try:
            return json.loads(self.body)
        except ValueError as reason:
            raise RegionAway(f"the region's answer is not JSON: {reason}") from reason


def client_tls(identity: Path) -> ssl.SSLContext:
    """TLS that trusts only the site's own CA and shows the rack's certificate. RackError when not enrolled."""
    try:
        context = ssl.create_default_context(cafile=str(identity / "ca.crt"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(identity / "rack.crt"), str(identity / "rack.key"))
    except (OSError, ssl.SSLError) as reason:
        raise RackError(
            f"no usable identity in {identity} ({reason}); "
            "enrol this rack with `rackyard-rack enroll --token-file FILE`"
        ) from reason
    return context


def request(
    method: str,
    url: str,
    *,
    body: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 30.0,
    limit_bytes: int = MAX_BODY_BYTES,
) -> Response:
    """One request; ``body`` goes as JSON, ``content`` as it is. Raises RegionAway for every failure below HTTP."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, tls)
    sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
    if body is not None:
        content = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    try:
        connection.connect()
        _keep_alive(connection.sock)
        connection.sock.settimeout(timeout_s)
        connection.request(method, target, body=content, headers=sent)
        answer = connection.getresponse()
        received = answer.read(limit_bytes + 1)
        if len(received) > limit_bytes:
            raise RegionAway(f"{url} answers more than {limit_bytes} bytes")
        return Response(answer.status, {key.lower(): value for key, value in answer.getheaders()}, received)
    except (OSError, http.client.HTTPException) as reason:
        raise RegionAway(
            f"{parts.scheme}://{parts.netloc} does not answer: {reason or type(reason).__name__}"
        ) from reason
    finally:
        connection.close()


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def checked(response: Response) -> Response:
    """The response when it is 2xx or 304. Else raises RegionRefused, RegionFailed, RegionBusy or RegionAway, with the
    region's words."""
    if 200 <= response.status < 300 or response.status == 304:
        return response
    message = _message(response)
    if response.status == 500:
        raise RegionFailed(f"HTTP 500: {message}")
    if response.status in _BUSY:
        raise RegionBusy(f"HTTP {response.status}: {message}")
    if response.status in _AWAY:
        raise RegionAway(f"HTTP {response.status}: {message}")
    raise RegionRefused(response.status, message)


def _message(response: Response) -> str:
    text = " ".join(response.body[:2000].decode("utf-8", "replace").split())
    try:
        document = json.loads(text)
    except ValueError:
        # A page of the web server before a region's process, which says the same in five lines.
        return http.client.responses.get(response.status, "") if text.startswith("<") or not text else text
    return str(document.get("error", text)) if isinstance(document, dict) else text


def _connection(scheme: str, host: str, port: int | None, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT_S, context=tls)
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT_S)
    raise RackError(f"{scheme!r} is not http or https; correct the region list in rack.toml")
