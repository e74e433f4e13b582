# SPDX-License-Identifier: GPL-3.0-or-later
"""psycopg2 in a gevent worker: while PostgreSQL works, other requests go on.

gunicorn's gevent worker makes the standard library cooperative; psycopg2, which is C, needs its wait callback for it
(https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries; psycogreen has the callback)."""

from __future__ import annotations

import psycopg2
from gevent import monkey
from psycogreen.gevent import gevent_wait_callback
from psycopg2 import extensions

from rackyard.region.db.connections import STATEMENT_TIMEOUT_S
from rackyard.region.errors import RackyardError

# Longer than any statement may take: what is silent for so long is not there any more.
_SILENCE_S = STATEMENT_TIMEOUT_S + 10


def prepare() -> None:
    """Make this process's database connections cooperative. Raises RackyardError outside a gevent worker."""
    if not monkey.is_module_patched("threading"):
        raise RackyardError("This application needs gunicorn's gevent worker; start it with --worker-class gevent")
    extensions.set_wait_callback(_wait)


def _wait(connection: extensions.connection) -> None:
    try:
        gevent_wait_callback(connection, timeout=_SILENCE_S)
    except TimeoutError as error:
        raise psycopg2.OperationalError(f"PostgreSQL has been silent for {_SILENCE_S} s") from error
