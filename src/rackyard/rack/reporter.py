# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends what the spool holds to any live region, in order, until it is taken."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.log import log
from rackyard.rack.spool import Batch, Spool

# The boot service writes into the spool too; nothing tells this process, so it looks.
_LOOK_S = 0.5
_BACKOFF_MAX_S = 15.0

Call = Callable[[str, str, Any], Any]


class Reporter:
    """One thread that empties the spool."""

    def __init__(self, spool: Spool, call: Call, stop: threading.Event) -> None:
        self._spool = spool
        self._call = call
        self._stop = stop

    def run(self) -> None:
        """Until stopped; a region outage makes it wait, never lose."""
        backoff_s = 0.5
        while not self._stop.is_set():
            self._spool.written.clear()
            try:
                sent = self.drain()
                backoff_s = 0.5
            except (RegionAway, RackError) as reason:
                log("warning", "reports-wait", waiting=len(self._spool), reason=reason)
                self._stop.wait(backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
                continue
            if not sent:
                self._spool.written.wait(_LOOK_S)

    def drain(self) -> int:
        """Send all that waits; how many batches. Raises RegionAway when no region takes them now."""
        sent = 0
        for batch in self._spool.batches():
            try:
                self._send(batch)
            except RegionRefused as refusal:
                self._one_by_one(batch, refusal)
            self._spool.done(batch)
            sent += 1
        return sent

    def _one_by_one(self, batch: Batch, refusal: RegionRefused) -> None:
        """One bad report must not take its neighbours with it."""
        for single in self._spool.split(batch) if len(batch.paths) > 1 else [batch]:
            try:
                if single is batch:
                    raise refusal
                self._send(single)
            except RegionRefused as reason:
                log("error", "report-refused", kind=single.kind, status=reason.status, reason=reason)
                self._spool.reject(single)
            else:
                self._spool.done(single)

    def _send(self, batch: Batch) -> None:
        if batch.kind in ("events", "leases"):
            self._call("POST", batch.kind, {batch.kind: list(batch.items)})
            return
        for item in batch.items:
            if batch.kind == "result":
                self._call("POST", f"jobs/{item['job']}/result", item["result"])
            else:
                self._call("POST", batch.kind, item)
