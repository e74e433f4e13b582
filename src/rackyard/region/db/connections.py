# SPDX-License-Identifier: GPL-3.0-or-later
"""How every connection to PostgreSQL is made: in UTC, and with an end to each kind of waiting.

Sources: https://www.postgresql.org/docs/15/libpq-connect.html and .../runtime-config-client.html"""

from __future__ import annotations

from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 30
LOCK_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_S = 60

# A remote PostgreSQL that is cut off without a word is noticed after 10 to 13 seconds, reading or writing.
_CUT_OFF = {
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# And so does the server notice that a region's host is gone, else its locks, the leader's among them, would be held for
# hours. Without effect on a socket.
_LEFT_BEHIND = {
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}

# Of a DSN with several servers, the one that was found last. It is asked first.
_found: dict[str, tuple[str, str]] = {}


def connect(dsn: str, name: str, *, statement_timeout_s: int = STATEMENT_TIMEOUT_S) -> Any:
    """A connection that PostgreSQL lists under `name`. What the DSN itself says about any of this wins."""
    given = parse_dsn(dsn)
    session = {
        "TimeZone": "UTC",
        "statement_timeout": f"{statement_timeout_s}s",
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S}s",
        **_LEFT_BEHIND,
    }
    ours = " ".join(f"-c {key}={value}" for key, value in session.items())
    defaults = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": name, **_CUT_OFF}
    options = f"{ours} {given.get('options', '')}".strip()
    servers = _Servers(given)
    connection = psycopg2.connect(**{**defaults, **given, "options": options, **servers.ordered(_found.get(dsn))})
    if servers.several:
        _found[dsn] = (connection.info.host, str(connection.info.port))
    return connection


class _Servers:
    """The servers that a DSN names. libpq asks them in turn, and a dead host costs each connection its time-out."""

    def __init__(self, given: dict[str, str]) -> None:
        self._lists = {name: given[name].split(",") for name in ("host", "hostaddr", "port") if given.get(name)}
        self._count = max((len(each) for each in self._lists.values()), default=1)
        self.several = self._count > 1

    def ordered(self, first: tuple[str, str] | None) -> dict[str, str]:
        """The same parameters, `first` (host, port) before the others."""
        if not self.several or first is None:
            return {}
        whole = {name: each if len(each) > 1 else each * self._count for name, each in self._lists.items()}
        places = zip(whole.get("host") or whole["hostaddr"], whole.get("port", ["5432"] * self._count), strict=True)
        at = next((place for place, server in enumerate(places) if server == first), 0)
        return {name: ",".join([each[at], *each[:at], *each[at + 1 :]]) for name, each in whole.items()}
