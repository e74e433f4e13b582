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
        held = self._cache.held()
        self._cache.drop_others({each for each, boot in held.items() if boot.ends_at > datetime.now(UTC)})
        told = {boot["boot_id"]: boot for boot in self._call("GET", "boots", None)["boots"]}
        self._cache.drop_others(set(told))
        for boot_id, boot in told.items():
            known = held.get(boot_id)
            same = (tuple(boot["addresses"]), datetime.fromisoformat(boot["ends_at"]))
            if known is None or (known.addresses, known.ends_at) != same:
                self._fetch(boot_id)

    def _fetch(self, boot_id: str) -> None:
        try:
            self._cache.put(self._call("POST", "boot-metadata", {"boot_id": boot_id}))
        except RegionRefused as refusal:
            if refusal.status != 404:  # it ended meanwhile
                raise
