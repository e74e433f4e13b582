# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the site which racks wait here and which have hung up, so that nobody has to call in again and again to count
as alive. In calm that is one statement a second which writes nothing.

A rack that loses its power hangs up too: nginx has its connections probed and closes what does not answer."""

from __future__ import annotations

import logging
import threading
import time

from rackyard.region.context import Context
from rackyard.region.errors import RackyardError
from rackyard.region.services.racks import liveness
from rackyard.region.turns import Turns

PASS_S = 1.0
_log = logging.getLogger(__name__)


class Presence:
    """The racks whose polls this process has."""

    def __init__(self, ctx: Context, turns: Turns) -> None:
        self._ctx = ctx
        self._turns = turns
        self._known: set[int] = set()

    def look(self) -> None:
        """One pass. Raises RackyardError, and the next pass tells the same, when the database does not take it."""
        present = self._turns.racks()
        if present or self._known:
            liveness.waiting(self._ctx, present, self._known - present)
        self._known = present

    def start(self) -> None:
        """A pass a second, as long as the process lives."""
        threading.Thread(target=self._run, name="rackyard-presence", daemon=True).start()

    def _run(self) -> None:
        words = ""
        while True:
            time.sleep(PASS_S)
            try:
                self.look()
            except RackyardError as error:
                if error.message != words:
                    _log.error("who waits here is not told: %s", error.message)
                words = error.message
            except Exception:
                _log.exception("who waits here is not told")
            else:
                words = ""
