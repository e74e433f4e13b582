# SPDX-License-Identifier: GPL-3.0-or-later
"""Where people publish their SSH keys: GitHub, Launchpad, or the site's own server in place of one of them. Each gives
the keys of a name as lines of authorized_keys."""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, urljoin, urlsplit

from rackyard.region.config import Config
from rackyard.region.errors import Invalid, Late
from rackyard.region.services.site import validation

# Of one step (connect, or wait for more), and of the whole.
STEP_S, WHOLE_S = 5.0, 15.0
MAX_BYTES = 256 * 1024
_MAX_REDIRECTS = 3
_CHUNK = 16 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,63}")
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)
# By MAAS's name of the protocol: what it is called, and where the keys of a name are.
_KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"gh": ("GitHub", "{name}.keys"), "lp": ("Launchpad", "~{name}/+sshkeys")}
)


@dataclass(frozen=True)
class Source:
    """Somebody's name at one of them."""

    protocol: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Source:
        """From `gh:NAME` or `lp:NAME`; a name alone is one at Launchpad, as in MAAS. Raises Invalid."""
        protocol, colon, name = text.strip().rpartition(":")
        if (colon and protocol not in _KINDS) or not _NAME.fullmatch(name):
            raise Invalid.field(
                "keysource", f"{validation.shown(text)} is no source of keys; write gh:NAME for GitHub, lp:NAME for "
                "Launchpad."
            )  # fmt: skip
        return cls(protocol or "lp", name)

    def __str__(self) -> str:
        return f"{self.protocol}:{self.name}"


def lines(config: Config, source: Source) -> list[str]:
    """What the source publishes, a key in each line. Raises Invalid for a name that it does not know or that has no
    keys, and for an answer that is none; Late when it cannot be reached."""
    called, place = _KINDS[source.protocol]
    base = {"gh": config.github_url, "lp": config.launchpad_url}[source.protocol]
    url = f"{base.rstrip('/')}/{place.format(name=quote(source.name))}"
    try:
        body = _get(url)
    except (OSError, http.client.HTTPException) as reason:
        words = str(reason) or type(reason).__name__
        raise Late(f"{called} gave no keys of {source.name}; {url} was asked: {words}") from None
    if body is None:
        raise Invalid.field("keysource", f"{called} knows no {source.name}; {url} was asked.")
    found = [line.strip() for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    if not found:
        raise Invalid.field("keysource", f"{source.name} has no SSH keys at {called}; {url} was asked.")
    return found


def _get(url: str) -> bytes | None:
    """What is there, None for nothing. Follows redirects within the host. Raises OSError, HTTPException."""
    give_up_at = time.monotonic() + WHOLE_S
    host = urlsplit(url).netloc
    for _hop in range(_MAX_REDIRECTS + 1):
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.netloc != host:
            raise OSError(f"it leads to {validation.shown(url)}, which is elsewhere")
        connection = http.client.HTTPSConnection(host, timeout=STEP_S, context=ssl.create_default_context())
        try:
            connection.request("GET", parts.path, headers={"Accept": "text/plain"})
            answer = connection.getresponse()
            if answer.status == http.client.OK:
                return _read(answer, give_up_at)
            if answer.status in _GONE:
                return None
            if answer.status not in _REDIRECTS:
                raise OSError(f"it answered {answer.status}")
            url = urljoin(url, answer.headers.get("Location", ""))
        finally:
            connection.close()
    raise OSError("it leads from one place to the next")


def _read(answer: http.client.HTTPResponse, give_up_at: float) -> bytes:
    body = b""
    while part := answer.read1(_CHUNK):
        body += part
        if len(body) > MAX_BYTES:
            raise OSError(f"it gives more than {MAX_BYTES} bytes")
        if time.monotonic() > give_up_at:
            raise OSError(f"it has not given them in {WHOLE_S:.0f} s")
    return body
