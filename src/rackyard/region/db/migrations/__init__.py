# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbered SQL files, each applied once, in order, in one transaction with its record."""

from __future__ import annotations

import re
from importlib import resources

from rackyard.region.db.pool import Database, Transaction
from rackyard.region.errors import RackyardError

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


def available() -> dict[int, str]:
    """Version to SQL text of every migration in this folder."""
    files = resources.files(__package__).iterdir()
    return {int(match.group(1)): file.read_text("utf-8") for file in files if (match := _NAME.match(file.name))}


def current(db: Database) -> int:
    """The newest migration that the database has, 0 for an empty one."""
    with db.transaction() as tx:
        return max(_applied(tx), default=0)


def migrate(db: Database) -> list[int]:
    """Apply what is missing; the versions applied. Safe to run on several hosts at once.

    Raises RackyardError when the database is newer than this code.
    """
    migrations = available()
    done: list[int] = []
    with db.transaction() as tx:
        tx.run("site.migrations.lock")
        applied = _applied(tx)
        unknown = applied - migrations.keys()
        if unknown:
            raise RackyardError(
                f"The database has migration {max(unknown)}, which this version does not know; install a newer Rackyard"
            )
        for version in sorted(migrations.keys() - applied):
            tx.script(migrations[version])
            tx.run("site.migrations.record", version=version)
            done.append(version)
    return done


def _applied(tx: Transaction) -> set[int]:
    table = tx.one("site.migrations.table_exists")
    return {row["version"] for row in tx.all("site.migrations.applied")} if table and table["present"] else set()
