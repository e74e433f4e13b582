# SPDX-License-Identifier: GPL-3.0-or-later
"""The regions of this rack: who answers now, who is asked first, and the list kept on disk."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rackyard import contracts
from rackyard.daemons import files
from rackyard.rack import identity as identity_files
from rackyard.rack import transport
from rackyard.rack.errors import RackError, RegionAway, RegionFailed, RegionRefused
from rackyard.rack.transport import Response

_URL = re.compile(r"https://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]):[0-9]{1,5}")
_PREFIX = "/rpc/1/"
# For so long a port that did not answer comes after the region's other ones.
_SHUNNED_S = 30.0
# The calls whose answers are used.
_ANSWERS = {
    "boot-config": "boot-config-answer",
    "boot-metadata": "boot-metadata-answer",
    "boots": "boots-answer",
    "desired": "desired-answer",
    "events": "batch-answer",
    "jobs": "jobs-answer",
    "leases": "batch-answer",
    "register": "register-answer",
    "renew": "renew-answer",
}


def read_list(path: Path, configured: tuple[str, ...]) -> tuple[str, ...]:
    """The regions of the configuration, then those that a region last told.

    Both, because either may be old: a region with a new address is in the configuration first."""
    try:
        told = clean(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        told = ()
    return tuple(dict.fromkeys((*configured, *told)))


def clean(urls: Any) -> tuple[str, ...]:
    """The well-formed URLs of a list, each once, in order."""
    if not isinstance(urls, list):
        return ()
    return tuple(dict.fromkeys(url for url in urls if isinstance(url, str) and _URL.fullmatch(url)))


class Regions:
    """Calls to the regions with the rack's certificate. Safe for several threads."""

    def __init__(self, identity: Path, regions_file: Path, configured: tuple[str, ...], spread: int = 0) -> None:
        self._identity = identity
        self._file = regions_file
        self._configured = configured
        # Racks begin with different regions, and with different ports of each, so that none gets all racks.
        self._spread = spread
        self._lock = threading.Lock()
        self._urls = read_list(regions_file, configured)
        self._away: dict[str, tuple[float, str]] = {}
        self._live: set[str] = set()
        self._tls: ssl.SSLContext | None = None
        self._tls_of: identity_files.Stamp = ()
        self.changed = threading.Event()

    @property
    def urls(self) -> tuple[str, ...]:
        """All known regions."""
        with self._lock:
            return self._urls

    def update(self, urls: Any) -> None:
        """Take a new list from a region, beside the configured ones; an empty or malformed one is ignored."""
        found = clean(urls)
        known = tuple(dict.fromkeys((*self._configured, *found)))
        with self._lock:
            if not found or known == self._urls:
                return
            self._urls = known
            self._live.intersection_update(known)
        self.changed.set()
        files.replace(self._file, json.dumps(list(found)).encode(), 0o640)

    def status(self) -> dict[str, str]:
        """Per URL: "live", or why it is not; "in reserve" where another port of the region is live."""
        with self._lock:
            lively = {_region_of(url) for url in self._live}
            return {url: self._state(url, lively) for url in self._urls}

    def _state(self, url: str, lively: set[str]) -> str:
        if url in self._live:
            return "live"
        if url in self._away:
            return self._away[url][1]
        return "in reserve" if _region_of(url) in lively else "not asked yet"

    @property
    def names(self) -> tuple[str, ...]:
        """Host names or addresses of all known regions, each once."""
        return tuple(dict.fromkeys(_region_of(url) for url in self.urls))

    def channel(self, name: str) -> list[str]:
        """The URLs of one region: this rack's own port first, but after the others when it has just failed."""
        with self._lock:
            ports = _turned([url for url in self._urls if _region_of(url) == name], self._spread)
            shunned_since = time.monotonic() - _SHUNNED_S
            failed_at = {url: self._away.get(url, (0.0, ""))[0] for url in ports}
            return sorted(ports, key=lambda url: failed_at[url] if failed_at[url] > shunned_since else 0.0)

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = 15.0) -> Any:
        """Call the first region that answers; JSON of its answer, which fulfils the contract of that call.

        Raises RegionRefused when one says no, RegionFailed when one failed and none answered, RegionAway when none
        is there.
        """
        reasons = []
        failed = False
        for url in self.live_first():
            try:
                return answer_of(self.call_at(url, method, path, body, timeout_s=timeout_s), path)
            except RegionAway as reason:
                failed = failed or isinstance(reason, RegionFailed)
                reasons.append(str(reason))
        error = RegionFailed if failed else RegionAway
        raise error("; ".join(reasons) or "no region is known; correct rack.regions in rack.toml")

    def call_at(
        self,
        url: str,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 15.0,
    ) -> Response:
        """Call one region and note whether it is live."""
        try:
            response = transport.request(
                method, url + _PREFIX + path, body=body, headers=headers, tls=self._context(), timeout_s=timeout_s
            )
            answer = transport.checked(response)
        except RegionAway as reason:
            self.note_away(url, str(reason))
            raise
        except RegionRefused:
            self.note_live(url)
            raise
        self.note_live(url)
        return answer

    def download(self, path: str, limit_bytes: int, error: Callable[[str], Exception]) -> bytes:
        """GET a file of a region's image store, from the first region that has it."""
        reasons = []
        for url in self.live_first():
            try:
                answer = transport.request(
                    "GET", url + path, tls=self._context(), limit_bytes=limit_bytes, timeout_s=60.0
                )
                return transport.checked(answer).body
            except (RegionAway, RegionRefused) as reason:
                reasons.append(f"{url}{path}: {reason}")
        raise error("; ".join(reasons) or "no region is known")

    def note_away(self, url: str, reason: str) -> None:
        """It has just not answered."""
        with self._lock:
            self._away[url] = (time.monotonic(), reason)
            self._live.discard(url)

    def note_live(self, url: str) -> None:
        """It has just answered."""
        with self._lock:
            self._away.pop(url, None)
            self._live.add(url)

    def live_first(self) -> list[str]:
        """The regions, live ones first, beginning with this rack's own; then those whose failure is longest ago."""
        with self._lock:
            return sorted(_turned(self._urls, self._spread), key=lambda url: self._away.get(url, (0.0, ""))[0])

    def _context(self) -> ssl.SSLContext:
        """TLS with the identity that is on disk now: the rack may be enrolled anew while its agent runs."""
        stamp = identity_files.stamp(self._identity)
        with self._lock:
            if self._tls is None or stamp != self._tls_of:
                self._tls = transport.client_tls(self._identity)
                self._tls_of = stamp
            return self._tls


def _region_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def _turned(urls: Sequence[str], by: int) -> tuple[str, ...]:
    """The same in a circle, beginning elsewhere."""
    first = by % max(1, len(urls))
    return (*urls[first:], *urls[:first])


def answer_of(response: Response, path: str) -> Any:
    """The JSON of an answer. Raises RegionAway when it is not what both sides agreed on."""
    document = response.json()
    contract = _ANSWERS.get(path.split("?", 1)[0])
    if contract is None:
        return document
    try:
        return contracts.read(contract, document)
    except contracts.ContractError as reason:
        raise RegionAway(f"the region's answer cannot be used ({reason}); is it of the rack's release?") from reason


def base_urls(urls: Any) -> tuple[str, ...]:
    """The RPC URLs of an enrolment token. Raises RackError when there is none."""
    found = clean(urls)
    if not found:
        raise RackError("the enrolment token names no region; make a new one with `rackyard-region enroll-token`")
    return found
