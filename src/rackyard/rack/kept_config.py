# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine boots while every region is away: what a region would say, as far as this rack can be sure of it.

* In a boot that is kept here, at an address of its own: the boot's configuration, which another rack may have given
  before. After its last word: its disk.
* Registered, and in no boot when a region last spoke: its disk.
* Everything else is asked again, until a region is there. Nothing is ever examined that no region has asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rackyard.rack.boot_cache import BootCache, CachedBoot
from rackyard.rack.boot_index import BootIndex
from rackyard.rack.errors import RegionAway
from rackyard.rack.log import log

_LOCAL = {"purpose": "local"}


class KeptConfigs:
    """Reader of what the agent keeps. ``is_over`` says whether a boot's last word waits here; it raises RegionAway."""

    def __init__(self, cache: BootCache, index: BootIndex, is_over: Callable[[CachedBoot], bool]) -> None:
        self._cache = cache
        self._index = index
        self._is_over = is_over

    def answer(self, mac: str, client: str, local_ip: str) -> dict[str, Any] | None:
        """As `boot-config-answer`, for a MAC at an address that asks this rack at one of its own; None: ask again."""
        boot_id = self._index.boot_of(mac)
        if boot_id is None:
            return _LOCAL if self._index.is_idle(mac) else None
        boot = self._cache.by_id(boot_id)
        if boot is None:
            return None
        if client not in boot.addresses:
            log("warning", "boot-stranger", machine=boot.hostname, mac=mac, client=client)
            return None
        try:
            over = self._is_over(boot)
        except RegionAway:
            return None
        return {**_LOCAL, "hostname": boot.hostname} if over else boot.config_for(mac, local_ip)
