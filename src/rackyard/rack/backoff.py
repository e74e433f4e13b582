# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before a region is tried again."""

from __future__ import annotations

import random


class Backoff:
    """Waits that grow with each failure."""

    def __init__(self, first_s: float = 0.5, most_s: float = 15.0) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._bound_s = first_s

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        waited_s = self._bound_s * random.uniform(0.5, 1.0)
        self._bound_s = min(self._bound_s * 2, self._most_s)
        return waited_s

    def reset(self) -> None:
        """It worked: the next failure is the first."""
        self._bound_s = self._first_s
