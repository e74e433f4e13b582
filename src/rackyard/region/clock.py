# SPDX-License-Identifier: GPL-3.0-or-later
"""Time is passed in, so that a test can decide what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The real clock."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back; for deadlines inside one process."""
        return time.monotonic()
