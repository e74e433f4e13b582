# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGTERM and SIGINT, for a main thread that waits for them.

A handler runs in the main thread, wherever that is. One that sets the Event that the main thread waits for takes a lock
which that thread may have at this moment, and then the process stands still until it is killed."""

from __future__ import annotations

import os
import select
import signal


class StopSignals:
    """Whether the process was told to end. Made in the main thread, once."""

    def __init__(self) -> None:
        self._told, writer = os.pipe()
        os.set_blocking(writer, False)
        # Python writes the signal's number itself, before any handler runs.
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def wait(self, timeout_s: float) -> bool:
        """Wait for one of them; true once there was one, at once from then on."""
        return bool(select.select([self._told], [], [], timeout_s)[0])
