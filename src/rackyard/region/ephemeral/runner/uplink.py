# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's metadata API, as a machine that is commissioned calls it.

Wire format: the MAAS metadata API (``maas-scripts`` archive, ``op=signal`` as multipart/form-data, OAuth 1
PLAINTEXT).
"""

from __future__ import annotations

import email.utils
import http.client
import secrets
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

API_VERSION = "2012-03-01"
ARCHIVE_LIMIT_BYTES = 16 << 20
# Pauses between tries, the last one again and again: regions may be away for as long as it takes to repair one, and
# what the machine found out is nowhere else yet. A refusal (the operation has ended) ends it at once.
RETRY_DELAYS_S = (1, 1, 2, 4, 8, 15)
PATIENCE_S = 3600
HTTP_TIMEOUT_S = 60


class RunnerError(Exception):
    """Commissioning cannot go on; the text goes to the region and to the console."""


class Config(NamedTuple):
    """Where to report and with which credentials of this boot."""

    metadata_url: str
    consumer_key: str
    token_key: str
    token_secret: str
    heartbeat_s: float = 30.0


def say(text: str) -> None:
    """Write one line of progress to the console and the log."""
    print(f"rackyard: {text}", flush=True)


def encode_multipart(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return body and content type of a multipart/form-data request (RFC 7578)."""
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []
    for name, text in fields.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts += [head.encode(), text.encode(), b"\r\n"]
    for name, content in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


class Uplink:
    """The region's metadata API, reached through a rack."""

    def __init__(self, config: Config, sleep: Callable[[float], object] = time.sleep) -> None:
        self.config = config
        self._sleep = sleep
        self._clock_offset_s = 0.0

    def authorization(self) -> str:
        """Return an OAuth 1 PLAINTEXT header; the consumer secret is empty, as in MAAS API keys."""
        values = {
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_consumer_key": self.config.consumer_key,
            "oauth_token": self.config.token_key,
            "oauth_timestamp": str(int(time.time() + self._clock_offset_s)),
            "oauth_nonce": secrets.token_hex(16),
            "oauth_signature": "&" + self.config.token_secret,
        }
        return "OAuth " + ", ".join(f'{key}="{quote(value, safe="")}"' for key, value in values.items())

    def _once(self, method: str, path: str, body: bytes | None, content_type: str) -> tuple[int, str, bytes]:
        url = urlsplit(self.config.metadata_url.rstrip("/") + path)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.netloc, timeout=HTTP_TIMEOUT_S)
        headers = {"Authorization": self.authorization(), "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, url.path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read(ARCHIVE_LIMIT_BYTES + 1)
            return response.status, response.headers.get("Date", ""), content
        finally:
            connection.close()

    def _correct_clock(self, date: str) -> bool:
        """Follow the server's clock (a machine's own may be years off); say whether it made a difference."""
        try:
            offset = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
        except (TypeError, ValueError):
            return False
        changed = abs(offset - self._clock_offset_s) > 5
        self._clock_offset_s = offset
        return changed

    def request(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        """Send a request, for an hour again after network and server errors; raise RunnerError when it is refused."""
        give_up_at = time.monotonic() + PATIENCE_S
        tries = 0
        while True:
            try:
                status, date, content = self._once(method, path, body, content_type)
                if status < 300:
                    if len(content) > ARCHIVE_LIMIT_BYTES:
                        raise RunnerError(f"{path}: the answer is larger than {ARCHIVE_LIMIT_BYTES} bytes")
                    return content
                problem = f"HTTP status {status}: {content[:200].decode('utf-8', 'replace').strip()}"
                final = status < 500 and status not in (408, 429)
                if status in (401, 403) and self._correct_clock(date):
                    continue
            except (OSError, http.client.HTTPException) as error:
                problem, final = f"{type(error).__name__}: {error}", False
            if final or time.monotonic() > give_up_at:
                raise RunnerError(f"{method} {self.config.metadata_url.rstrip('/')}{path}: {problem}")
            tries += 1
            if tries == len(RETRY_DELAYS_S):
                say(f"no region takes {method} {path} ({problem}); trying for up to {PATIENCE_S // 60} minutes")
            self._sleep(RETRY_DELAYS_S[min(tries, len(RETRY_DELAYS_S)) - 1])

    def signal(self, fields: Mapping[str, str], files: Mapping[str, bytes] | None = None) -> None:
        """Report to the region (``op=signal``)."""
        body, content_type = encode_multipart({"op": "signal", **fields}, files or {})
        self.request("POST", f"/{API_VERSION}/", body, content_type)

    def scripts(self) -> bytes:
        """Fetch the tar archive of scripts."""
        return self.request("GET", f"/{API_VERSION}/maas-scripts")
