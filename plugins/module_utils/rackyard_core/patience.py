# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting with an end: a monotonic deadline and a last look exactly at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long to wait in all, and how long between two looks, in seconds."""

    timeout_s: float
    poll_interval_s: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def looks(self) -> Iterator[None]:
        """One item for each look that may be taken; sleeps between them and ends after the one at the deadline."""
        deadline = self.clock() + self.timeout_s
        while True:
            last = self.clock() >= deadline
            yield
            if last:
                return
            self.sleep(min(self.poll_interval_s, max(0.0, deadline - self.clock())))
