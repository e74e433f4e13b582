# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a rack waits, so that all racks of a region do not do the same thing in the same second."""

from __future__ import annotations

import random

FIRST_S, MOST_S = 2.0, 15.0


class Backoff:
    """Waits after failures. Each is drawn from all that lies below a bound, which doubles with every failure: what
    hundreds of racks lost in one moment they ask for again one after the other."""

    def __init__(self, first_s: float = FIRST_S, most_s: float = MOST_S) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._bound_s = first_s

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        waited_s = random.uniform(0.0, self._bound_s)
        self._bound_s = min(self._bound_s * 2, self._most_s)
        return waited_s

    def reset(self) -> None:
        """It worked: the next failure is the first."""
        self._bound_s = self._first_s


def shortened(seconds: float) -> float:
    """That time or up to a quarter less, so that what has begun together does not go on together."""
    return random.uniform(0.75, 1.0) * seconds
