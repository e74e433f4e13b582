# SPDX-License-Identifier: GPL-3.0-or-later
"""People's SSH keys as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Row, Transaction


@dataclass(frozen=True)
class SshKey:
    """A public key, as a line of authorized_keys has it; `source` is where it was imported from (`gh:ann`)."""

    id: int
    key: str
    source: str


def of_account(tx: Transaction, account_id: int) -> list[SshKey]:
    """The keys of an account, oldest first."""
    return [SshKey(**row) for row in tx.all("site.ssh_keys.of_account", account_id=account_id)]


def find(tx: Transaction, account_id: int, key_id: int) -> SshKey | None:
    """This key, if the account has it."""
    return _key(tx.one("site.ssh_keys.find", account_id=account_id, key_id=key_id))


def digests(tx: Transaction, account_id: int) -> dict[bytes, int]:
    """The keys of an account: their ids by what they are known by."""
    return {bytes(row["key_sha256"]): row["id"] for row in tx.all("site.ssh_keys.digests", account_id=account_id)}


def add(tx: Transaction, account_id: int, key: str, key_sha256: bytes, now: datetime) -> SshKey:
    """One more key of an account."""
    added = _key(tx.one("site.ssh_keys.add", account_id=account_id, key=key, key_sha256=key_sha256, now=now))
    assert added is not None
    return added


def add_imported(tx: Transaction, account_id: int, key: str, key_sha256: bytes, now: datetime, source: str) -> None:
    """One more key of an account, unless somebody has added it meanwhile."""
    columns = {"account_id": account_id, "key": key, "key_sha256": key_sha256, "now": now, "source": source}
    tx.run("site.ssh_keys.add_imported", **columns)


def delete(tx: Transaction, account_id: int, key_id: int) -> SshKey | None:
    """Remove this key, if the account has it; what it was."""
    return _key(tx.one("site.ssh_keys.delete", account_id=account_id, key_id=key_id))


def _key(row: Row | None) -> SshKey | None:
    return SshKey(**row) if row else None
