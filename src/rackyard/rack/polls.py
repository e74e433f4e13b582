# SPDX-License-Identifier: GPL-3.0-or-later
"""One job poll per live region; regions that come or go are followed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.log import log
from rackyard.rack.regions import Regions

WAIT_S = 30
_BACKOFF_MAX_S = 15.0

Submit = Callable[[dict[str, Any]], None]


class JobPolls:
    """Keeps one thread per region URL, each in a long poll for jobs."""

    def __init__(self, regions: Regions, submit: Submit, stop: threading.Event) -> None:
        self._regions = regions
        self._submit = submit
        self._stop = stop
        self._polling: set[str] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Until stopped: start a poll for each new region; a poll whose region is no longer listed ends itself."""
        while not self._stop.is_set():
            self._regions.changed.clear()
            for url in self._regions.urls:
                with self._lock:
                    if url in self._polling:
                        continue
                    self._polling.add(url)
                threading.Thread(target=self._poll, args=(url,), name=f"jobs {url}", daemon=True).start()
            self._regions.changed.wait(2.0)

    def _poll(self, url: str) -> None:
        backoff_s = 0.5
        try:
            while not self._stop.is_set() and url in self._regions.urls:
                try:
                    self._take(url)
                    backoff_s = 0.5
                except (RegionAway, RegionRefused, RackError) as reason:
                    log("warning", "region-away", region=url, reason=reason)
                    self._stop.wait(backoff_s * random.uniform(0.5, 1.0))
                    backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
        finally:
            with self._lock:
                self._polling.discard(url)

    def _take(self, url: str) -> None:
        document = self._regions.call_at(url, "GET", f"jobs?wait={WAIT_S}", timeout_s=WAIT_S + 15).json()
        for job in document.get("jobs", []):
            log("info", "job-taken", job=job.get("id"), kind=job.get("kind"), machine=job.get("hostname"), region=url)
            try:
                self._submit(job)
            except (KeyError, TypeError, ValueError) as reason:
                log("error", "job-malformed", region=url, reason=f"{type(reason).__name__}: {reason}")
