# SPDX-License-Identifier: GPL-3.0-or-later
"""How many may wait at once: a bound in total and one for each who asks, so that nobody's waiting keeps others out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from rackyard.region.errors import TooMany


class Crowd:
    """Those who wait in this process."""

    def __init__(self, limit: int, limit_each: int) -> None:
        self._limit = limit
        self._limit_each = limit_each
        self._lock = threading.Lock()
        self._inside: Counter[Hashable] = Counter()

    @contextmanager
    def enter(self, who: Hashable, what: str) -> Iterator[None]:
        """Wait inside the block. Raises TooMany, naming `what` is waited for, when it is full."""
        with self._lock:
            if self._inside[who] >= self._limit_each or self._inside.total() >= self._limit:
                raise TooMany(f"too many wait for {what}; try again in {TooMany.retry_after_s} s")
            self._inside[who] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[who] -= 1
                if not self._inside[who]:
                    del self._inside[who]
