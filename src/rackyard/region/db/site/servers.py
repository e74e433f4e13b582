# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of PostgreSQL that a region knows, each asked by itself.

Sources: https://www.postgresql.org/docs/15/functions-admin.html and .../libpq-connect.html (several hosts)"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from rackyard.region.db import connections
from rackyard.region.db.queries import query

# One that does not answer within so many seconds has not answered.
PATIENCE_S = 3


@dataclass(frozen=True)
class Server:
    """One server: `error` says why it did not answer, and then nothing else is known."""

    address: str
    error: str = ""
    follows: bool = False
    started_at: datetime | None = None
    position_bytes: int = 0
    repeated_s: float | None = None


def ask_all(dsn: str) -> list[Server]:
    """Every server that the connection string names, in its order. They are asked at the same time."""
    parts = _each(dsn)
    with ThreadPoolExecutor(max_workers=len(parts)) as asking:
        return list(asking.map(_ask, parts))


def _each(dsn: str) -> list[dict[str, str]]:
    """The parameters of a connection to each host of the connection string."""
    given = parse_dsn(dsn)
    given.pop("target_session_attrs", None)
    hosts = given.get("host", "").split(",")
    ports = given.get("port", "").split(",")
    if len(ports) != len(hosts):
        ports = ports[:1] * len(hosts)
    return [{**given, "host": host, "port": port} for host, port in zip(hosts, ports, strict=True)]


def _ask(parameters: dict[str, str]) -> Server:
    host, port = parameters["host"], parameters["port"]
    address = f"{host or 'socket'}{':' + port if port else ''}"
    named = {name: value for name, value in parameters.items() if value}
    try:
        dsn = make_dsn(**{**named, "connect_timeout": str(PATIENCE_S)})
        connection = connections.connect(dsn, "rackyard-status", statement_timeout_s=PATIENCE_S)
        try:
            with connection.cursor() as cursor:
                cursor.execute(query("site.servers.state"))
                names = [column.name for column in cursor.description]
                return Server(address, **dict(zip(names, cursor.fetchone(), strict=True)))
        finally:
            connection.close()
    except psycopg2.Error as error:
        return Server(address, error=" ".join(str(error).split()))
