# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends what the spool holds to any live region, in order, until it is taken.

A region judges each report of a batch by itself and names those that it refuses; they are put aside. What makes a
region fail (HTTP 500) is sent again, then singly, so that one report that no region can digest holds up nobody. A
region that does not know this rack (401, 403) says nothing about its reports: all of them wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rackyard.rack.backoff import Backoff
from rackyard.rack.errors import RackError, RegionAway, RegionFailed, RegionRefused
from rackyard.rack.log import log
from rackyard.rack.spool import Batch, Spool

# Told of everything that is written; this is for what was not taken a moment ago.
_LOOK_S = 0.5
_NOT_KNOWN = frozenset({401, 403})
# How often a region may fail on the same batch, or the same single report, before it is the report's fault.
MAX_FAILURES = 5

Call = Callable[[str, str, Any], Any]


class Reporter:
    """One thread that empties the spool. ``settled`` hears of each job whose result needs no sending any more."""

    def __init__(
        self, spool: Spool, call: Call, stop: threading.Event, settled: Callable[[int], None] = lambda _job: None
    ) -> None:
        self._spool = spool
        self._call = call
        self._stop = stop
        self._settled = settled
        # Of the oldest batch only: how often a region failed on it, and which of its reports are dealt with.
        self._head: tuple[str, ...] = ()
        self._failures = 0
        self._settled_items: set[int] = set()
        self._item_failures = 0

    def run(self) -> None:
        """Until stopped; a region outage makes it wait, never lose."""
        backoff = Backoff()
        while not self._stop.is_set():
            self._spool.written.clear()
            try:
                sent = self.drain()
                backoff.reset()
            except (RegionAway, RegionRefused, RackError, OSError) as reason:
                log("warning", "reports-wait", waiting=len(self._spool), reason=reason)
                self._stop.wait(backoff.next_s())
                continue
            if not sent:
                self._spool.written.wait(_LOOK_S)

    def drain(self) -> int:
        """Send all that waits; how many batches. Raises RegionAway or RegionRefused (401, 403) when it has to wait."""
        sent = 0
        for batch in self._spool.batches():
            self._begin(batch)
            if self._failures >= MAX_FAILURES or not self._together(batch):
                self._one_by_one(batch)
            self._spool.done(batch)
            sent += 1
        return sent

    def _begin(self, batch: Batch) -> None:
        """A batch grows while it waits; it is another one only when its oldest report is."""
        if self._head[:1] != batch.names[:1]:
            self._head, self._failures = batch.names, 0
            self._settled_items, self._item_failures = set(), 0

    def _together(self, batch: Batch) -> bool:
        """Send a batch as it is; False when its reports have to be sent singly."""
        if self._settled_items:
            return False
        try:
            self._send(batch.kind, batch.items)
        except RegionFailed:
            self._failures += 1
            # A batch of one is alone already.
            self._item_failures = self._failures if len(batch.items) == 1 else 0
            if self._failures < MAX_FAILURES:
                raise
            return False
        except RegionRefused as refusal:
            if refusal.status in _NOT_KNOWN:
                raise
            return False
        for item in batch.items:
            self._settle(batch.kind, item)
        return True

    def _one_by_one(self, batch: Batch) -> None:
        """One bad report must not take its neighbours with it. What is settled stays so when a region goes away."""
        for index, item in enumerate(batch.items):
            if index in self._settled_items:
                continue
            if self._item_failures < MAX_FAILURES:
                try:
                    self._send(batch.kind, (item,))
                except RegionFailed:
                    self._item_failures += 1
                    raise
                except RegionRefused as reason:
                    if reason.status in _NOT_KNOWN:
                        raise
                    self._put_aside(batch.kind, item, f"HTTP {reason.status}: {reason}")
            else:
                self._put_aside(batch.kind, item, f"a region failed on it {MAX_FAILURES} times (HTTP 500)")
            self._settled_items.add(index)
            self._item_failures = 0
            self._settle(batch.kind, item)

    def _send(self, kind: str, items: tuple[dict[str, Any], ...]) -> None:
        if kind in ("events", "leases"):
            answer = self._call("POST", kind, {kind: list(items)})
            by_key = {item.get("key"): item for item in items}
            # A region of the release before refuses whole batches only, and says nothing here.
            for refused in (answer or {}).get("refused", []):
                item = by_key.get(refused["key"], {"key": refused["key"]})
                self._put_aside(kind, item, refused["error"])
            return
        for item in items:
            if kind == "result":
                self._call("POST", f"jobs/{item['job']}/result", item["result"])
            else:
                self._call("POST", kind, item)

    def _put_aside(self, kind: str, item: dict[str, Any], reason: str) -> None:
        log("error", "report-refused", kind=kind, key=item.get("key") or item.get("job"), reason=reason)
        self._spool.reject(kind, item, reason)

    def _settle(self, kind: str, item: dict[str, Any]) -> None:
        if kind == "result":
            self._settled(int(item["job"]))
