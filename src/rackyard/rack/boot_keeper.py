# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the metadata of the boots in this rack's subnets, also of those that another rack serves.

A machine reaches its racks by one name, so either of them may be asked when the regions are gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rackyard.rack.boot_cache import BootCache
from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.log import log

# Another rack's boots are seen this late; those that this one gave a configuration for are asked for at once.
_PASS_S = 10.0

Call = Callable[[str, str, Any], Any]


class BootKeeper:
    """One thread that follows what the regions say about boots."""

    def __init__(self, cache: BootCache, call: Call, stop: threading.Event) -> None:
        self._cache = cache
        self._call = call
        self._stop = stop
        self._wake = threading.Event()
        # By boot id: the addresses that count, and the end. What an earlier life kept is read once.
        self._held = {boot.boot_id: (boot.addresses, boot.ends_at) for boot in cache.held().values()}
        self.trouble = ""

    def look_now(self) -> None:
        """Something was just booted."""
        self._wake.set()

    def run(self) -> None:
        """Until stopped. While no region answers, what is kept stays until it runs out."""
        reason = ""
        while not self._stop.is_set():
            self._wake.clear()
            before = reason
            try:
                self.refresh()
                reason = self.trouble = ""
            except (RegionAway, RegionRefused, RackError) as error:
                reason = str(error)
            except OSError as error:
                reason = self.trouble = f"metadata of boots cannot be kept: {error}"
            if reason and reason != before:
                log("warning", "boots-not-followed", reason=reason)
            self._wake.wait(_PASS_S)

    def refresh(self) -> None:
        """Bring the cache to what a region says. Raises RegionAway, RegionRefused, RackError, OSError."""
        self._forget_others({each for each, (_addresses, end) in self._held.items() if end > datetime.now(UTC)})
        told = {
            boot["boot_id"]: (tuple(boot["addresses"]), datetime.fromisoformat(boot["ends_at"]))
            for boot in self._call("GET", "boots", None)["boots"]
        }
        self._forget_others(set(told))
        for boot_id, known in told.items():
            if self._held.get(boot_id) != known:
                self._fetch(boot_id)

    def _fetch(self, boot_id: str) -> None:
        try:
            answer = self._call("POST", "boot-metadata", {"boot_id": boot_id})
        except RegionRefused as refusal:
            if refusal.status != 404:
                raise
            return  # it ended meanwhile
        self._cache.put(answer)
        self._held[boot_id] = (tuple(answer["addresses"]), datetime.fromisoformat(answer["ends_at"]))

    def _forget_others(self, wanted: set[str]) -> None:
        self._cache.drop_others(wanted)
        for boot_id in self._held.keys() - wanted:
            del self._held[boot_id]
