# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploaded scripts as rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral.script_metadata import Metadata


@dataclass(frozen=True)
class Script:
    """An uploaded script as it is now: `version_id` is what machines run, of `size_bytes`."""

    id: int
    metadata: Metadata
    sha256: str
    version_id: int
    size_bytes: int


@dataclass(frozen=True)
class Version:
    """What a script was from that time on."""

    id: int
    script_id: int
    comment: str
    created_at: datetime


def lock(tx: Transaction) -> None:
    """One change of scripts at a time."""
    tx.run("site.scripts.lock")


def every(tx: Transaction) -> list[Script]:
    """All of them by name."""
    return [Script(**{**row, "metadata": Metadata.of(row["metadata"])}) for row in tx.all("site.scripts.all")]


def history(tx: Transaction) -> list[Version]:
    """What all scripts have been, the newest first."""
    return [Version(**row) for row in tx.all("site.scripts.history")]


def version(tx: Transaction, version_id: int) -> tuple[Metadata, bytes]:
    """What a script was. Its content is there as long as its row."""
    row = tx.one("site.scripts.version", id=version_id)
    assert row is not None
    return Metadata.of(row["metadata"]), bytes(row["content"])


def add(tx: Transaction, metadata: Metadata, content: bytes, comment: str, now: datetime) -> int:
    """A new script; its id."""
    row = tx.one("site.scripts.add", **_columns(metadata, _sha256(content)))
    assert row is not None
    _add_version(tx, int(row["id"]), metadata, content, comment, now)
    return int(row["id"])


def update(tx: Transaction, script_id: int, metadata: Metadata, sha256: str) -> None:
    """Change what is no version of its own."""
    tx.run("site.scripts.update", id=script_id, **_columns(metadata, sha256))


def renew(
    tx: Transaction, script_id: int, metadata: Metadata, content: bytes, comment: str, now: datetime, *, keep: int
) -> None:
    """What it is from now on; the newest `keep` versions stay."""
    update(tx, script_id, metadata, _sha256(content))
    _add_version(tx, script_id, metadata, content, comment, now)
    tx.run("site.scripts.drop_versions", id=script_id, keep=keep)


def machines(tx: Transaction, script_id: int) -> list[str]:
    """The hostnames of machines that are about to run it."""
    return [row["hostname"] for row in tx.all("site.scripts.machines", id=script_id)]


def delete(tx: Transaction, script_id: int) -> None:
    """Remove it with its history."""
    tx.run("site.scripts.delete", id=script_id)


def _add_version(
    tx: Transaction, script_id: int, metadata: Metadata, content: bytes, comment: str, now: datetime
) -> None:
    plain = json.dumps(metadata.plain)
    tx.run("site.scripts.add_version", id=script_id, metadata=plain, content=content, comment=comment, now=now)


def _columns(metadata: Metadata, sha256: str) -> dict[str, str]:
    return {"name": metadata.name, "metadata": json.dumps(metadata.plain), "sha256": sha256}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
