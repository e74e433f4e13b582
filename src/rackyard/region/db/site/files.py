# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that programs keep here, as rows. Each belongs to an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rackyard.region.db.pool import Row, Transaction


@dataclass(frozen=True)
class ListedFile:
    """What lists show of a file."""

    name: str
    key: str
    size_bytes: int


@dataclass(frozen=True)
class StoredFile:
    """A file with what is in it; whoever knows its key may read it."""

    name: str
    key: str
    content: bytes = field(repr=False)


def of_account(tx: Transaction, account_id: int) -> list[ListedFile]:
    """The files of an account by name."""
    return [ListedFile(**row) for row in tx.all("site.files.of_account", account_id=account_id)]


def find(tx: Transaction, account_id: int, name: str) -> StoredFile | None:
    """The file of that name, if the account has it."""
    return _file(tx.one("site.files.find", account_id=account_id, name=name))


def by_key(tx: Transaction, key: str) -> StoredFile | None:
    """The file that this key opens."""
    return _file(tx.one("site.files.by_key", key=key))


def put(tx: Transaction, account_id: int, file: StoredFile, now: datetime) -> None:
    """Keep a file; one of the same name is replaced, and keeps its key."""
    tx.run("site.files.put", account_id=account_id, name=file.name, key=file.key, content=file.content, now=now)


def delete(tx: Transaction, account_id: int, name: str) -> bool:
    """Remove a file; whether the account had it."""
    return tx.run("site.files.delete", account_id=account_id, name=name) > 0


def _file(row: Row | None) -> StoredFile | None:
    return None if row is None else StoredFile(**row)
