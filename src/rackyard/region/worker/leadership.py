# SPDX-License-Identifier: GPL-3.0-or-later
"""Several workers may run; one of them does what must be done once."""

from __future__ import annotations

from typing import Any

import psycopg2

from rackyard.region.db import connections
from rackyard.region.db.queries import query


class Leadership:
    """A session-level advisory lock on a connection of its own: it is lost with the connection, and only then."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Any = None

    def held(self) -> bool:
        """Whether this worker leads now; tries to when nobody does. False while PostgreSQL is away."""
        try:
            if self._connection is None:
                self._connection = connections.connect(self._dsn, "rackyard-worker-leader")
                self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                # Asked again while held, the lock counts up, which does no harm; and it proves the connection.
                cursor.execute(query("site.processes.lead"))
                return bool(cursor.fetchone()[0])
        except psycopg2.Error:
            self.close()
            return False

    def close(self) -> None:
        """Give leadership up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
