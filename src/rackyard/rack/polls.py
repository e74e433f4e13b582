# SPDX-License-Identifier: GPL-3.0-or-later
"""One job poll per region, at one of its ports; regions that come or go are followed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rackyard import contracts
from rackyard.rack.backoff import Backoff, shortened
from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.jobs import JobRunner
from rackyard.rack.log import log
from rackyard.rack.regions import Regions, answer_of

WAIT_S = 30
_MAX_SLOTS = 500
_NO_SLOTS_S = 1.0
# What a region of the release before says to a POST.
_NO_SUCH_CALL = frozenset({404, 405})


class JobPolls:
    """Keeps one thread per region, each in a long poll for jobs. When a port fails the next one is asked. ``check``
    takes the checks of dhcpd's configuration that come by the same way, with the region's URL."""

    def __init__(
        self,
        regions: Regions,
        runner: JobRunner,
        stop: threading.Event,
        check: Callable[[str, Any], None] = lambda _url, _check: None,
    ) -> None:
        self._regions = regions
        self._runner = runner
        self._check = check
        self._stop = stop
        self._polling: set[str] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Until stopped: start a poll for each new region; a poll whose region is no longer listed ends itself."""
        while not self._stop.is_set():
            self._regions.changed.clear()
            for name in self._regions.names:
                with self._lock:
                    if name in self._polling:
                        continue
                    self._polling.add(name)
                threading.Thread(target=self._poll, args=(name,), name=f"jobs {name}", daemon=True).start()
            self._regions.changed.wait(2.0)

    def _poll(self, name: str) -> None:
        backoff = Backoff()
        try:
            while not self._stop.is_set():
                ports = self._regions.channel(name)
                if not ports:
                    break
                try:
                    self._take(ports[0])
                    backoff.reset()
                except (RegionAway, RegionRefused, RackError) as reason:
                    log("warning", "region-away", region=ports[0], reason=reason)
                    self._stop.wait(backoff.next_s())
        finally:
            with self._lock:
                self._polling.discard(name)

    def _take(self, url: str) -> None:
        slots = min(self._runner.slots, _MAX_SLOTS)
        # Without room the poll still tells what is held, and returns soon to see whether there is room.
        wait_s = int(shortened(WAIT_S)) if slots else 0
        answer = self._ask(url, wait_s, slots)
        for job in answer["jobs"]:
            self._begin(url, job)
        for check in answer.get("checks", []):
            self._check(url, check)
        if not slots:
            self._stop.wait(_NO_SLOTS_S)

    def _ask(self, url: str, wait_s: int, slots: int) -> Any:
        body = {"wait": wait_s, "slots": slots, "held": self._runner.held()}
        try:
            return answer_of(self._regions.call_at(url, "POST", "jobs", body, timeout_s=wait_s + 15), "jobs")
        except RegionRefused as refusal:
            if refusal.status not in _NO_SUCH_CALL or not slots:
                raise
        return answer_of(self._regions.call_at(url, "GET", f"jobs?wait={wait_s}", timeout_s=wait_s + 15), "jobs")

    def _begin(self, url: str, job: dict[str, Any]) -> None:
        try:
            contracts.read("job", job)
        except contracts.ContractError as reason:
            # It was taken and cannot be begun; the region misses it among the held ones, and gives it up in time.
            log("error", "job-malformed", region=url, job=job.get("id"), reason=reason)
            return
        log("info", "job-taken", job=job["id"], kind=job["kind"], machine=job.get("hostname"), region=url)
        self._runner.submit(job)
