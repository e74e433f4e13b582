# SPDX-License-Identifier: GPL-3.0-or-later
"""Has this rack's nginx fetch what the machines of its subnets boot, before it is the only one left to give it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rackyard.rack import transport
from rackyard.rack.errors import RegionAway
from rackyard.rack.log import log

# nginx answers with the first bytes of a region, and goes on fetching by itself.
_TIMEOUT_S = 15.0
# nginx may have thrown away meanwhile what nobody asked for.
_AGAIN_S = 3600.0


class ImageWarmer:
    """Asks the rack's own door, by HEAD: a machine's GET is evidence of its boot, this is not."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._asked: dict[str, float] = {}

    def warm(self, paths: Iterable[str]) -> None:
        """Fetch these paths, unless that was done within an hour. What does not work is tried with the next boot."""
        for path in paths:
            if time.monotonic() < self._asked.get(path, 0.0):
                continue
            try:
                answer = transport.request("HEAD", self._door + path, timeout_s=_TIMEOUT_S)
            except RegionAway as reason:
                log("warning", "image-not-fetched", path=path, reason=reason)
                return
            if answer.status == 200:
                self._asked[path] = time.monotonic() + _AGAIN_S
