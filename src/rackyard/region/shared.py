# SPDX-License-Identifier: GPL-3.0-or-later
"""One reading for all who ask at the same time: a notice wakes hundreds of racks, which want to know the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class _Reading:
    """What came of it, once it is done."""

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None

    def run(self, read: Callable[[], Any]) -> None:
        try:
            self.value = read()
        except Exception as error:
            self.error = error
        self.done = True


class Shared:
    """Readings of one thing. Whoever asks gets what was read after it asked, never older: while one reading is under
    way, all who ask meanwhile wait for the next, and share that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._next = _Reading()

    def get(self, read: Callable[[], Any]) -> Any:
        """What `read` returns, called by this caller or by another one who asks for the same. Raises what it raises."""
        with self._lock:
            mine = self._next
        with self._turn:
            if not mine.done:
                with self._lock:
                    self._next = _Reading()
                mine.run(read)
        if mine.error is not None:
            raise mine.error
        return mine.value
