# SPDX-License-Identifier: GPL-3.0-or-later
"""Time is passed in, so that a test can decide what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """The real clock, set right by what it is told: all regions judge what others have dated."""

    def __init__(self, correction: Callable[[], timedelta] = timedelta) -> None:
        self._correction = correction

    def now(self) -> datetime:
        """Wall clock, aware, UTC."""
        return datetime.now(UTC) + self._correction()

    def monotonic(self) -> float:
        """Seconds that never go back; for deadlines inside one process."""
        return time.monotonic()
