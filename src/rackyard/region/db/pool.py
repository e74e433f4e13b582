# SPDX-License-Identifier: GPL-3.0-or-later
"""A small pool of psycopg2 connections, and transactions that know queries by name.

psycopg2.pool does not do this job: it refuses when all connections are busy instead of waiting, connects while it holds
the lock that all others need, and takes a connection that the server has closed for a good one."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2

from rackyard.region.db import connections, types
from rackyard.region.db.constraints import domain_error
from rackyard.region.db.queries import query, with_columns
from rackyard.region.db.server_time import ServerTime
from rackyard.region.errors import RackyardError, Unavailable, Undecided

Row = dict[str, Any]
_log = logging.getLogger(__name__)


class Transaction:
    """One open transaction. It commits when its `with` block ends and rolls back when that block raises."""

    def __init__(
        self, connection: Any, on_statement: Callable[[str], None] | None = None, *, only_reads: bool = False
    ) -> None:
        self._connection = connection
        self._on_statement = on_statement
        self._only_reads = only_reads
        self.changes = False
        # Whose changes these are, for the audit trail; nobody's: those of machines and of the region itself.
        self.deed = ""
        self._announced = False

    def all(self, name: str, where: Sequence[str] = (), /, **params: Any) -> list[Row]:
        """Every row of a query, of those that meet all conditions of these names."""
        with self._execute(name, params, where) as cursor:
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def columns(
        self, name: str, where: Sequence[str], columns: Collection[str], /, **params: Any
    ) -> dict[str, Sequence[Any]]:
        """Every row, column by column; with these columns only, of those that are there for who asks for them. For
        many rows, where names would cost more than values."""
        with self._execute(name, params, where, columns) as cursor:
            names = [column.name for column in cursor.description]
            rows = cursor.fetchall()
            return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))

    def one(self, name: str, /, **params: Any) -> Row | None:
        """The first row of a query, or None."""
        with self._execute(name, params) as cursor:
            row = cursor.fetchone()
            names = [column.name for column in cursor.description]
            return None if row is None else dict(zip(names, row, strict=True))

    def run(self, name: str, /, **params: Any) -> int:
        """Execute a statement; the number of rows it touched."""
        with self._execute(name, params) as cursor:
            return int(cursor.rowcount)

    @contextmanager
    def _execute(
        self, name: str, params: dict[str, Any], where: Sequence[str] = (), columns: Collection[str] | None = None
    ) -> Iterator[Any]:
        if self._on_statement:
            self._on_statement(name)
        text = query(name, where) if columns is None else with_columns(query(name, where), columns)
        if not text.startswith("SELECT"):
            if self._only_reads:
                raise LookupError(f"{name} changes something, and there is no transaction around it")
            self.changes = True
            self._announce()
        with self._connection.cursor() as cursor:
            cursor.execute(text, params)
            yield cursor

    def _announce(self) -> None:
        """Tell the triggers of the audit trail whose changes follow, before the first one."""
        if self.deed and not self._announced:
            self._announced = True
            with self._connection.cursor() as cursor:
                cursor.execute(query("site.audit.announce"), {"deed": self.deed})

    def script(self, sql: str) -> None:
        """Run a whole SQL file (migrations), however long it takes."""
        self.changes = True
        with self._connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(sql)

    def statements(self, statements: Sequence[str]) -> None:
        """Run statements that allow no transaction around them (CREATE INDEX CONCURRENTLY), each committed by itself.

        Only as the first thing in a transaction."""
        self._connection.autocommit = True
        try:
            with self._connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            self._connection.autocommit = False

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of the transaction that may fail by itself: what it did is undone, what came before stays.

        PostgreSQL's refusals come out as in `transaction`; a deadlock or a lost connection ends the whole of it."""
        # Not within the part: what is undone is forgotten, too.
        self._announce()
        self.script("SAVEPOINT part")
        try:
            yield
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            self.script("ROLLBACK TO SAVEPOINT part")
            raise domain_error(error) or error from error
        except RackyardError:
            self.script("ROLLBACK TO SAVEPOINT part")
            raise
        self.script("RELEASE SAVEPOINT part")


