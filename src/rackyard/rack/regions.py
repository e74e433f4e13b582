# SPDX-License-Identifier: GPL-3.0-or-later
"""The regions of this rack: who answers now, who is asked first, and the list kept on disk."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rackyard.daemons import files
from rackyard.rack import transport
from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.transport import Response

_URL = re.compile(r"https://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]):[0-9]{1,5}")
_PREFIX = "/rpc/1/"


def read_list(path: Path, fallback: tuple[str, ...]) -> tuple[str, ...]:
    """The region list last told by a region, else the one of the configuration."""
    try:
        urls = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return fallback
    return clean(urls) or fallback


def clean(urls: Any) -> tuple[str, ...]:
    """The well-formed URLs of a list, each once, in order."""
    if not isinstance(urls, list):
        return ()
    return tuple(dict.fromkeys(url for url in urls if isinstance(url, str) and _URL.fullmatch(url)))


class Regions:
    """Calls to the regions with the rack's certificate. Safe for several threads."""

    def __init__(self, identity: Path, regions_file: Path, initial: tuple[str, ...]) -> None:
        self._identity = identity
        self._file = regions_file
        self._lock = threading.Lock()
        self._urls = read_list(regions_file, initial)
        self._away: dict[str, tuple[float, str]] = {}
        self._live: set[str] = set()
        self._tls: ssl.SSLContext | None = None
        self._seen: tuple[int, ...] = ()
        self.changed = threading.Event()

    @property
    def urls(self) -> tuple[str, ...]:
        """All known regions."""
        with self._lock:
            return self._urls

    def update(self, urls: Any) -> None:
        """Take a new list from a region; an empty or malformed one is ignored."""
        found = clean(urls)
        with self._lock:
            if not found or found == self._urls:
                return
            self._urls = found
        files.replace(self._file, json.dumps(list(found)).encode(), 0o640)
        self.changed.set()

    def status(self) -> dict[str, str]:
        """Per region: "live", or why it is not."""
        with self._lock:
            return {
                url: "live" if url in self._live else self._away.get(url, (0.0, "not asked yet"))[1]
                for url in self._urls
            }

    def addresses(self) -> tuple[str, ...]:
        """The hosts of the regions, those that answer first, each once."""
        return tuple(dict.fromkeys(urlsplit(url).hostname or "" for url in self.live_first()))

    def follow(self) -> None:
        """For another process than the agent: take over its region list and certificate when they changed on disk."""
        try:
            seen = tuple(path.stat().st_mtime_ns for path in (self._file, self._identity / "rack.crt"))
        except OSError:
            return
        with self._lock:
            if seen != self._seen:
                self._seen = seen
                self._urls = read_list(self._file, self._urls)
                self._tls = None

    def reload_identity(self) -> None:
        """Use the certificate that is on disk now."""
        with self._lock:
            self._tls = None

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = 15.0) -> Any:
        """Call the first region that answers; JSON of its answer.

        Raises RegionRefused when one says no, RegionAway when none answers.
        """
        reasons = []
        for url in self.live_first():
            try:
                return self.call_at(url, method, path, body, timeout_s=timeout_s).json()
            except RegionAway as reason:
                reasons.append(str(reason))
        raise RegionAway("; ".join(reasons) or "no region is known; correct rack.regions in rack.toml")

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
            with self._lock:
                self._away[url] = (time.monotonic(), str(reason))
                self._live.discard(url)
            raise
        except RegionRefused:
            self._is_live(url)
            raise
        self._is_live(url)
        return answer

    def download(self, path: str, limit_bytes: int, error: Callable[[str], Exception]) -> bytes:
        """GET a file of a region's image store (port 5240), from the first region that has it."""
        reasons = []
        for host in self.addresses():
            bracketed = f"[{host}]" if ":" in host else host
            url = f"http://{bracketed}:5240{path}"
            try:
                return transport.checked(transport.request("GET", url, limit_bytes=limit_bytes, timeout_s=60.0)).body
            except (RegionAway, RegionRefused) as reason:
                reasons.append(f"{url}: {reason}")
        raise error("; ".join(reasons) or "no region is known")

    def _is_live(self, url: str) -> None:
        with self._lock:
            self._away.pop(url, None)
            self._live.add(url)

    def live_first(self) -> list[str]:
        """The regions, live ones first; then those whose failure is longest ago."""
        with self._lock:
            return sorted(self._urls, key=lambda url: self._away.get(url, (0.0, ""))[0])

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = transport.client_tls(self._identity)
            return self._tls


def base_urls(urls: Any) -> tuple[str, ...]:
    """The RPC URLs of an enrolment token. Raises RackError when there is none."""
    found = clean(urls)
    if not found:
        raise RackError("the enrolment token names no region; make a new one with `rackyard-region enroll-token`")
    return found
