# SPDX-License-Identifier: GPL-3.0-or-later
"""Long polls, counted: of one rack, one per channel is open in a process, and a new one ends the one before.

So a rack that asks without end costs one wait, and an agent that was restarted is not kept waiting by the poll that it
left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turn:
    """One open poll. It is over when a newer one has begun or the caller is gone."""

    def __init__(self, gone: Callable[[], bool] = lambda: False) -> None:
        self._gone = gone
        self._ended = False
        self._wake: Callable[[], None] = lambda: None

    def over(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._ended or self._gone()

    def on_end(self, wake: Callable[[], None]) -> None:
        """What to call when a newer poll ends this one; at once when it has."""
        self._wake = wake
        if self._ended:
            wake()

    def end(self) -> None:
        """A newer poll has begun, or nobody waits for this one."""
        self._ended = True
        self._wake()


class Turns:
    """The open polls of a process. Keys are the rack's id and the channel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[int, str], Turn] = {}

    @contextmanager
    def take(self, key: tuple[int, str], gone: Callable[[], bool] = lambda: False) -> Iterator[Turn]:
        """The newest poll under `key`; the one before ends now."""
        turn = Turn(gone)
        with self._lock:
            before = self._open.get(key)
            self._open[key] = turn
        if before is not None:
            before.end()
        try:
            yield turn
        finally:
            with self._lock:
                if self._open.get(key) is turn:
                    del self._open[key]

    def racks(self) -> set[int]:
        """Who waits, by id. The polls of those who have hung up end now."""
        with self._lock:
            polls = list(self._open.items())
        waiting = set()
        for (rack_id, _channel), turn in polls:
            if turn.over():
                turn.end()
            else:
                waiting.add(rack_id)
        return waiting
