# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL's clock is ahead of this host's. A site's regions share one PostgreSQL, so that its clock is the one
by which they date things and judge what others have dated, whatever the clocks of their hosts say."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from rackyard.region.db.queries import query

# How often a process compares.
EVERY_S = 30.0
# Clocks that chrony keeps differ by less.
NEGLIGIBLE = timedelta(seconds=2)
_log = logging.getLogger(__name__)


class ServerTime:
    """Compares the clocks now and then, on a connection that somebody is about to use anyway."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._next = 0.0

    def ahead(self) -> timedelta:
        """What to add to this host's clock; zero while both agree, and before the first connection."""
        return self._ahead

    def compared(self, connection: Any) -> Any:
        """The same connection, which is in no transaction before and after. Raises psycopg2.Error."""
        if time.monotonic() < self._next:
            return connection
        before = datetime.now(UTC)
        with connection.cursor() as cursor:
            cursor.execute(query("site.health.clock"))
            (theirs,) = cursor.fetchone()
        took = datetime.now(UTC) - before
        connection.rollback()
        self._next = time.monotonic() + EVERY_S
        ahead = theirs - before - took / 2
        # Somewhere between question and answer it was looked at.
        self._take(ahead if abs(ahead) > NEGLIGIBLE + took / 2 else timedelta())
        return connection

    def _take(self, ahead: timedelta) -> None:
        if abs(ahead - self._ahead) > NEGLIGIBLE:
            _log.warning("PostgreSQL's clock is %+.0f s ahead of this host's, and counts", ahead.total_seconds())
        self._ahead = ahead
