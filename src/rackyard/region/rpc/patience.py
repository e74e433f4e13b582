# SPDX-License-Identifier: GPL-3.0-or-later
"""gunicorn's threaded worker with an end to its patience.

Everybody who reaches the port may open connections, certificate or not. gunicorn lets each wait for its TLS handshake
and its request as long as it likes, and holds a thread for it: a few dozen silent connections would keep all racks
out."""

from __future__ import annotations

from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# Seconds without a byte, in a handshake or a request. How long an answer takes to make does not count.
SILENCE_S = 10.0


class ImpatientThreadWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no type information
    """For `--worker-class`: closes a connection that says nothing for SILENCE_S while a thread waits for it."""

    def handle(self, conn: Any) -> Any:
        """One request on one connection, as gunicorn does it, with a limit on the socket."""
        conn.sock.settimeout(SILENCE_S)
        return super().handle(conn)
