# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbered SQL files, each applied once, in order, in a transaction of its own with its record.

A file whose second line is `-- no transaction` holds statements that PostgreSQL runs outside of one only (CREATE INDEX
CONCURRENTLY: the table stays writable meanwhile). Its statements are paragraphs, parted by empty lines, and each can be
run again: when one fails, the whole file is run anew by the next `migrate`."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from rackyard.region.db.pool import Database, Transaction
from rackyard.region.errors import RackyardError, Unavailable

# This code works with no older schema. Raise it with the first line of code that needs a newer migration.
NEEDED = 53
# Whoever waits for a lock makes everybody behind it wait too: give up soon, and change nothing.
LOCK_TIMEOUT_S = 10
_LOOK_S = 0.2
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_NO_TRANSACTION = "-- no transaction"
_log = logging.getLogger(__name__)


def available() -> dict[int, str]:
    """Version to SQL text of every migration in this folder. Raises ValueError for a number that two files have."""
    found: dict[int, str] = {}
    for file in resources.files(__package__).iterdir():
        match = _NAME.match(file.name)
        if match is None:
            continue
        version = int(match.group(1))
        if version in found:
            raise ValueError(f"two migrations have the number {version}; {file.name} is one of them")
        found[version] = file.read_text("utf-8")
    return found


def current(db: Database) -> int:
    """The newest migration that the database has, 0 for an empty one."""
    with db.transaction() as tx:
        return max(_applied(tx), default=0)


def require(db: Database) -> None:
    """Called when a process starts: refuse a schema that this code cannot work with.

    A newer one is fine, because migrations leave what the release before uses: so processes of both releases run side
    by side during an upgrade. A database that does not answer is no reason to stay down.
    Raises RackyardError with the remedy."""
    try:
        with db.transaction() as tx:
            applied = _applied(tx)
    except Unavailable as error:
        _log.warning("the schema was not checked: %s", error.message)
        return
    missing = sorted(version for version in available() if version <= NEEDED and version not in applied)
    if missing:
        raise RackyardError(
            f"The database lacks migration {', '.join(map(str, missing))}, which this version needs; "
            "run `rackyard-region migrate`"
        )
    with db.transaction() as tx:
        half = tx.one("site.migrations.half_restored")
    if half and half["present"]:
        raise RackyardError(
            "The database is half restored: its backup is in, and what it must not do again is not taken out; run the "
            "playbook rackyard.metal.restore again"
        )
    if max(applied) > max(available()):
        _log.warning("the database has migration %s, newer than this version; upgrade this host too", max(applied))


def missing(db: Database) -> list[int]:
    """The versions that `migrate` would apply."""
    with db.transaction() as tx:
        return sorted(available().keys() - _applied(tx))


def migrate(db: Database) -> list[int]:
    """Apply what is missing; the versions applied. Safe to run on several hosts at once, and again after a failure.

    Numbers may have gaps. Raises RackyardError when the database is newer than this code, Unavailable when somebody
    holds a table for long (what was applied before that stays)."""
    migrations = available()
    done: list[int] = []
    with _alone(db):
        with db.transaction() as tx:
            applied = _applied(tx)
        unknown = applied - migrations.keys()
        if unknown:
            raise RackyardError(
                f"The database has migration {max(unknown)}, which this version does not know; install a newer Rackyard"
            )
        for version in sorted(migrations.keys() - applied):
            _apply(db, version, migrations[version])
            done.append(version)
    return done


@contextmanager
def _alone(db: Database) -> Iterator[None]:
    """While nobody else migrates: another region's host may be at it, for as long as that takes.

    The lock is held for all files, by a transaction that does nothing else; others may take minutes. Whoever waits for
    it has none open meanwhile: CREATE INDEX CONCURRENTLY waits for the end of each that it meets in a statement."""
    told = False
    while True:
        with db.transaction() as lock:
            lock.run("site.migrations.wait_patiently")
            row = lock.one("site.migrations.try_lock")
            if row and row["locked"]:
                yield
                return
        if not told:
            _log.warning("another host migrates this database; waiting until it has done so")
            told = True
        time.sleep(_LOOK_S)


def _apply(db: Database, version: int, text: str) -> None:
    try:
        if _NO_TRANSACTION in text.splitlines()[:2]:
            with db.transaction() as tx:
                tx.statements(_paragraphs(text))
        with db.transaction() as tx:
            tx.run("site.migrations.wait_patiently")
            tx.run("site.migrations.wait_briefly_for_locks", limit=f"{LOCK_TIMEOUT_S}s")
            if _NO_TRANSACTION not in text.splitlines()[:2]:
                tx.script(text)
            tx.run("site.migrations.record", version=version)
    except Unavailable as error:
        raise Unavailable(
            f"Migration {version} was not applied, and nothing of it can do harm: {error.message} If it goes on, look "
            "for long transactions (a backup, a forgotten session) in pg_stat_activity, then run "
            "`rackyard-region migrate` again."
        ) from error


def _paragraphs(text: str) -> list[str]:
    """The statements of a file without a transaction: no wait for a lock is endless here either."""
    limits = ["SET statement_timeout = 0", "SET lock_timeout = '60s'"]
    body = [part for part in re.split(r"\n\s*\n", text.strip()) if not _only_comment(part)]
    return [*limits, *body, "RESET lock_timeout", "RESET statement_timeout"]


def _only_comment(paragraph: str) -> bool:
    return all(line.startswith("--") for line in paragraph.splitlines())


def _applied(tx: Transaction) -> set[int]:
    table = tx.one("site.migrations.table_exists")
    return {row["version"] for row in tx.all("site.migrations.applied")} if table and table["present"] else set()
