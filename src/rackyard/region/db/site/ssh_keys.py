# SPDX-License-Identifier: GPL-3.0-or-later
"""People's SSH keys as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Row, Transaction


@dataclass(frozen=True)
class SshKey:
    """A public key, as a line of authorized_keys has it."""

    id: int
    key: str


def of_account(tx: Transaction, account_id: int) -> list[SshKey]:
    """The keys of an account, oldest first."""
    return [SshKey(**row) for row in tx.all("site.ssh_keys.of_account", account_id=account_id)]


def find(tx: Transaction, account_id: int, key_id: int) -> SshKey | None:
    """This key, if the account has it."""
    return _key(tx.one("site.ssh_keys.find", account_id=account_id, key_id=key_id))


def add(tx: Transaction, account_id: int, key: str, key_sha256: bytes, now: datetime) -> SshKey:
    """One more key of an account."""
    added = _key(tx.one("site.ssh_keys.add", account_id=account_id, key=key, key_sha256=key_sha256, now=now))
    assert added is not None
    return added


def delete(tx: Transaction, account_id: int, key_id: int) -> SshKey | None:
    """Remove this key, if the account has it; what it was."""
    return _key(tx.one("site.ssh_keys.delete", account_id=account_id, key_id=key_id))


def _key(row: Row | None) -> SshKey | None:
    return SshKey(**row) if row else None