class Database:
    """At most `size` connections, made when first needed, waited for when all are busy."""

    def __init__(
        self,
        dsn: str,
        *,
        size: int = 10,
        wait_s: float = 10.0,
        statement_timeout_s: int = connections.STATEMENT_TIMEOUT_S,
    ) -> None:
        self._dsn = dsn
        self._statement_timeout_s = statement_timeout_s
        self._wait_s = wait_s
        self._slots = threading.BoundedSemaphore(size)
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.on_statement: Callable[[str], None] | None = None
        self.time = ServerTime()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction on a connection of its own. PostgreSQL's refusals come out as errors of the region."""
        connection = self._take()
        transaction = Transaction(connection, self.on_statement)
        try:
            yield transaction
            self._commit(connection, transaction)
        except psycopg2.Error as error:
            self._rollback(connection)
            mapped = domain_error(error)
            if mapped is None:
                raise
            raise mapped from error
        except BaseException:
            self._rollback(connection)
            raise
        finally:
            self._give_back(connection)

    def recording(self, deed: str) -> Database:
        """The same database, in which every change is recorded as that deed."""
        return _Recording(self, deed)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """For statements that only read. At PostgreSQL's usual isolation each of them sees a moment of its own, with a
        transaction around them or without: so there is none, nor the two round trips that it takes."""
        connection = self._take()
        try:
            connection.autocommit = True
            yield Transaction(connection, self.on_statement, only_reads=True)
        except psycopg2.Error as error:
            raise domain_error(error) or error from error
        finally:
            if not connection.closed:
                connection.autocommit = False
            self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Any:
        if not self._slots.acquire(timeout=self._wait_s):
            raise Unavailable("Every database connection of this region process is busy; try again.")
        try:
            return self._compared(self._take_idle() or self._connect())
        except psycopg2.Error as error:
            self._slots.release()
            # The driver's words name host, user and database: they are for the journal, not for whoever asks.
            _log.error("cannot reach PostgreSQL: %s", " ".join(str(error).split()))
            raise Unavailable(
                "Cannot reach the region's PostgreSQL; the region's journal says why, and region.toml ([database] dsn) "
                "where it should be."
            ) from error
        except BaseException:
            self._slots.release()
            raise

    def _take_idle(self) -> Any:
        """An idle connection that lives, None when there is none."""
        with self._lock:
            self._forget_after_fork()
            while self._idle:
                connection = self._idle.pop()
                if _usable(connection):
                    return connection
                connection.close()
        return None

    def _compared(self, connection: Any) -> Any:
        """Asks PostgreSQL now and then, so it is no work for whoever holds the lock."""
        try:
            return self.time.compared(connection)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> Any:
        connection = connections.connect(self._dsn, "rackyard-region", statement_timeout_s=self._statement_timeout_s)
        types.register(connection)
        return connection

    def _give_back(self, connection: Any) -> None:
        with self._lock:
            if not connection.closed:
                self._idle.append(connection)
        self._slots.release()

    @staticmethod
    def _commit(connection: Any, transaction: Transaction) -> None:
        """Raises Undecided when a change was under way and the server is gone before it has said that it stored it."""
        try:
            connection.commit()
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if connection.closed and transaction.changes:
                raise Undecided(
                    "PostgreSQL was lost while it stored this: it may be done or not; look before you repeat it."
                ) from error
            raise

    @staticmethod
    def _rollback(connection: Any) -> None:
        try:
            connection.rollback()
        except psycopg2.Error:
            connection.close()

    def _forget_after_fork(self) -> None:
        if self._pid != os.getpid():
            # The parent still uses these sockets: drop the objects without a goodbye to the server.
            self._idle, self._pid = [], os.getpid()


class _Recording(Database):
    """Another one's connections."""

    def __init__(self, database: Database, deed: str) -> None:
        self._database, self._deed = database, deed
        self.time = database.time

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._database.transaction() as tx:
            tx.deed = self._deed
            yield tx

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self._database.reading() as tx:
            yield tx

    def recording(self, deed: str) -> Database:
        return _Recording(self._database, deed)

    def close(self) -> None:
        self._database.close()


def _usable(connection: Any) -> bool:
    """An idle connection with something to read was closed by the server."""
    if connection.closed:
        return False
    readable = select.poll()
    readable.register(connection, select.POLLIN)
    return not readable.poll(0)
