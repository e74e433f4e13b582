# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what machines and their loaders are told in the boots of this rack's subnets, also in those that another rack
serves, and which machines are in no boot.

A machine reaches its racks by one name, so either of them may be asked when the regions are gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rackyard.rack.boot_cache import BootCache, rack_names
from rackyard.rack.boot_index import BootIndex
from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.log import log

# Another rack's boots are seen this late; those that this one gave a configuration for are asked for at once.
_PASS_S = 10.0

Call = Callable[[str, str, Any], Any]


class BootKeeper:
    """One thread that follows what the regions say about boots; others may tell it what they see. ``warm`` hears the
    paths of images that machines are about to fetch, ``resolve`` in each pass the names by which they reach racks."""

    def __init__(
        self,
        cache: BootCache,
        index: BootIndex,
        call: Call,
        stop: threading.Event,
        warm: Callable[[Sequence[str]], None] = lambda _paths: None,
        resolve: Callable[[Iterable[str]], None] = lambda _names: None,
    ) -> None:
        self._cache = cache
        self._warm = warm
        self._resolve = resolve
        self._index = index
        self._call = call
        self._stop = stop
        self._wake = threading.Event()
        self._lock = threading.Lock()
        # By boot id: the addresses that a region told, and the end. What an earlier life kept is read once; what the
        # release before kept is fetched anew.
        held = cache.held().values()
        self._held = {boot.boot_id: (boot.addresses if boot.config else (), boot.ends_at) for boot in held}
        # The addresses that count.
        self._addresses = {boot.boot_id: boot.addresses for boot in held}
        self._names = {boot.boot_id: rack_names(boot.config) for boot in held}
        self._registered = index.registered()
        self.trouble = ""

    def look_now(self) -> None:
        """Something boots."""
        self._wake.set()

    def registered(self, macs: Sequence[str]) -> None:
        """These are the MACs of all registered machines."""
        self._registered = frozenset(macs)
        self.look_now()

    def leased(self, address: str, mac: str) -> None:
        """This rack's dhcpd gave an address to a MAC. The regions hear of it, but they may not be there to tell."""
        own = self._index.boot_of(mac)
        with self._lock:
            for boot_id, addresses in list(self._addresses.items()):
                if (address in addresses) == (boot_id == own):
                    continue
                others = tuple(each for each in addresses if each != address)
                moved = (address, *others) if boot_id == own else others
                try:
                    self._cache.move(boot_id, moved)
                except OSError as error:
                    log("error", "boot-not-moved", boot=boot_id[:8], address=address, reason=error)
                    continue
                self._addresses[boot_id] = moved

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
            # Also when no region answers here: its name server may.
            self._resolve(sorted(set().union(*self._names.values())))
            self._wake.wait(_PASS_S)

    def refresh(self) -> None:
        """Bring the cache to what a region says. Raises RegionAway, RegionRefused, RackError, OSError."""
        self._forget_others({each for each, (_addresses, end) in self._held.items() if end > datetime.now(UTC)})
        # A machine that is registered later may be in a boot that this answer does not know.
        registered = self._registered
        answer = self._call("GET", "boots", None)
        told = {
            boot["boot_id"]: (tuple(boot["addresses"]), datetime.fromisoformat(boot["ends_at"]))
            for boot in answer["boots"]
        }
        boots = {mac: boot["boot_id"] for boot in answer["boots"] for mac in boot.get("macs", ())}
        # A region of the release before does not say which machines are in a boot, so none counts as idle.
        self._index.write(boots, registered - boots.keys() - set(answer["macs"]) if "macs" in answer else ())
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
        addresses = tuple(answer["addresses"])
        with self._lock:
            self._cache.put(answer)
            self._addresses[boot_id] = addresses
        self._names[boot_id] = rack_names(answer.get("config"))
        self._held[boot_id] = (addresses, datetime.fromisoformat(answer["ends_at"]))
        config = answer.get("config")
        if config:
            self._warm([config[name] for name in ("kernel", "initrd", "squashfs")])

    def _forget_others(self, wanted: set[str]) -> None:
        with self._lock:
            self._cache.drop_others(wanted)
            for boot_id in self._addresses.keys() - wanted:
                del self._addresses[boot_id]
        for boot_id in self._held.keys() - wanted:
            del self._held[boot_id]
            self._names.pop(boot_id, None)
